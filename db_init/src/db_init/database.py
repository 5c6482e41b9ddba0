"""Connections to PostgreSQL as the owner: waiting for the server, the lock of loaders, and COPY of rows as CSV."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from db_init.errors import LoadError
from db_init.settings import PREFIX, Settings
from shared_schemas.shards import ONLY, Shard

_LOCK = 0x6372_6564_6974  # any number of our own
_CHUNK = 1 << 20

NO_WRITES = "LOCK TABLE online_features IN SHARE ROW EXCLUSIVE MODE"
"""Until the end of the transaction no other session may write vectors, because what is folded must include every write."""


REASONS: dict[type[psycopg.Error], str] = {
    psycopg.errors.UndefinedTable: "The database has no schema of this release yet: run `python -m db_init migrate` first.",
    psycopg.errors.InsufficientPrivilege: f"The role in {PREFIX}DATABASE_URL may not do this: name the one that owns the schema.",
    psycopg.errors.ReadOnlySqlTransaction: f"The database is a read-only replica: name the primary in {PREFIX}DATABASE_URL.",
    psycopg.OperationalError: "The database went away. Nothing was changed; run the command again when it is back.",
}


def explained(error: Exception) -> LoadError:
    """The LoadError that explains one of the errors in REASONS."""
    return LoadError(next(reason for kind, reason in REASONS.items() if isinstance(error, kind)))


def connect(settings: Settings, shard: Shard = ONLY) -> psycopg.Connection:
    """Connect to the database of this shard, waiting for a server that is starting.

    Raises LoadError if it does not answer or records that it is another shard.
    """
    connection = connect_unchecked(settings.database_urls[shard.number - 1], settings)
    if (recorded := recorded_shard(connection)) != shard:
        connection.close()
        raise LoadError(other_database(shard, recorded))
    return connection


def recorded_shard(connection: psycopg.Connection) -> Shard:
    """The shard that this database records; ONLY if it records none."""
    [known] = connection.execute("SELECT to_regclass('database_shard') IS NOT NULL").fetchone() or [False]
    row = connection.execute("SELECT number, of_databases FROM database_shard").fetchone() if known else None
    connection.rollback()
    return ONLY if row is None else Shard(*row)


def other_database(shard: Shard, recorded: Shard) -> str:
    if recorded == ONLY:
        return f"It is not prepared as {shard}: run `python -m db_init migrate` with all URLs in {PREFIX}DATABASE_URL."
    return f"It records that it is {recorded}, and is asked for as {shard}: name all databases in {PREFIX}DATABASE_URL, in their order."


def connect_unchecked(url: str, settings: Settings) -> psycopg.Connection:
    deadline = time.monotonic() + settings.wait_seconds
    while True:
        try:
            return psycopg.connect(
                url,
                password=settings.database_password.get_secret_value() if settings.database_password else None,
                application_name="db_init",
                connect_timeout=5,
                options="-c timezone=UTC -c datestyle=ISO -c extra_float_digits=1 -c client_min_messages=warning",
            )
        except psycopg.ProgrammingError as error:
            raise LoadError("DB_INIT_DATABASE_URL is not the URL of a PostgreSQL database.") from error
        except psycopg.OperationalError as error:
            if time.monotonic() >= deadline:
                raise LoadError(
                    "The database does not answer, or refuses this role. Check DB_INIT_DATABASE_URL, and that PostgreSQL runs."
                ) from error
            time.sleep(0.5)


@contextmanager
def exclusive(connection: psycopg.Connection, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of loaders, because concurrent loads would each miss the rows of the other.

    PostgreSQL also releases it when the connection ends.
    """
    [taken] = connection.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK]).fetchone() or [False]
    if not taken:
        say("another load is running: waiting for it")
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
    connection.commit()
    try:
        yield
    finally:
        if not connection.closed:
            connection.rollback()
            connection.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
            connection.commit()


def copy_in(
    connection: psycopg.Connection, target: str, file: Path, advance: Callable[[int], None] = lambda _: None
) -> None:
    """Stream a CSV file into `target`: a table, optionally with columns in brackets. `advance` gets the bytes sent."""
    with connection.cursor().copy(f"COPY {target} FROM STDIN (FORMAT csv)") as copy, file.open("rb") as content:
        while chunk := content.read(_CHUNK):
            copy.write(chunk)
            advance(len(chunk))


def copy_out(connection: psycopg.Connection, query: str, file: Path) -> None:
    """Append the rows of `query` to a CSV file."""
    with connection.cursor().copy(f"COPY ({query}) TO STDOUT (FORMAT csv)") as copy, file.open("ab") as content:
        for chunk in copy:
            content.write(chunk)
