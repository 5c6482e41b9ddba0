"""The load of raw events: computes the changes that a file makes, and applies them in one transaction."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import ibis
import psycopg

from db_init.database import copy_in, exclusive
from db_init.engines import Engine
from db_init.engines.dialects import Dialect
from db_init.errors import LoadError
from db_init.feature_sets.reading import read_feature_set
from db_init.feature_sets.stored import Applied, applied_set
from db_init.history import kept_since, prepare_years
from db_init.loading.events import pipelines
from db_init.loading.events.comparing import fetch_stored
from db_init.loading.events.computing import compute
from db_init.loading.events.judge import judged
from db_init.loading.events.parse import event_columns, needed_columns, parsed, source_kinds
from db_init.loading.names import CLIENT, EVENT, GROUP, LINE, OUTCOME, REASON, SAID, TIME, VERDICT
from db_init.loading.quarantine import fetch_refused, settle, store_refused
from db_init.loading.report import Report
from db_init.progress import Steps
from db_init.shards import WHOLE, Share
from shared_schemas.feature_sets import Feature, FeatureSet, Source

_SQL = Path(__file__).parents[1] / "sql"
_UPSERT_ONLINE = (_SQL / "upsert_loaded.sql").read_text(encoding="utf-8")
_UPDATE_REPLACED = (_SQL / "update_replaced.sql").read_text(encoding="utf-8")

# The fold must include every write, so no other session may write at the same time.
NO_WRITES = "LOCK TABLE online_features IN SHARE ROW EXCLUSIVE MODE"

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
              FROM everyone) AS placed
     WHERE place = 1"""
_TOLERATED = timedelta(days=1)


@dataclass(frozen=True)
class _Work:
    """The context of one load."""

    connection: psycopg.Connection
    engine: Engine
    applied: Applied
    source: Source
    report: Report
    steps: Steps
    share: Share

    @property
    def feature_set(self) -> FeatureSet:
        return self.applied.feature_set


def load(
    connection: psycopg.Connection,
    file: Path | None,
    opening: AbstractContextManager[Engine],
    steps: Steps,
    say: Callable[[str], None],
    *,
    feature_set_file: Path | None = None,
    share: Share = WHOLE,
) -> Report:
    """Load a file, or without one retry the lines in quarantine. Readers see all of its effect or none.

    `opening` opens the engine. `feature_set_file`: the TOML file of the set in force, with its pipeline beside it.
    """
    started = time.monotonic()
    with opening as engine, exclusive(connection, say):
        prepare_years(connection)
        applied, source = with_source(connection, feature_set_file)
        work = _Work(connection, engine, applied, source, Report(), steps, share)
        digest = _read(work, file)
        latest = datetime.now(UTC) + _TOLERATED
        since = kept_since(connection)
        connection.commit()
        engine.keep("lines", parsed(engine.table("raw"), applied.feature_set, source, latest, since))
        if file is None:
            share.refuse_others(engine, "lines", CLIENT, REASON)
        else:
            share.keep_own(engine, "lines", CLIENT)
        work.report.read = engine.count("lines") + engine.count("malformed")
        steps.step("comparing with what is stored")
        fetch_stored(connection, engine, source)
        _judge(work)
        steps.step("computing features")
        _compute(work)
        work.report.check()
        steps.step("writing", engine.count("fresh_history"))
        _write(work, digest)
    work.report.seconds = time.monotonic() - started
    return work.report


def with_source(connection: psycopg.Connection, file: Path | None) -> tuple[Applied, Source]:
    """The feature set in force and its section [source]. Raises LoadError if it has none, or `file` is another set."""
    applied = applied_set(connection)
    connection.commit()
    if file is not None:
        if read_feature_set(file).digest != applied.feature_set.digest:
            raise LoadError(f"{file} is not the feature set in force: apply it first.")
        applied = Applied(applied.feature_set, applied.retained, file.resolve().parent)
    source = applied.feature_set.source
    if source is None:
        raise LoadError(
            f"The feature set {applied.feature_set.name} has no [source]: it has no pipeline that computes features from raw "
            "events. Import its features with import-features."
        )
    return applied, source


def _read(work: _Work, file: Path | None) -> str | None:
    """Fill `raw` and `malformed`. Return the digest of the file; None without a file."""
    needed = needed_columns(work.feature_set, work.source)
    if file is None:
        work.steps.step("reading the lines in quarantine")
        fetch_refused(work.connection, work.engine, needed)
        return None
    return work.engine.read(file, work.steps, needed).digest


def _judge(work: _Work) -> None:
    engine, columns = work.engine, event_columns(work.source)
    lines, stored = engine.table("lines"), engine.table("stored")
    good = lines.filter(lines[REASON].isnull()).select(LINE, *columns)
    known = stored.mutate(**{LINE: ibis.literal(0, "int64")}).select(LINE, *columns)
    engine.keep("judged", judged(good.union(known), columns))
    verdicts = dict(engine.ask(f"SELECT {VERDICT}, count(*) FROM judged GROUP BY {VERDICT}"))
    work.report.loaded = verdicts.get("keep", 0)
    work.report.unchanged = verdicts.get("unchanged", 0)
    work.report.dropped = verdicts.get("dropped", 0)
    engine.make(
        "refused", _refused(engine.dialect, needed_columns(work.feature_set, work.source), work.source.event_id)
    )
    work.report.quarantined = dict(engine.ask("SELECT reason, count(*) FROM refused GROUP BY reason"))


def _refused(dialect: Dialect, columns: tuple[str, ...], event_id: str) -> str:
    """SQL of the lines for quarantine, each as a JSON object: its cells, or its text and the columns of the file."""
    row = dialect.json_object((name, dialect.json_value(f"raw.{dialect.identifier(name)}", "text")) for name in columns)
    line = dialect.json_object(
        [("text", dialect.json_value("text", "text")), ("columns", dialect.json_value("columns", "texts"))]
    )
    conflict = dialect.literal(f"{event_id}_conflict")
    return f"""
        SELECT {LINE}, {REASON} AS reason, {row} AS row FROM lines JOIN raw USING ({LINE}) WHERE {REASON} IS NOT NULL
        UNION ALL
        SELECT {LINE}, {conflict} AS reason, {row} AS row FROM judged JOIN raw USING ({LINE}) WHERE {VERDICT} = 'conflict'
        UNION ALL
        SELECT {LINE}, 'malformed_line' AS reason, {line} AS row FROM malformed"""


def _compute(work: _Work) -> None:
    """Make tables `fresh_history` (new events, and stored ones whose features change) and `fresh_online`."""
    engine, source = work.engine, work.source
    table = engine.table("judged")
    kept = table.filter(table[VERDICT].isin(["keep", "stored"]))
    changed = kept.filter(kept[LINE] > 0).select(CLIENT).distinct()
    events = kept.semi_join(changed, CLIENT).select(
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


def _said(work: _Work, keys: list[str]) -> str:
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


def _kept_raw(work: _Work) -> str:
    kinds = {"int64": "whole", "float64": "number", "string": "text"}
    dialect = work.engine.dialect
    members = [
        (name, dialect.json_value(f"j.{dialect.identifier(name)}", kinds.get(kind, "date")))
        for name, kind in source_kinds(work.source).items()
    ]
    if work.feature_set.entity.group is not None:
        members.append((GROUP, dialect.json_value(f"j.{GROUP}", "text")))
    return dialect.json_object(members)


def _write(work: _Work, digest: str | None) -> None:
    connection, engine, steps = work.connection, work.engine, work.steps
    [sequence] = connection.execute(_SEQUENCE).fetchone() or [0]
    connection.commit()
    fresh = f"""
        SELECT client_id, event_timestamp, event_id, said, raw, outcome, {sequence} FROM fresh_history WHERE NOT replaces"""
    history = engine.to_csv(fresh, engine.folder / "history.csv")
    online = engine.to_csv("SELECT client_id, event_timestamp, said FROM fresh_online", engine.folder / "online.csv")
    replaced = engine.to_csv("SELECT event_id, said FROM fresh_history WHERE replaces", engine.folder / "replaced.csv")
    rows_per_byte = engine.count("fresh_history") / max(history.stat().st_size, 1)
    with connection.transaction():
        if replaced.stat().st_size:
            connection.execute("CREATE TEMP TABLE replaced (event_id bigint, said json) ON COMMIT DROP")
            copy_in(connection, "replaced", replaced)
            connection.execute("ANALYZE replaced")
            connection.execute(_UPDATE_REPLACED)
        copy_in(connection, _COPY_HISTORY, history, lambda size: steps.advance(round(size * rows_per_byte)))
        connection.execute(
            "CREATE TEMP TABLE fresh_online (client_id bigint, event_timestamp timestamptz, said json) ON COMMIT DROP"
        )
        copy_in(connection, "fresh_online", online)
        connection.execute("ANALYZE fresh_online")
        connection.execute(NO_WRITES)
        work.report.clients_changed = connection.execute(_UPSERT_ONLINE).rowcount
        if digest is None:
            settle(connection, engine)
        else:
            store_refused(connection, engine, digest)
        work.share.record(connection)
    connection.execute("ANALYZE feature_history, online_features")
    connection.commit()
