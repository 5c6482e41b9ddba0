-- All stored raw events.
SELECT event_id, client_id, to_char(event_timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), outcome, said, raw
  FROM feature_history
 WHERE event_id IS NOT NULL
