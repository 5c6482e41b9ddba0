-- What `fresh` says again is taken out of it. An imported row is news unless the last write of its instant says the same and
-- no raw event of that instant came later. Outcomes are compared where the file has them.
DELETE FROM fresh USING feature_history AS h
 WHERE h.client_id = fresh.client_id AND h.event_timestamp = fresh.event_timestamp AND h.event_id IS NULL
   AND h.said::jsonb @> fresh.said::jsonb
   AND (NOT current_setting('db_init.outcomes')::boolean
        OR (h.outcome IS NOT DISTINCT FROM fresh.outcome AND h.raw::jsonb IS NOT DISTINCT FROM fresh.raw::jsonb))
   AND NOT EXISTS (SELECT FROM feature_history AS later
                    WHERE later.client_id = h.client_id AND later.event_timestamp = h.event_timestamp AND later.seq > h.seq);

-- A row without an instant that says what is in force keeps the instant of the write that said so; its outcome may be news.
UPDATE fresh SET event_timestamp = h.event_timestamp
  FROM online_features AS o JOIN feature_history AS h
    ON h.client_id = o.client_id AND h.event_timestamp = o.event_timestamp AND h.event_id IS NULL
 WHERE current_setting('db_init.outcomes')::boolean
   AND fresh.event_timestamp IS NULL AND fresh.client_id = o.client_id AND o.v::jsonb @> fresh.said::jsonb
   AND h.said::jsonb @> fresh.said::jsonb
   AND (h.outcome IS DISTINCT FROM fresh.outcome OR h.raw::jsonb IS DISTINCT FROM fresh.raw::jsonb)
   AND NOT EXISTS (SELECT FROM history_retention AS r WHERE h.event_timestamp < r.before);

-- Where it is in force by other events, or with the same outcome, it is no news.
DELETE FROM fresh USING online_features AS o
 WHERE fresh.event_timestamp IS NULL AND fresh.client_id = o.client_id AND o.v::jsonb @> fresh.said::jsonb;

UPDATE fresh SET event_timestamp = now() WHERE event_timestamp IS NULL;
