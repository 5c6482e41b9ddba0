"""Fetch of stored raw events: those with which the events of a file are compared, or all."""

from pathlib import Path

import psycopg

from db_init.database import copy_in, copy_out
from db_init.engines import Engine
from db_init.loading.events.parse import source_kinds
from db_init.loading.names import CLIENT, EVENT, GROUP, OUTCOME, REASON, SAID, TIME
from shared_schemas.feature_sets import Source

_STORED = (Path(__file__).parents[1] / "sql" / "stored_events.sql").read_text(encoding="utf-8")
_OF_TOUCHED = """
   AND client_id IN (SELECT client_id FROM touched
                     UNION SELECT h.client_id FROM feature_history AS h WHERE h.event_id IN (SELECT event_id FROM touched))"""
_FETCHED = {
    "event_id": "BIGINT", "client_id": "BIGINT", "event_timestamp": "VARCHAR", "outcome": "SMALLINT", "said": "VARCHAR",
    "raw": "VARCHAR",
}  # fmt: skip


def fetch_stored(connection: psycopg.Connection, engine: Engine, source: Source) -> None:
    """Make table `stored`: the stored events of all clients in the file, and those whose event ids are in the file."""
    [anything] = connection.execute(
        "SELECT EXISTS (SELECT FROM feature_history WHERE event_id IS NOT NULL)"
    ).fetchone() or [False]
    file = engine.folder / "stored.csv"
    file.touch()
    if anything:
        connection.execute("CREATE TEMP TABLE touched (client_id bigint, event_id bigint) ON COMMIT DROP")
        query = f"SELECT {CLIENT}, {EVENT} FROM lines WHERE {REASON} IS NULL"
        copy_in(connection, "touched", engine.to_csv(query, engine.folder / "touched.csv"))
        connection.execute("ANALYZE touched")
        copy_out(connection, _STORED + _OF_TOUCHED, file)
    _read(connection, engine, source, file)


def fetch_all(connection: psycopg.Connection, engine: Engine, source: Source) -> None:
    """Table `stored`: all raw events."""
    file = engine.folder / "stored.csv"
    copy_out(connection, _STORED, file)
    _read(connection, engine, source, file)


def _read(connection: psycopg.Connection, engine: Engine, source: Source, file: Path) -> None:
    connection.rollback()
    engine.from_csv("fetched", file, _FETCHED)
    _spread(engine, source)


def _spread(engine: Engine, source: Source) -> None:
    """Make table `stored` from `fetched`, with the columns of an event."""
    dialect, kinds = engine.dialect, source_kinds(source)
    columns = "".join(f", r.{dialect.identifier(name)} AS {dialect.identifier(name)}" for name in kinds)
    declared = source.columns.get(source.event_time)
    time = "CAST(event_timestamp AS TIMESTAMP)"
    if declared is not None and declared.type == "date":
        time = f"CAST({time} AS DATE)"
    said_raw = dialect.json_fields("raw", kinds | {GROUP: "string"})
    query = f"""
        SELECT event_id AS {EVENT}, client_id AS {CLIENT}, {time} AS {TIME}{columns},
               outcome AS {OUTCOME}, r.{GROUP} AS {GROUP}, said AS {SAID}
          FROM (SELECT *, {said_raw} AS r FROM fetched) AS read"""
    engine.make("stored", query)
