-- Moves the five columns of the first schema into JSON. A feature in completed years keeps its date, so that it can be
-- computed as of any instant. Where a write and a loan have one instant, the write goes on counting: it comes later in seq.
CREATE FUNCTION pg_temp.completed(value integer, since date) RETURNS json LANGUAGE sql AS $$
    SELECT CASE WHEN since IS NULL THEN to_json(value) ELSE json_build_object('since', since) END
$$;

CREATE TEMP TABLE moved ON COMMIT DROP AS
SELECT client_id, event_timestamp, loan_id, status AS outcome, known_at,
       json_build_object('nb_previous_loans', nb_previous_loans, 'avg_amount_loans_previous', avg_amount_loans_previous,
                         'age', pg_temp.completed(age, birthday),
                         'years_on_the_job', pg_temp.completed(years_on_the_job, job_start_date),
                         'flag_own_car', flag_own_car) AS said,
       CASE WHEN loan_id IS NOT NULL
            THEN json_build_object('loan_amount', loan_amount, 'birthday', birthday, 'job_start_date', job_start_date,
                                   'flag_own_car', flag_own_car) END AS raw
  FROM feature_history_0001
UNION ALL
-- Vectors that no event of their instant is kept of.
SELECT client_id, event_timestamp, NULL, NULL, now(),
       json_build_object('nb_previous_loans', nb_previous_loans, 'avg_amount_loans_previous', avg_amount_loans_previous,
                         'age', age, 'years_on_the_job', years_on_the_job, 'flag_own_car', flag_own_car), NULL
  FROM online_features_0001 AS o
 WHERE NOT EXISTS (SELECT FROM feature_history_0001 AS h
                    WHERE h.client_id = o.client_id AND h.event_timestamp = o.event_timestamp);

INSERT INTO feature_history (client_id, event_timestamp, event_id, said, raw, outcome, received_at)
SELECT client_id, event_timestamp, loan_id, said, raw, outcome, known_at
  FROM moved
 WHERE event_timestamp >= '1900-01-01 00:00:00+00' AND event_timestamp < '9999-01-01 00:00:00+00'
 ORDER BY loan_id IS NULL, known_at, loan_id;

INSERT INTO quarantine (source, line, reason, row)
SELECT 'migration 0002', row_number() OVER (ORDER BY client_id, event_timestamp, loan_id), 'event_timestamp_out_of_range',
       jsonb_build_object('id', client_id, 'event_timestamp', event_timestamp::text, 'event_id', loan_id, 'said', said,
                          'raw', raw, 'outcome', outcome)
  FROM moved
 WHERE NOT (event_timestamp >= '1900-01-01 00:00:00+00' AND event_timestamp < '9999-01-01 00:00:00+00');

DROP TABLE feature_history_0001, online_features_0001;
DROP FUNCTION pg_temp.completed(integer, date);

CREATE UNIQUE INDEX feature_history_event_id ON feature_history (event_id) WHERE event_id IS NOT NULL;
CREATE INDEX feature_history_events ON feature_history (client_id, event_timestamp, event_id) WHERE event_id IS NOT NULL;
CREATE INDEX feature_history_writes ON feature_history (client_id, event_timestamp, seq) WHERE event_id IS NULL;
ANALYZE feature_history;
