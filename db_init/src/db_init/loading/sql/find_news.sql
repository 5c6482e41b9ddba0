-- Delete from `fresh` what is stored already. An imported row is new unless the last write at its instant has the same values and
-- no raw event of that instant was received later. Outcomes are compared if the file has them.
DELETE FROM fresh USING feature_history AS h
 WHERE h.client_id = fresh.client_id AND h.event_timestamp = fresh.event_timestamp AND h.event_id IS NULL
   AND h.said::jsonb @> fresh.said::jsonb
   AND (NOT current_setting('db_init.outcomes')::boolean
        OR (h.outcome IS NOT DISTINCT FROM fresh.outcome AND h.raw::jsonb IS NOT DISTINCT FROM fresh.raw::jsonb))
   AND NOT EXISTS (SELECT FROM feature_history AS later
                    WHERE later.client_id = h.client_id AND later.event_timestamp = h.event_timestamp AND later.seq > h.seq);

-- A row without an instant that equals the current values gets the instant of the write with them; its outcome may be new.
UPDATE fresh SET event_timestamp = h.event_timestamp
  FROM online_features AS o JOIN feature_history AS h
    ON h.client_id = o.client_id AND h.event_timestamp = o.event_timestamp AND h.event_id IS NULL
 WHERE current_setting('db_init.outcomes')::boolean
   AND fresh.event_timestamp IS NULL AND fresh.client_id = o.client_id AND o.v::jsonb @> fresh.said::jsonb
   AND h.said::jsonb @> fresh.said::jsonb
   AND (h.outcome IS DISTINCT FROM fresh.outcome OR h.raw::jsonb IS DISTINCT FROM fresh.raw::jsonb)
   AND NOT EXISTS (SELECT FROM history_retention AS r WHERE h.event_timestamp < r.before);

-- If the current values come from other events, or the outcome is the same, the row is not new.
DELETE FROM fresh USING online_features AS o
 WHERE fresh.event_timestamp IS NULL AND fresh.client_id = o.client_id AND o.v::jsonb @> fresh.said::jsonb;

UPDATE fresh SET event_timestamp = now() WHERE event_timestamp IS NULL;
