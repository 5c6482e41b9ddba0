-- As before: it is bound to the table that it names, which is the partitioned one from now on.

-- The vector of each client as of each instant; 'infinity' is now. No row for a client without an event by then.
-- `v`: by key, what the latest event that speaks of it says. `times`: instants of the keys whose event is older than
-- event_timestamp. Of raw events the newest counts (event_timestamp, event_id); between it and the writes the latest
-- (event_timestamp, seq), key by key.
CREATE OR REPLACE FUNCTION features_as_of(client_ids bigint[], instants timestamptz[])
RETURNS TABLE ("position" bigint, client_id bigint, event_timestamp timestamptz, v json, times json)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
SELECT wanted.n, wanted.client_id,
       coalesce(folded.event_timestamp, newest.event_timestamp), coalesce(folded.v, newest.said), folded.times
  FROM unnest(client_ids, instants) WITH ORDINALITY AS wanted (client_id, instant, n)
  LEFT JOIN LATERAL (
       SELECT h.event_timestamp, h.seq, h.said
         FROM feature_history AS h
        WHERE h.client_id = wanted.client_id AND h.event_timestamp <= wanted.instant AND h.event_id IS NOT NULL
        ORDER BY h.event_timestamp DESC, h.event_id DESC
        LIMIT 1) AS newest ON true
  LEFT JOIN LATERAL (
       SELECT max(one.event_timestamp) AS event_timestamp,
              json_object_agg(one.key, one.value ORDER BY one.key) AS v,
              json_object_agg(one.key, instant_text(one.event_timestamp) ORDER BY one.key)
                  FILTER (WHERE one.event_timestamp < one.latest) AS times
         FROM (SELECT DISTINCT ON (spoken.key) spoken.key, spoken.value, spoken.event_timestamp,
                      max(spoken.event_timestamp) OVER () AS latest
                 FROM (SELECT each.key, each.value, h.event_timestamp, h.seq
                         FROM feature_history AS h CROSS JOIN LATERAL json_each(h.said) AS each
                        WHERE h.client_id = wanted.client_id AND h.event_timestamp <= wanted.instant AND h.event_id IS NULL
                       UNION ALL
                       SELECT each.key, each.value, newest.event_timestamp, newest.seq
                         FROM json_each(newest.said) AS each) AS spoken
                ORDER BY spoken.key, spoken.event_timestamp DESC, spoken.seq DESC) AS one
        WHERE EXISTS (SELECT FROM feature_history AS h
                       WHERE h.client_id = wanted.client_id AND h.event_timestamp <= wanted.instant AND h.event_id IS NULL)
      ) AS folded ON true
 WHERE newest.event_timestamp IS NOT NULL OR folded.event_timestamp IS NOT NULL;
END;
