-- The vectors of clients with new or changed raw events. For a client without writes they are the values of the newest raw event.
INSERT INTO online_features AS stored (client_id, event_timestamp, v, times)
SELECT fresh.client_id, fresh.event_timestamp, fresh.said, NULL
  FROM fresh_online AS fresh
 WHERE NOT EXISTS (SELECT FROM feature_history AS h WHERE h.client_id = fresh.client_id AND h.event_id IS NULL)
UNION ALL
SELECT folded.client_id, folded.event_timestamp, folded.v, folded.times
  FROM (SELECT array_agg(fresh.client_id) AS ids, array_agg('infinity'::timestamptz) AS instants
          FROM fresh_online AS fresh
         WHERE EXISTS (SELECT FROM feature_history AS h WHERE h.client_id = fresh.client_id AND h.event_id IS NULL)) AS written
 CROSS JOIN LATERAL features_as_of(written.ids, written.instants) AS folded
ON CONFLICT (client_id) DO UPDATE
   SET event_timestamp = excluded.event_timestamp, v = excluded.v, times = excluded.times
 WHERE (stored.event_timestamp, stored.v::text, stored.times::text)
       IS DISTINCT FROM (excluded.event_timestamp, excluded.v::text, excluded.times::text)
