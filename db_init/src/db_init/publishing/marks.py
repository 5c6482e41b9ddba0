"""Marks of changes in PostgreSQL: the clients to publish, each with its revision."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import psycopg

from shared_schemas.online_items import Change, Item

_SQL = Path(__file__).parent / "sql"
_MARK_CHANGES, _MARK_PAGE, _MARK_STRAYS, _NEXT_CHANGES, _DELETE_MARKS = (
    (_SQL / f"{name}.sql").read_text(encoding="utf-8")
    for name in ("mark_changes", "mark_page", "mark_strays", "next_changes", "delete_marks")
)
_MARKED = (
    "SELECT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'online_features'::regclass AND tgname = 'online_erased')"
)
_STATE = "SELECT target, after_client, filled FROM online_publishing"
_BEGIN = "INSERT INTO online_publishing (target, after_client, filled) VALUES (%s, 0, false)"
_NOT_DURING_A_LOAD = "LOCK TABLE online_features IN ROW EXCLUSIVE MODE"
_SET = "SELECT id, digest, document::text, retained::text FROM feature_sets WHERE current"
_RAISE = "SELECT setval('online_revisions', %(rev)s) FROM online_revisions WHERE last_value < %(rev)s"


def begin(connection: psycopg.Connection, target: str, *, full: bool, filled: bool) -> bool:
    """Start marking changes for this table, if they are not marked yet. Return whether clients remain to be marked.

    All clients must be marked if `full`, if the table is another one than before, and if it was `filled` before and is
    not now.
    """
    with connection.transaction():
        [marked] = connection.execute(_MARKED).fetchone() or [False]
        if not marked:
            connection.execute(_MARK_CHANGES)
        state = connection.execute(_STATE).fetchone()
        if full or not marked or state is None or state[0] != target or (state[2] and not filled):
            connection.execute("DELETE FROM online_publishing")
            connection.execute(_BEGIN, [target])
            return True
        return state[1] is not None


def end(connection: psycopg.Connection) -> None:
    """Record that the table has everything that was marked for it."""
    with connection.transaction():
        connection.execute("UPDATE online_publishing SET filled = true WHERE NOT filled")


def stop(connection: psycopg.Connection) -> None:
    """Stop marking changes, and delete the marks."""
    with connection.transaction():
        for name in ("online_written", "online_rewritten", "online_erased"):
            connection.execute(f"DROP TRIGGER IF EXISTS {name} ON online_features")
        connection.execute("DELETE FROM online_publishing")
        connection.execute("DELETE FROM online_changes")


def mark_page(connection: psycopg.Connection, limit: int) -> bool:
    """Mark the next clients of a full publish. Return False if all are marked."""
    with connection.transaction():
        row = connection.execute("SELECT after_client FROM online_publishing FOR UPDATE").fetchone()
        if row is None or row[0] is None:
            return False
        connection.execute(_NOT_DURING_A_LOAD)
        [last] = connection.execute(_MARK_PAGE, {"after": row[0], "limit": limit}).fetchone() or [None]
        connection.execute("UPDATE online_publishing SET after_client = %s", [last])
        return last is not None


def mark_strays(connection: psycopg.Connection, stored: Sequence[tuple[int, int]]) -> None:
    """Mark clients that only the table has. `stored`: its clients with their revisions.

    Also raises PostgreSQL's next revision above these, because a restored database may be behind.
    """
    if not stored:
        return
    ids = sorted(client_id for client_id, _ in stored)
    with connection.transaction():
        connection.execute(_RAISE, {"rev": max(rev for _, rev in stored)})
        known = connection.execute("SELECT client_id FROM online_features WHERE client_id = ANY (%s)", [ids]).fetchall()
        if strays := sorted(set(ids) - {client_id for (client_id,) in known}):
            connection.execute(_NOT_DURING_A_LOAD)
            for client_id in strays:
                connection.execute("SELECT pg_advisory_xact_lock(-%s::bigint)", [client_id])
            connection.execute(_MARK_STRAYS, {"ids": strays})


def next_changes(connection: psycopg.Connection, after: int, limit: int) -> list[Change]:
    with connection.transaction():
        rows = connection.execute(_NEXT_CHANGES, {"after": after, "limit": limit}).fetchall()
    return [Change.of_row(*row) for row in rows]


def delete_marks(connection: psycopg.Connection, published: Sequence[Change]) -> None:
    ids, revs = [change.client_id for change in published], [change.rev for change in published]
    with connection.transaction():
        connection.execute(_DELETE_MARKS, {"ids": ids, "revs": revs})


def count(connection: psycopg.Connection) -> int:
    with connection.transaction():
        [number] = connection.execute("SELECT count(*) FROM online_changes").fetchone() or [0]
    return int(number)


class StoredSet(NamedTuple):
    """The feature set in force, as stored."""

    id: int
    digest: str
    document: str
    retained: str

    def item(self) -> Item:
        texts = {name: {"S": getattr(self, name)} for name in ("digest", "document", "retained")}
        return {"client_id": {"N": "0"}, "rev": {"N": str(self.id)}} | texts


def feature_set(connection: psycopg.Connection) -> StoredSet | None:
    with connection.transaction():
        row = connection.execute(_SET).fetchone()
    return StoredSet(*row) if row else None
