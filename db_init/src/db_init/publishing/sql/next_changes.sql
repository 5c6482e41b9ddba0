-- Marked vectors as they are now: one snapshot, and so each under the revision that it has.
SELECT c.client_id, c.rev, timestamptz_send(o.event_timestamp), o.v::text, o.times::text
  FROM (SELECT client_id, rev FROM online_changes WHERE client_id > %(after)s ORDER BY client_id LIMIT %(limit)s) AS c
  LEFT JOIN online_features AS o USING (client_id)
 ORDER BY c.client_id
