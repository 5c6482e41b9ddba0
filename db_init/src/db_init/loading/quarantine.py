"""The quarantine, a table of refused lines, and the retry of those of raw events.

A line is kept as a JSON object of its columns. If it could not be split into cells, the object holds `text`, and for
raw events `columns`, the column names of the file. This key distinguishes lines of raw events from lines of imported
vectors. The latter have `id_column` instead: the position of the id column, counted from 1, for the erasure of a
client.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

import psycopg
from psycopg import sql

from db_init.database import copy_in, copy_out
from db_init.engines import Engine
from db_init.errors import LoadError
from db_init.files.csv_lines import read_cells

_KEPT = sql.SQL("""
    CREATE TEMP TABLE kept ON COMMIT DROP AS
    SELECT 1 + row_number() OVER (ORDER BY quarantined_at, source, line) AS line, source, line AS source_line,
           md5(row::text) AS digest, row
      FROM quarantine WHERE row ? {event_id} OR row ? 'columns'
""")
_ORIGIN = "line, source, source_line, digest"

_SETTLE = """
    WITH removed AS (DELETE FROM quarantine AS q USING tried AS t
                      WHERE (q.source, q.line, md5(q.row::text)) = (t.source, t.line, t.digest) AND t.reason IS NULL
                     RETURNING 1),
         renamed AS (UPDATE quarantine AS q SET reason = t.reason FROM tried AS t
                      WHERE (q.source, q.line, md5(q.row::text)) = (t.source, t.line, t.digest) AND t.reason IS NOT NULL
                     RETURNING 1)
    SELECT (SELECT count(*) FROM removed) + (SELECT count(*) FROM renamed)
"""


_SAME = "(source, line, md5(row::text)) = (%s, %s, %s)"


def store_refused(connection: psycopg.Connection, engine: Engine, source: str) -> None:
    """Store the lines of table `refused`. Lines that are in quarantine already do not change."""
    refused = engine.to_csv(f"SELECT '{source}', __line, reason, row FROM refused", engine.folder / "refused.csv")
    connection.execute("CREATE TEMP TABLE refused (source text, line bigint, reason text, row jsonb) ON COMMIT DROP")
    copy_in(connection, "refused", refused)
    connection.execute(
        "INSERT INTO quarantine SELECT source, line, reason, row, now() FROM refused ON CONFLICT DO NOTHING"
    )


def fetch_refused(connection: psycopg.Connection, engine: Engine, needed: Sequence[str]) -> None:
    """Fill `raw` and `malformed` with the quarantined lines of raw events, in order of arrival, numbered from 2.

    `needed`: the columns of raw events; the first is the event id.
    """
    connection.execute(_KEPT.format(event_id=sql.Literal(needed[0])))
    cells, good, bad = (engine.folder / name for name in ("kept.csv", "read.csv", "malformed.csv"))
    wanted = sql.SQL(", ").join(sql.SQL("row->>{}").format(sql.Literal(name)) for name in needed)
    query = sql.SQL("SELECT line, source, source_line, digest, {} FROM kept WHERE NOT row ? 'columns'").format(wanted)
    copy_out(connection, query.as_string(connection), cells)
    _read_again(connection, needed, good, bad)
    connection.rollback()
    origin = {"line": "BIGINT", "source": "VARCHAR", "source_line": "BIGINT", "digest": "VARCHAR"}
    columns = origin | dict.fromkeys(needed, "VARCHAR")
    engine.from_csv("kept", cells, columns)
    engine.from_csv("read_again", good, columns)
    engine.from_csv("unread", bad, {**origin, "text": "VARCHAR"})
    names = ", ".join(map(engine.dialect.identifier, needed))
    engine.make(
        "raw", f"SELECT line AS __line, {names} FROM kept UNION ALL SELECT line AS __line, {names} FROM read_again"
    )
    engine.make("malformed", f"SELECT line AS __line, text, {engine.dialect.no_texts} AS columns FROM unread")
    origin_of = [f"SELECT {_ORIGIN} FROM {name}" for name in ("kept", "read_again", "unread")]
    engine.make("origin", " UNION ALL ".join(origin_of))


def _read_again(connection: psycopg.Connection, needed: Sequence[str], good: Path, bad: Path) -> None:
    """Write the lines that were kept as text to `good` if they can be split into cells now, otherwise to `bad`."""
    query = f"SELECT {_ORIGIN}, row->>'text', row->'columns' FROM kept WHERE row ? 'columns'"
    with (
        good.open("w", encoding="utf-8", newline="") as readable,
        bad.open("w", encoding="utf-8", newline="") as unreadable,
        connection.cursor("kept_lines") as lines,
    ):
        good_lines = csv.writer(readable, quoting=csv.QUOTE_ALL)
        bad_lines = csv.writer(unreadable, quoting=csv.QUOTE_ALL)
        for *origin, text, names in lines.execute(query):
            wanted = _wanted(text, names, needed)
            if wanted is None:
                bad_lines.writerow([*origin, text])
            else:
                good_lines.writerow([*origin, *wanted])


def _wanted(text: object, names: object, needed: Sequence[str]) -> list[str] | None:
    """The needed cells; None if the line cannot be split, or an edit by hand left no text or no list of names."""
    if not isinstance(text, str) or not isinstance(names, list) or any(name not in names for name in needed):
        return None
    cells = read_cells(text, len(names))
    return None if cells is None else [cells[names.index(name)] for name in needed]


def settle(connection: psycopg.Connection, engine: Engine) -> None:
    """Remove the fetched lines that were loaded now; update the reason of the others.

    Raises LoadError if lines changed in the meantime.
    """
    query = "SELECT source, source_line, digest, reason FROM origin LEFT JOIN refused ON __line = line"
    tried = engine.to_csv(query, engine.folder / "tried.csv")
    connection.execute("CREATE TEMP TABLE tried (source text, line bigint, digest text, reason text) ON COMMIT DROP")
    copy_in(connection, "tried", tried)
    connection.execute("ANALYZE tried")
    [settled] = connection.execute(_SETTLE).fetchone() or [0]
    if settled != engine.count("origin"):
        raise LoadError(
            "Lines in quarantine were changed at the same time. Nothing was changed; run the command again."
        )


def moved(connection: psycopg.Connection, other: psycopg.Connection, source: str, line: int, digest: str) -> None:
    """Move the line to another database. It stays if that database has another line at the same place."""
    same = [source, line, digest]
    query = f"SELECT source, line, reason, row::text, quarantined_at FROM quarantine WHERE {_SAME}"
    with other.transaction():
        for row in connection.execute(query, same).fetchall():
            other.execute("INSERT INTO quarantine VALUES (%s, %s, %s, %s::jsonb, %s) ON CONFLICT DO NOTHING", row)
        there = other.execute(f"SELECT FROM quarantine WHERE {_SAME}", same).fetchone()
    if there is not None:
        connection.execute(f"DELETE FROM quarantine WHERE {_SAME}", same)
    connection.commit()
