-- Every event with an outcome: its own values (`said`) over the vector in force at its instant, because events at one instant
-- do not see each other. For clients without writes the values of the raw event are enough, which is faster.
WITH rows AS (
    SELECT client_id, event_id, event_timestamp, said, raw, outcome, seq FROM feature_history WHERE outcome IS NOT NULL
),
written AS (
    SELECT array_agg(rows.client_id ORDER BY rows.seq, rows.event_id) AS ids,
           array_agg(rows.event_timestamp ORDER BY rows.seq, rows.event_id) AS instants,
           array_agg(rows.said ORDER BY rows.seq, rows.event_id) AS said,
           array_agg(rows.raw ORDER BY rows.seq, rows.event_id) AS raw,
           array_agg(rows.outcome ORDER BY rows.seq, rows.event_id) AS outcomes,
           array_agg(rows.event_id ORDER BY rows.seq, rows.event_id) AS event_ids
      FROM rows
     WHERE EXISTS (SELECT FROM feature_history AS h
                    WHERE h.client_id = rows.client_id AND h.event_timestamp <= rows.event_timestamp AND h.event_id IS NULL
                      AND (rows.event_id IS NOT NULL OR h.seq <> rows.seq))
)
SELECT client_id, event_id, event_timestamp, said, NULL::json AS beneath, raw->>'__group' AS in_group, outcome
  FROM rows
 WHERE NOT EXISTS (SELECT FROM feature_history AS h
                    WHERE h.client_id = rows.client_id AND h.event_timestamp <= rows.event_timestamp AND h.event_id IS NULL
                      AND (rows.event_id IS NOT NULL OR h.seq <> rows.seq))
UNION ALL
SELECT folded.client_id, written.event_ids[folded.position], written.instants[folded.position],
       written.said[folded.position], folded.v, written.raw[folded.position]->>'__group', written.outcomes[folded.position]
  FROM written CROSS JOIN LATERAL features_as_of(written.ids, written.instants) AS folded
