"""Moves quarantined lines to the database that has their client, before they are tried again.

The first of several databases keeps the lines without a readable client. After an edit by hand, or in a newer release,
their client may be readable and belong to another database.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from db_init.database import exclusive
from db_init.engines import Engine
from db_init.loading.events.load import with_source
from db_init.loading.events.parse import needed_columns, parsed
from db_init.loading.names import CLIENT, LINE
from db_init.loading.quarantine import fetch_refused, moved
from db_init.settings import Settings
from db_init.shards import connected, reachable, require_one_set
from shared_schemas.shards import Shard, shard_of

_ELSEWHERE = "SELECT source, source_line, digest, number FROM origin JOIN elsewhere ON __line = line"


def move_lines(
    settings: Settings,
    opening: Callable[[], AbstractContextManager[Engine]],
    say: Callable[[str], None],
    feature_set_file: Path | None = None,
) -> None:
    """Move the lines. Each is stored in the other database before it is deleted, so that a move can be repeated."""
    found = reachable(settings)
    with ExitStack() as stack:
        connections = {shard: stack.enter_context(connected(settings, shard)) for shard in found}
        # Take the locks in the order of the databases, so that two commands cannot deadlock.
        for connection in connections.values():
            stack.enter_context(exclusive(connection, say))
        require_one_set(with_source(each, feature_set_file)[0].feature_set.digest for each in connections.values())
        for shard, connection in connections.items():
            with opening() as engine:
                for source, line, digest, number in _elsewhere(connection, engine, shard, feature_set_file):
                    moved(connection, connections[Shard(number, shard.of)], source, line, digest)


def _elsewhere(
    connection: psycopg.Connection, engine: Engine, shard: Shard, feature_set_file: Path | None
) -> list[tuple[str, int, str, int]]:
    """File, line and digest of each line of another database, and the number of that database."""
    applied, source = with_source(connection, feature_set_file)
    fetch_refused(connection, engine, needed_columns(applied.feature_set, source))
    lines = parsed(engine.table("raw"), applied.feature_set, source, datetime.now(UTC), None)
    number = shard_of(lines[CLIENT].fill_null(0), shard.of)
    engine.keep("elsewhere", lines.filter(number != shard.number).select(LINE, number=number))
    return engine.ask(_ELSEWHERE)
