-- Roles and what each may do. Run after every migration, by the owner.
DO $$ DECLARE role text; BEGIN
    FOREACH role IN ARRAY ARRAY['decision_writer', 'decision_sequencer', 'decision_eraser', 'decision_monitor'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN EXECUTE format('CREATE ROLE %I LOGIN', role); END IF;
        -- The processes time out long before. These limits end statements that a process can no longer cancel.
        EXECUTE format('ALTER ROLE %I SET idle_in_transaction_session_timeout = ''30s''', role);
        EXECUTE format('ALTER ROLE %I SET tcp_keepalives_idle = 30', role);
        EXECUTE format('ALTER ROLE %I SET tcp_keepalives_interval = 10', role);
        EXECUTE format('ALTER ROLE %I SET tcp_keepalives_count = 3', role);
    END LOOP;
END $$;
-- No statement_timeout for the writer: an audit may run as this role, and takes minutes.
ALTER ROLE decision_sequencer SET statement_timeout = '60s';
ALTER ROLE decision_eraser SET statement_timeout = '60s';

REVOKE ALL ON ALL TABLES IN SCHEMA public FROM decision_writer, decision_sequencer, decision_eraser, decision_monitor, PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM decision_writer, decision_sequencer, decision_eraser, decision_monitor, PUBLIC;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO decision_writer, decision_sequencer, decision_eraser, decision_monitor;

-- The prediction service: adds and reads, changes nothing.
GRANT SELECT ON records, queue, leaves, tiles, checkpoints, cosignatures, outcomes, current_outcomes, erasures TO decision_writer;
GRANT INSERT ON records, queue, outcomes TO decision_writer;

-- The sequencer: the tree. It sees commitments only.
GRANT SELECT, DELETE ON queue TO decision_sequencer;
GRANT SELECT, INSERT ON leaves, checkpoints, cosignatures TO decision_sequencer;
GRANT SELECT, INSERT, UPDATE ON tiles TO decision_sequencer;

-- Erasure: finds records by their listed columns, deletes them with their outcomes, and adds a record of the erasure.
GRANT SELECT (decision_id, kind, decided_at, client_id, reviews, commitment), INSERT, DELETE ON records TO decision_eraser;
GRANT INSERT ON queue TO decision_eraser;
GRANT SELECT ON leaves TO decision_eraser;
GRANT SELECT, INSERT ON erasures TO decision_eraser;

-- Monitoring: decisions and outcomes, without salts.
GRANT SELECT (decision_id, kind, decided_at, client_id, decision, score, model_version, origin, reviews, record, arrival)
   ON records TO decision_monitor;
GRANT SELECT ON outcomes, current_outcomes, erasures TO decision_monitor;
GRANT SELECT, INSERT, UPDATE, DELETE ON monitoring_counts, monitoring_streams, monitoring_months, monitoring_reports,
   monitoring_alarms TO decision_monitor;
GRANT SELECT, UPDATE ON monitoring_progress TO decision_monitor;
-- The prediction service reads counts and alarms, and stores a person's acknowledgement of an alarm.
GRANT SELECT ON monitoring_progress, monitoring_counts, monitoring_streams, monitoring_months, monitoring_reports,
   monitoring_alarms TO decision_writer;
GRANT UPDATE (state, closed_at, closed_by, action) ON monitoring_alarms TO decision_writer;
GRANT INSERT, UPDATE ON monitoring_streams TO decision_writer;
