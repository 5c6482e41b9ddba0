"""Retention of the history: drops old partitions, but keeps the values in them that still determine vectors."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import psycopg
from psycopg import sql

from db_init.database import NO_WRITES, exclusive
from db_init.errors import LoadError

_IN_FORCE = (Path(__file__).parent / "loading" / "sql" / "in_force.sql").read_text(encoding="utf-8")
_PARTITIONS = r"""
    SELECT c.relname, (regexp_match(pg_get_expr(c.relpartbound, c.oid), $re$TO \('([^']+)'\)$re$))[1]::timestamptz
      FROM pg_inherits JOIN pg_class AS c ON c.oid = inhrelid
     WHERE inhparent = 'feature_history'::regclass
     ORDER BY 2
"""
_RETAIN = """
    INSERT INTO history_retention (before) VALUES (%s)
        ON CONFLICT ((true)) DO UPDATE SET before = greatest(history_retention.before, excluded.before)
"""
_KEPT = """
    DROP TABLE IF EXISTS feature_history_kept;
    CREATE TABLE feature_history_kept (LIKE feature_history INCLUDING CONSTRAINTS INCLUDING DEFAULTS)
"""
_INDEXES = """
    CREATE UNIQUE INDEX ON feature_history_kept (event_id, event_timestamp) WHERE event_id IS NOT NULL;
    CREATE INDEX ON feature_history_kept (client_id, event_timestamp, event_id) WHERE event_id IS NOT NULL;
    CREATE INDEX ON feature_history_kept (client_id, event_timestamp, seq) WHERE event_id IS NULL
"""
_BETWEEN_ATTEMPTS = 0.3


class Retained(NamedTuple):
    """The number of rows before the instant, and the number of rows that replace them."""

    before: int
    kept: int


def retain(connection: psycopg.Connection, before: datetime, say: Callable[[str], None]) -> Retained:
    """Drop the partitions before an instant. Vectors as of this instant and later do not change.

    Loads and erasures wait until it is done; writes wait twice, for a moment. Can be repeated after an interruption.
    Raises LoadError if `before` is not the end of a past partition, or raw events are before it.
    """
    with exclusive(connection, say):
        dropped = _dropped(connection, before)
        with connection.transaction():  # wait for writers that began before; later ones read the new instant
            connection.execute(NO_WRITES)
            connection.execute(_RETAIN, [before])
        with connection.transaction():
            counted = _keep(connection, before)
        while not _switched(connection, dropped, before):
            time.sleep(_BETWEEN_ATTEMPTS)
    return counted


def _dropped(connection: psycopg.Connection, before: datetime) -> list[str]:
    """The names of the partitions before the instant. Raises LoadError unless one of them ends there."""
    ends = {name: end for name, end in connection.execute(_PARTITIONS) if end is not None and end <= datetime.now(UTC)}
    connection.commit()
    if before not in ends.values():
        known = ", ".join(f"{end.astimezone(UTC):%Y-%m-%d}" for end in ends.values()) or "there is none yet"
        raise LoadError(f"The history can be cut only at the end of a past partition: {known}.")
    [raw] = connection.execute(
        "SELECT EXISTS (SELECT FROM feature_history WHERE event_timestamp < %s AND event_id IS NOT NULL)", [before]
    ).fetchone() or [False]
    connection.commit()
    if raw:
        raise LoadError(
            "There are raw events before that, and a pipeline computes features from all events of a client."
        )
    return [name for name, end in ends.items() if end <= before]


def _keep(connection: psycopg.Connection, before: datetime) -> Retained:
    """Fill the table that replaces the partitions. Only erasures change their rows, and none runs now."""
    connection.execute(_KEPT)
    [rows] = connection.execute(
        "SELECT count(*) FROM feature_history WHERE event_timestamp < %s", [before]
    ).fetchone() or [0]
    kept = connection.execute(_IN_FORCE, [before]).rowcount
    check = sql.SQL(
        "ALTER TABLE feature_history_kept ADD CONSTRAINT feature_history_closed CHECK (event_timestamp < {})"
    )
    connection.execute(check.format(sql.Literal(before)))
    connection.execute(_INDEXES)
    connection.execute("ANALYZE feature_history_kept")
    return Retained(rows, kept)


def _switched(connection: psycopg.Connection, dropped: list[str], before: datetime) -> bool:
    """Replace the partitions by the new table. Return False if the lock is taken: a longer wait would block readers."""
    attach = sql.SQL(
        "ALTER TABLE feature_history ATTACH PARTITION feature_history_past FOR VALUES FROM (MINVALUE) TO ({})"
    )
    try:
        with connection.transaction():
            connection.execute("SET LOCAL lock_timeout = '150ms'")
            connection.execute("LOCK TABLE feature_history IN ACCESS EXCLUSIVE MODE")
            for name in dropped:
                connection.execute(
                    sql.SQL("ALTER TABLE feature_history DETACH PARTITION {}").format(sql.Identifier(name))
                )
                connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
            connection.execute("ALTER TABLE feature_history_kept RENAME TO feature_history_past")
            connection.execute(attach.format(sql.Literal(before)))
            connection.execute("ALTER TABLE feature_history_past DROP CONSTRAINT feature_history_closed")
    except psycopg.errors.LockNotAvailable:
        return False
    return True
