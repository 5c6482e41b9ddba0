"""Brings schema and roles up to date. Safe to run again, and twice at once."""

from pathlib import Path

import alembic.command
import alembic.config
import psycopg
from psycopg import sql
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from db_init.database import connect
from db_init.settings import Settings

READER = "feature_service"
WRITER = "feature_writer"
_GROUP = "feature_reader"
_LOCK = 0x6372_6564_6975

_GRANTS = """
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
    GRANT SELECT ON online_features TO feature_reader;
    GRANT SELECT (client_id, event_timestamp, loan_id, birthday, job_start_date, nb_previous_loans,
                  avg_amount_loans_previous, age, years_on_the_job, flag_own_car) ON feature_history TO feature_reader;
    -- Vectors that are written have no loan; what is known of loans can only be erased.
    GRANT SELECT, INSERT, UPDATE, DELETE ON online_features TO feature_writer;
    GRANT SELECT (client_id, event_timestamp, loan_id, nb_previous_loans, avg_amount_loans_previous, age,
                  years_on_the_job, flag_own_car),
          INSERT (client_id, event_timestamp, nb_previous_loans, avg_amount_loans_previous, age, years_on_the_job,
                  flag_own_car),
          UPDATE (nb_previous_loans, avg_amount_loans_previous, age, years_on_the_job, flag_own_car, known_at),
          DELETE ON feature_history TO feature_writer;
    GRANT SELECT, DELETE ON quarantine TO feature_writer;
"""


def migrate(settings: Settings) -> None:
    with connect(settings) as connection:
        _migrate(connection, settings)


def _migrate(connection: psycopg.Connection, settings: Settings) -> None:
    # Roles belong to the whole server, so the lock must keep out migrations of its other databases, too.
    connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
    connection.commit()
    _upgrade(settings)
    connection.execute(_GRANTS)
    for role, password in ((READER, settings.reader_password), (WRITER, settings.writer_password)):
        if password is not None:
            _set_password(connection, role, password.get_secret_value())
    connection.commit()
    connection.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
    connection.commit()


def _set_password(connection: psycopg.Connection, role: str, password: str) -> None:
    # Hashed here, so that it stands in no server log.
    hashed = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(hashed)))


def _upgrade(settings: Settings) -> None:
    engine = create_engine("postgresql+psycopg://", creator=lambda: connect(settings), poolclass=NullPool)
    config = alembic.config.Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.connect() as borrowed:
        config.attributes["connection"] = borrowed
        alembic.command.upgrade(config, "head")
        borrowed.commit()
