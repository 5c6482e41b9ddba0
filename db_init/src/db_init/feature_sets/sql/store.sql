-- Store a document as the set in force. A statement of its own ends the previous one first.
INSERT INTO feature_sets (name, digest, document, retained, folder)
VALUES (%(name)s, %(digest)s, %(document)s, %(retained)s, %(folder)s)
