-- The stored raw events of every client in the file, and those with an event id of the file.
SELECT event_id, client_id, to_char(event_timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), outcome, said, raw
  FROM feature_history
 WHERE event_id IS NOT NULL
   AND client_id IN (SELECT client_id FROM touched
                     UNION SELECT h.client_id FROM feature_history AS h WHERE h.event_id IN (SELECT event_id FROM touched))
