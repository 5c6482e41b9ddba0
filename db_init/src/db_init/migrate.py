"""Migration of the schema and the roles. It is safe to repeat and to run concurrently."""

from pathlib import Path

import alembic.command
import alembic.config
import psycopg
from psycopg import sql
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from db_init.database import connect_unchecked, other_database, recorded_shard
from db_init.errors import LoadError
from db_init.feature_sets.applying import apply_default
from db_init.history import prepare_years
from db_init.settings import Settings
from shared_schemas.shards import ONLY, Shard

READER = "feature_service"
WRITER = "feature_writer"
_LOCK = 0x6372_6564_6975

_ROLES = Path(__file__).parent / "migrations" / "sql" / "roles.sql"


def migrate(settings: Settings, shard: Shard = ONLY) -> None:
    """Migrate the database of this shard. Raises LoadError if the database records another shard."""
    url = settings.database_urls[shard.number - 1]
    with connect_unchecked(url, settings) as connection:
        _migrate(connection, settings, shard)


def _migrate(connection: psycopg.Connection, settings: Settings, shard: Shard) -> None:
    # Roles belong to the whole server, so the lock must also exclude migrations of the server's other databases.
    connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
    connection.commit()
    recorded = recorded_shard(connection)
    if recorded not in (ONLY, shard):
        raise LoadError(other_database(shard, recorded))
    _upgrade(settings.database_urls[shard.number - 1], settings)
    if recorded != shard:
        _record(connection, shard)
    connection.execute(_ROLES.read_bytes())
    apply_default(connection)
    for role, password in ((READER, settings.reader_password), (WRITER, settings.writer_password)):
        if password is not None:
            _set_password(connection, role, password.get_secret_value())
    connection.commit()
    prepare_years(connection)
    connection.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
    connection.commit()


def _set_password(connection: psycopg.Connection, role: str, password: str) -> None:
    # Hash the password here, so that a server log cannot contain it.
    hashed = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(hashed)))


def _record(connection: psycopg.Connection, shard: Shard) -> None:
    """Record which shard this is. Raises LoadError if it has clients of other shards, which would not be found."""
    foreign = "SELECT EXISTS (SELECT FROM online_features WHERE shard_of(client_id, %s) <> %s)"
    [known] = connection.execute(foreign, [shard.of, shard.number]).fetchone() or [False]
    if known:
        raise LoadError(
            f"It knows clients that {shard} does not have. Start with a new database, and load its share into it."
        )
    connection.execute("INSERT INTO database_shard (number, of_databases) VALUES (%s, %s)", [shard.number, shard.of])
    connection.commit()


def _upgrade(url: str, settings: Settings) -> None:
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: connect_unchecked(url, settings), poolclass=NullPool
    )
    config = alembic.config.Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.connect() as borrowed:
        config.attributes["connection"] = borrowed
        alembic.command.upgrade(config, "head")
        borrowed.commit()
