-- Mark the next clients of a full publish. Each gets its revision while its row is locked, as in a change.
WITH locked AS (
    SELECT client_id FROM online_features WHERE client_id > %(after)s ORDER BY client_id LIMIT %(limit)s FOR SHARE),
marked AS (
    INSERT INTO online_changes (client_id, rev)
    SELECT client_id, nextval('online_revisions') FROM locked
        ON CONFLICT (client_id) DO UPDATE SET rev = excluded.rev
    RETURNING client_id)
SELECT max(client_id) FROM marked
