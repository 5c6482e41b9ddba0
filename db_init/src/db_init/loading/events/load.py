"""The load of raw events of a file, and the new computation of the features of stored ones."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import psycopg

from db_init.database import exclusive
from db_init.engines import Engine
from db_init.engines.dialects import Dialect
from db_init.errors import LoadError
from db_init.feature_sets.reading import read_feature_set
from db_init.feature_sets.stored import Applied, applied_set
from db_init.history import kept_since, prepare_years
from db_init.loading.events.changes import Work, compute_changes, write_changes
from db_init.loading.events.comparing import fetch_all, fetch_stored
from db_init.loading.events.judge import judged
from db_init.loading.events.parse import event_columns, needed_columns, parsed
from db_init.loading.names import CLIENT, LINE, REASON, VERDICT
from db_init.loading.quarantine import fetch_refused, settle, store_refused
from db_init.loading.report import Recomputed, Report
from db_init.progress import Steps
from db_init.shards import WHOLE, Share
from shared_schemas.feature_sets import Source

Table = Any

_TOLERATED = timedelta(days=1)


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
        work = Work(connection, engine, applied, source, steps, share)
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
        compute_changes(work, _of_changed_clients(engine.table("judged")))
        work.report.check()
        steps.step("writing", engine.count("fresh_history"))
        work.report.clients_changed = write_changes(work, lambda: _account_for_refused(work, digest))
    work.report.seconds = time.monotonic() - started
    return work.report


def recompute(
    connection: psycopg.Connection,
    opening: AbstractContextManager[Engine],
    steps: Steps,
    say: Callable[[str], None],
    *,
    feature_set_file: Path | None = None,
) -> Recomputed:
    """Compute the features of all stored raw events with the pipeline in force, and replace those that differ.

    Readers see all of its effect or none. Writes and imported vectors are not changed. `opening` and `feature_set_file`
    are those of `load`.
    """
    started, report = time.monotonic(), Recomputed()
    with opening as engine, exclusive(connection, say):
        applied, source = with_source(connection, feature_set_file)
        work = Work(connection, engine, applied, source, steps)
        steps.step("reading what is stored")
        fetch_all(connection, engine, source)
        known = _known(engine.table("stored"), source).mutate(**{VERDICT: ibis.literal("stored")})
        events = engine.keep("judged", known)
        report.events = engine.count("judged")
        steps.step("computing features")
        compute_changes(work, events)
        report.events_changed = engine.count("fresh_history")
        if report.events_changed:
            steps.step("writing", report.events_changed)
            report.clients_changed = write_changes(work)
    report.seconds = time.monotonic() - started
    return report


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


def _read(work: Work, file: Path | None) -> str | None:
    """Fill `raw` and `malformed`. Return the digest of the file; None without a file."""
    needed = needed_columns(work.feature_set, work.source)
    if file is None:
        work.steps.step("reading the lines in quarantine")
        fetch_refused(work.connection, work.engine, needed)
        return None
    return work.engine.read(file, work.steps, needed).digest


def _known(stored: Table, source: Source) -> Table:
    """Stored events as lines, of number 0."""
    return stored.mutate(**{LINE: ibis.literal(0, "int64")}).select(LINE, *event_columns(source))


def _judge(work: Work) -> None:
    engine, columns = work.engine, event_columns(work.source)
    lines, stored = engine.table("lines"), engine.table("stored")
    good = lines.filter(lines[REASON].isnull()).select(LINE, *columns)
    engine.keep("judged", judged(good.union(_known(stored, work.source)), columns))
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


def _of_changed_clients(judged: Table) -> Table:
    """All events of the clients for which the file has new events."""
    kept = judged.filter(judged[VERDICT].isin(["keep", "stored"]))
    return kept.semi_join(kept.filter(kept[LINE] > 0).select(CLIENT).distinct(), CLIENT)


def _account_for_refused(work: Work, digest: str | None) -> None:
    if digest is None:
        settle(work.connection, work.engine)
    else:
        store_refused(work.connection, work.engine, digest)
