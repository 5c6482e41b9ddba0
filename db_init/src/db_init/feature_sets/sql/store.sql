-- A document, which becomes the set in force. The one before it is put aside in a statement of its own.
INSERT INTO feature_sets (name, digest, document, retained, folder)
VALUES (%(name)s, %(digest)s, %(document)s, %(retained)s, %(folder)s)
