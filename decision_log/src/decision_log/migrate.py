"""Migration of the schema and the roles. It is safe to repeat and to run concurrently."""

from pathlib import Path

import alembic.command
import alembic.config
import psycopg
from psycopg import sql
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from decision_log.database import connect
from decision_log.settings import Settings

WRITER = "decision_writer"
SEQUENCER = "decision_sequencer"
ERASER = "decision_eraser"
MONITOR = "decision_monitor"

_LOCK = 0x6465_6369_7365
_MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(settings: Settings) -> None:
    """Migrate as the owner of the database. Sets the passwords that the settings contain; other roles keep theirs."""
    with connect(settings) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        connection.commit()
        _upgrade(settings)
        connection.execute((_MIGRATIONS / "roles.sql").read_bytes())
        for role, password in _passwords(settings).items():
            _set_password(connection, role, password)
        connection.commit()
        connection.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def _passwords(settings: Settings) -> dict[str, str]:
    given = {
        WRITER: settings.writer_password,
        SEQUENCER: settings.sequencer_password,
        ERASER: settings.eraser_password,
        MONITOR: settings.monitor_password,
    }
    return {role: password.get_secret_value() for role, password in given.items() if password is not None}


def _set_password(connection: psycopg.Connection, role: str, password: str) -> None:
    # Hash the password here, so that a server log cannot contain it.
    hashed = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(hashed)))


def _upgrade(settings: Settings) -> None:
    engine = create_engine("postgresql+psycopg://", creator=lambda: connect(settings), poolclass=NullPool)
    config = alembic.config.Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with engine.connect() as borrowed:
        config.attributes["connection"] = borrowed
        alembic.command.upgrade(config, "head")
        borrowed.commit()
