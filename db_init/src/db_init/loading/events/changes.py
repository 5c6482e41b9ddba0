"""The changes of features of raw events: computed by the engine, and written in one transaction."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from db_init.database import NO_WRITES, copy_in
from db_init.engines import Engine
from db_init.feature_sets.stored import Applied
from db_init.loading.events import pipelines
from db_init.loading.events.computing import compute
from db_init.loading.events.parse import source_kinds
from db_init.loading.names import CLIENT, EVENT, GROUP, LINE, OUTCOME, SAID, TIME, VERDICT
from db_init.loading.report import Report
from db_init.progress import Steps
from db_init.shards import WHOLE, Share
from shared_schemas.feature_sets import Feature, FeatureSet, Source

Table = Any

_SQL = Path(__file__).parents[1] / "sql"
_UPSERT_ONLINE = (_SQL / "upsert_loaded.sql").read_text(encoding="utf-8")
_UPDATE_REPLACED = (_SQL / "update_replaced.sql").read_text(encoding="utf-8")


_COPY_HISTORY = "feature_history (client_id, event_timestamp, event_id, said, raw, outcome, seq)"
_SEQUENCE = "SELECT nextval(pg_get_serial_sequence('feature_history', 'seq'))"
_FRESH_HISTORY = f"""
    SELECT e.*, s.{EVENT} IS NOT NULL AS replaces
      FROM everyone AS e LEFT JOIN stored AS s ON s.{EVENT} = e.event_id
     WHERE s.{EVENT} IS NULL OR e.said <> s.{SAID}"""
_FRESH_ONLINE = """
    SELECT client_id, event_timestamp, said
      FROM (SELECT client_id, event_timestamp, said,
                   row_number() OVER (PARTITION BY client_id ORDER BY event_timestamp DESC, event_id DESC) AS place
              FROM everyone WHERE client_id IN (SELECT client_id FROM fresh_history)) AS placed
     WHERE place = 1"""


@dataclass(frozen=True)
class Work:
    """The context of one load or recomputation."""

    connection: psycopg.Connection
    engine: Engine
    applied: Applied
    source: Source
    steps: Steps
    share: Share = WHOLE
    report: Report = field(default_factory=Report)

    @property
    def feature_set(self) -> FeatureSet:
        return self.applied.feature_set


def compute_changes(work: Work, kept: Table) -> None:
    """Make tables `fresh_history` (new events, and stored ones whose features change) and `fresh_online`.

    `kept`: the rows of table `judged` from which features are computed; of a client all of its events, or none.
    """
    engine, source = work.engine, work.source
    events = kept.select(
        **{pipelines.CLIENT_ID: CLIENT, source.event_id: EVENT, source.event_time: TIME},
        **{name: name for name in source_kinds(source) if name != pipelines.CLIENT_ID},
    )
    events = engine.keep("events", events)
    keys = compute(engine, events, work.applied, source)
    instant = engine.dialect.instant.format(f"j.{TIME}")
    # Sort the rows before they contain JSON: rows with JSON are too wide to sort in little memory.
    everyone = f"""
        SELECT j.{LINE}, j.{CLIENT} AS client_id, {instant} AS event_timestamp, j.{EVENT} AS event_id,
               {_said(work, keys)} AS said, CASE WHEN j.{LINE} > 0 THEN {_kept_raw(work)} END AS raw,
               j.{OUTCOME} AS outcome
          FROM (SELECT * FROM judged JOIN computed USING ({EVENT}) WHERE {VERDICT} IN ('keep', 'stored')
                {engine.dialect.together(CLIENT, f"{TIME}, {EVENT}")}) AS j"""
    engine.make("everyone", everyone)
    engine.make("fresh_history", _FRESH_HISTORY)
    engine.make("fresh_online", _FRESH_ONLINE)


def _said(work: Work, keys: list[str]) -> str:
    """SQL of the JSON of an event's features. `j` is the alias of the join of `judged` and `computed`."""
    declared = {one.key: one for one in (*work.feature_set.features, *work.applied.retained)}
    dialect = work.engine.dialect
    members = {key: dialect.json_value(f"j.__f{n}", _kind(declared[key])) for n, key in enumerate(keys)}
    for feature in (*work.feature_set.features, *work.applied.retained):
        if pipelines.dated(feature, work.source):
            since = str(feature.completed_years_since)
            column = TIME if since == work.source.event_time else dialect.identifier(since)
            members[feature.key] = dialect.json_value(f"j.{column}", "since")
    order = {key: place for place, key in enumerate(work.applied.keys)}
    return dialect.json_object(sorted(members.items(), key=lambda member: order[member[0]]))


def _kind(feature: Feature) -> str:
    return {"category": "text", "number": "number"}.get(feature.type, "whole")


def _kept_raw(work: Work) -> str:
    kinds = {"int64": "whole", "float64": "number", "string": "text"}
    dialect = work.engine.dialect
    members = [
        (name, dialect.json_value(f"j.{dialect.identifier(name)}", kinds.get(kind, "date")))
        for name, kind in source_kinds(work.source).items()
    ]
    if work.feature_set.entity.group is not None:
        members.append((GROUP, dialect.json_value(f"j.{GROUP}", "text")))
    return dialect.json_object(members)


def write_changes(work: Work, also: Callable[[], None] = lambda: None) -> int:
    """Write both tables, and run `also`, in one transaction. Return the number of clients with a new or changed vector."""
    connection, engine, steps = work.connection, work.engine, work.steps
    [sequence] = connection.execute(_SEQUENCE).fetchone() or [0]
    connection.commit()
    fresh = f"""
        SELECT client_id, event_timestamp, event_id, said, raw, outcome, {sequence} FROM fresh_history WHERE NOT replaces"""
    history = engine.to_csv(fresh, engine.folder / "history.csv")
    online = engine.to_csv("SELECT client_id, event_timestamp, said FROM fresh_online", engine.folder / "online.csv")
    replaced = engine.to_csv("SELECT event_id, said FROM fresh_history WHERE replaces", engine.folder / "replaced.csv")
    size = history.stat().st_size + replaced.stat().st_size
    rows_per_byte = engine.count("fresh_history") / max(size, 1)

    def advance(size: int) -> None:
        steps.advance(round(size * rows_per_byte))

    with connection.transaction():
        if replaced.stat().st_size:
            connection.execute("CREATE TEMP TABLE replaced (event_id bigint, said json) ON COMMIT DROP")
            copy_in(connection, "replaced", replaced, advance)
            connection.execute("ANALYZE replaced")
            connection.execute(_UPDATE_REPLACED)
        copy_in(connection, _COPY_HISTORY, history, advance)
        connection.execute(
            "CREATE TEMP TABLE fresh_online (client_id bigint, event_timestamp timestamptz, said json) ON COMMIT DROP"
        )
        copy_in(connection, "fresh_online", online)
        connection.execute("ANALYZE fresh_online")
        connection.execute(NO_WRITES)
        clients_changed = connection.execute(_UPSERT_ONLINE).rowcount
        also()
        work.share.record(connection)
    connection.execute("ANALYZE feature_history, online_features")
    connection.commit()
    return clients_changed
