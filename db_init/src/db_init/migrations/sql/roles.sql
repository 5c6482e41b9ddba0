-- The roles of the services and what each may do. Runs after every migration.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'feature_reader') THEN CREATE ROLE feature_reader NOLOGIN; END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'feature_service') THEN CREATE ROLE feature_service LOGIN; END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'feature_writer') THEN CREATE ROLE feature_writer LOGIN; END IF;
END $$;
GRANT feature_reader TO feature_service;
ALTER ROLE feature_service SET default_transaction_read_only = on;
-- The service gives up long before; these are for what it can no longer cancel.
ALTER ROLE feature_service SET statement_timeout = '10s';
ALTER ROLE feature_service SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE feature_service SET tcp_keepalives_idle = 30;
ALTER ROLE feature_service SET tcp_keepalives_interval = 10;
ALTER ROLE feature_service SET tcp_keepalives_count = 3;
ALTER ROLE feature_writer SET statement_timeout = '10s';
ALTER ROLE feature_writer SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE feature_writer SET tcp_keepalives_idle = 30;
ALTER ROLE feature_writer SET tcp_keepalives_interval = 10;
ALTER ROLE feature_writer SET tcp_keepalives_count = 3;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM feature_reader, feature_service, feature_writer, PUBLIC;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO feature_reader, feature_writer;
GRANT SELECT ON feature_sets, online_features TO feature_reader, feature_writer;
-- Outcomes and source columns of events are read by their owner only.
GRANT SELECT (client_id, event_timestamp, event_id, said, received_at, seq) ON feature_history TO feature_reader, feature_writer;
-- A write is appended and has no event id; what is known of raw events can only be erased.
GRANT INSERT (client_id, event_timestamp, said), DELETE ON feature_history TO feature_writer;
GRANT USAGE ON SEQUENCE feature_history_received TO feature_writer;
GRANT INSERT, UPDATE, DELETE ON online_features TO feature_writer;
GRANT SELECT, DELETE ON quarantine TO feature_writer;
-- Reads the revision of what it has written.
GRANT SELECT ON online_changes TO feature_writer;
REVOKE ALL ON FUNCTION write_features(bigint, timestamptz, json) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION write_features(bigint, timestamptz, json) TO feature_writer;
GRANT SELECT ON history_retention TO feature_reader;
-- Read on each new connection.
GRANT SELECT ON database_shard TO feature_reader, feature_writer;
-- The heartbeat is all that the role which reads may write, and only through its function.
GRANT SELECT ON store_heartbeats TO feature_reader;
REVOKE ALL ON FUNCTION beat_store(uuid, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION beat_store(uuid, bigint) TO feature_service;
