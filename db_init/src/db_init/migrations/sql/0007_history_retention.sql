-- Events before this instant are not kept any more: what they say that is still in force stands in their place. No row: all are.
CREATE TABLE history_retention (before timestamptz NOT NULL);
CREATE UNIQUE INDEX history_retention_one ON history_retention ((true));

-- As before, and nothing is written before that instant.
CREATE OR REPLACE FUNCTION write_features(client bigint, instant timestamptz, spoken json) RETURNS text[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    keys CONSTANT text[] := ARRAY(SELECT json_object_keys(spoken));
    own bigint;
    stale text[];
BEGIN
    LOCK TABLE online_features IN ROW EXCLUSIVE MODE;  -- the last step of a load excludes it
    PERFORM pg_advisory_xact_lock(-client);  -- client ids are positive, so that no other lock has these numbers
    IF EXISTS (SELECT FROM history_retention AS r WHERE instant < r.before) THEN
        RAISE EXCEPTION 'before the retention of the history' USING ERRCODE = 'CR001';
    END IF;
    INSERT INTO feature_history (client_id, event_timestamp, said) VALUES (client, instant, spoken) RETURNING seq INTO own;
    DELETE FROM feature_history AS h
     WHERE h.client_id = client AND h.event_timestamp = instant AND h.event_id IS NULL AND h.outcome IS NULL
       AND h.seq < own AND NOT EXISTS (SELECT FROM json_object_keys(h.said) AS key WHERE key <> ALL (keys));
    WITH in_force AS (
        SELECT f.client_id, f.event_timestamp, f.v, f.times
          FROM features_as_of(ARRAY[client], ARRAY['infinity'::timestamptz]) AS f),
    kept AS (
        INSERT INTO online_features (client_id, event_timestamp, v, times)
        SELECT f.client_id, f.event_timestamp, f.v, f.times FROM in_force AS f
            ON CONFLICT (client_id) DO UPDATE
           SET event_timestamp = excluded.event_timestamp, v = excluded.v, times = excluded.times)
    SELECT ARRAY(SELECT key FROM unnest(keys) AS key
                  WHERE coalesce((f.times->>key)::timestamptz, f.event_timestamp) > instant)
      INTO stale
      FROM in_force AS f;
    RETURN stale;
END $$;
