-- The values of earlier writes that are in force at the instant: for each client and key the latest. Each keeps its instant and
-- its place in the order of receipt, so that vectors from the instant on do not change. Outcomes are not kept.
INSERT INTO feature_history_kept (client_id, event_timestamp, said, received_at, seq)
SELECT client_id, event_timestamp, json_object_agg(key, value ORDER BY key), received_at, seq
  FROM (SELECT DISTINCT ON (h.client_id, each.key) h.client_id, each.key, each.value, h.event_timestamp, h.received_at, h.seq
          FROM feature_history AS h CROSS JOIN LATERAL json_each(h.said) AS each
         WHERE h.event_timestamp < %s AND h.event_id IS NULL
         ORDER BY h.client_id, each.key, h.event_timestamp DESC, h.seq DESC) AS latest
 GROUP BY client_id, event_timestamp, received_at, seq
 ORDER BY client_id, event_timestamp
