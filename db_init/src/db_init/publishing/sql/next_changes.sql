-- Marked vectors in one snapshot, so that each has the revision of its mark.
SELECT c.client_id, c.rev, timestamptz_send(o.event_timestamp), o.v::text, o.times::text
  FROM (SELECT client_id, rev FROM online_changes WHERE client_id > %(after)s ORDER BY client_id LIMIT %(limit)s) AS c
  LEFT JOIN online_features AS o USING (client_id)
 ORDER BY c.client_id
