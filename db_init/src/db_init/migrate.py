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
_GROUP = "feature_reader"
_LOCK = 0x6372_6564_6975

_GRANTS = """
    DO $$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'feature_reader') THEN CREATE ROLE feature_reader NOLOGIN; END IF;
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'feature_service') THEN CREATE ROLE feature_service LOGIN; END IF;
    END $$;
    GRANT feature_reader TO feature_service;
    ALTER ROLE feature_service SET default_transaction_read_only = on;
    -- The service gives up long before; these are for what it can no longer cancel.
    ALTER ROLE feature_service SET statement_timeout = '10s';
    ALTER ROLE feature_service SET idle_in_transaction_session_timeout = '10s';
    ALTER ROLE feature_service SET tcp_keepalives_idle = 30;
    ALTER ROLE feature_service SET tcp_keepalives_interval = 10;
    ALTER ROLE feature_service SET tcp_keepalives_count = 3;
    REVOKE ALL ON ALL TABLES IN SCHEMA public FROM feature_reader, feature_service, PUBLIC;
    REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    GRANT USAGE ON SCHEMA public TO feature_reader;
    GRANT SELECT ON online_features TO feature_reader;
    GRANT SELECT (client_id, event_timestamp, loan_id, birthday, job_start_date, nb_previous_loans,
                  avg_amount_loans_previous, age, years_on_the_job, flag_own_car) ON feature_history TO feature_reader;
"""


def migrate(settings: Settings) -> None:
    with connect(settings) as connection:
        password = settings.reader_password
        _migrate(connection, settings, password.get_secret_value() if password else None)


def _migrate(connection: psycopg.Connection, settings: Settings, reader_password: str | None) -> None:
    # Roles belong to the whole server, so the lock must keep out migrations of its other databases, too.
    connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
    connection.commit()
    _upgrade(settings)
    connection.execute(_GRANTS)
    if reader_password is not None:
        # Hashed here, so that it stands in no server log.
        hashed = connection.pgconn.encrypt_password(
            reader_password.encode(), READER.encode(), b"scram-sha-256"
        ).decode()
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(READER), sql.Literal(hashed)))
    connection.commit()
    connection.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
    connection.commit()


def _upgrade(settings: Settings) -> None:
    engine = create_engine("postgresql+psycopg://", creator=lambda: connect(settings), poolclass=NullPool)
    config = alembic.config.Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.connect() as borrowed:
        config.attributes["connection"] = borrowed
        alembic.command.upgrade(config, "head")
        borrowed.commit()
