-- Delete older writes of the same client and instant whose keys the new write has all, so that a repeated write leaves one row.
-- A file without outcomes keeps rows that have one.
DELETE FROM feature_history AS h USING fresh
 WHERE h.client_id = fresh.client_id AND h.event_timestamp = fresh.event_timestamp AND h.event_id IS NULL
   AND (h.outcome IS NULL OR current_setting('db_init.outcomes')::boolean)
   AND NOT EXISTS (SELECT FROM json_object_keys(h.said) AS key
                    WHERE key NOT IN (SELECT json_object_keys(fresh.said)));

INSERT INTO feature_history (client_id, event_timestamp, said, raw, outcome)
SELECT client_id, event_timestamp, said, raw, outcome FROM fresh ORDER BY client_id, event_timestamp;
