-- The history as it is becomes the partition of everything before db_init.cutoff, which a check has proved. Indexes that fit
-- are attached, not built. Runs while nothing reads or writes, and reads no row.
ALTER TABLE feature_history RENAME TO feature_history_past;
ALTER INDEX feature_history_events RENAME TO feature_history_past_events;
ALTER INDEX feature_history_writes RENAME TO feature_history_past_writes;
DROP INDEX feature_history_event_id;

CREATE TABLE feature_history (LIKE feature_history_past INCLUDING CONSTRAINTS INCLUDING DEFAULTS)
    PARTITION BY RANGE (event_timestamp);
ALTER TABLE feature_history DROP CONSTRAINT IF EXISTS feature_history_closed;
CREATE UNIQUE INDEX feature_history_event_id ON feature_history (event_id, event_timestamp) WHERE event_id IS NOT NULL;
CREATE INDEX feature_history_events ON feature_history (client_id, event_timestamp, event_id) WHERE event_id IS NOT NULL;
CREATE INDEX feature_history_writes ON feature_history (client_id, event_timestamp, seq) WHERE event_id IS NULL;

-- The order of reception goes on in a sequence of the whole table. Not an identity: that of partitions needs PostgreSQL 17.
CREATE SEQUENCE feature_history_received AS bigint OWNED BY feature_history.seq;
SELECT setval('feature_history_received', coalesce(pg_sequence_last_value(pg_get_serial_sequence('feature_history_past', 'seq')), 0) + 1, false);
ALTER TABLE feature_history_past ALTER seq DROP IDENTITY;
ALTER TABLE feature_history ALTER seq SET DEFAULT nextval('feature_history_received');

-- Years from the cutoff on have a partition each. Those later than the last of them share one, without an end, which moves on
-- while it is empty: no instant is without a partition.
CREATE FUNCTION add_history_years(until timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp SET timezone = 'UTC' SET lock_timeout = '150ms' AS $$
DECLARE
    bound timestamptz;
BEGIN
    LOOP
        SELECT (regexp_match(pg_get_expr(c.relpartbound, c.oid), $re$FROM \('([^']+)'\)$re$))[1]::timestamptz INTO bound
          FROM pg_class AS c WHERE c.oid = 'feature_history_later'::regclass;
        EXIT WHEN bound >= until OR EXISTS (SELECT FROM feature_history_later);
        ALTER TABLE feature_history DETACH PARTITION feature_history_later;
        EXECUTE format('CREATE TABLE %I PARTITION OF feature_history FOR VALUES FROM (%L) TO (%L)',
                       'feature_history_' || to_char(bound, 'YYYY'), bound, bound + interval '1 year');
        EXECUTE format('ALTER TABLE feature_history ATTACH PARTITION feature_history_later FOR VALUES FROM (%L) TO (MAXVALUE)',
                       bound + interval '1 year');
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION add_history_years(timestamptz) FROM PUBLIC;

DO $$
DECLARE
    cutoff CONSTANT timestamptz := current_setting('db_init.cutoff');
BEGIN
    EXECUTE format('ALTER TABLE feature_history ATTACH PARTITION feature_history_past FOR VALUES FROM (MINVALUE) TO (%L)', cutoff);
    EXECUTE format('CREATE TABLE feature_history_later PARTITION OF feature_history FOR VALUES FROM (%L) TO (MAXVALUE)', cutoff);
    PERFORM add_history_years(cutoff + interval '1 year');
    -- As roles.sql says: nobody is to be refused until that has run.
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'feature_reader') AND EXISTS (SELECT FROM pg_roles WHERE rolname = 'feature_writer') THEN
        GRANT SELECT (client_id, event_timestamp, event_id, said, received_at, seq) ON feature_history TO feature_reader, feature_writer;
        GRANT INSERT (client_id, event_timestamp, said), DELETE ON feature_history TO feature_writer;
        GRANT USAGE ON SEQUENCE feature_history_received TO feature_writer;
    END IF;
END $$;
ALTER TABLE feature_history_past DROP CONSTRAINT IF EXISTS feature_history_closed;
