-- The vectors of the clients with appended rows.
INSERT INTO online_features AS stored (client_id, event_timestamp, v, times)
SELECT folded.client_id, folded.event_timestamp, folded.v, folded.times
  FROM (SELECT array_agg(client_id) AS ids, array_agg('infinity'::timestamptz) AS instants
          FROM (SELECT DISTINCT client_id FROM fresh ORDER BY client_id) AS clients) AS wanted
 CROSS JOIN LATERAL features_as_of(wanted.ids, wanted.instants) AS folded
ON CONFLICT (client_id) DO UPDATE
   SET event_timestamp = excluded.event_timestamp, v = excluded.v, times = excluded.times
 WHERE (stored.event_timestamp, stored.v::text, stored.times::text)
       IS DISTINCT FROM (excluded.event_timestamp, excluded.v::text, excluded.times::text)
