"""The import of precomputed vectors: checks the lines of a file, and merges them in one transaction."""

import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from db_init.database import NO_WRITES, copy_in, exclusive
from db_init.engines.duckdb import DuckDB, open_duckdb
from db_init.errors import LoadError
from db_init.feature_sets.stored import applied_set
from db_init.files.reading import columns_of
from db_init.history import kept_since, prepare_years
from db_init.loading.quarantine import store_refused
from db_init.loading.report import Report
from db_init.loading.vectors import INSTANT, VectorColumns, judge_vectors
from db_init.progress import Steps
from db_init.shards import WHOLE, Share
from shared_schemas.feature_sets import FeatureSet

_SQL = Path(__file__).parent / "sql"
_FIND_NEWS = (_SQL / "find_news.sql").read_text(encoding="utf-8")
_APPEND = (_SQL / "append_vectors.sql").read_text(encoding="utf-8")
_UPSERT_ONLINE = (_SQL / "upsert_imported.sql").read_text(encoding="utf-8")
_STAGE = """
    CREATE TEMP TABLE fresh (client_id bigint, event_timestamp timestamptz, said json, raw json, outcome smallint)
    ON COMMIT DROP
"""


def import_features(
    connection: psycopg.Connection,
    file: Path,
    share: Share = WHOLE,
    *,
    memory: str,
    steps: Steps,
    say: Callable[[str], None],
    partial: bool = False,
) -> Report:
    """Import a file. If no line has an event timestamp, all get the time of the import.

    `partial`: features without a column in the file stay unchanged. The file may also lack the outcome, or both outcome
    and group. Otherwise a missing column is an error.
    """
    started = time.monotonic()
    with open_duckdb(memory) as engine, exclusive(connection, say):
        prepare_years(connection)
        feature_set = applied_set(connection).feature_set
        since = kept_since(connection)
        connection.commit()
        columns = _columns(file, feature_set, partial=partial)
        digest = engine.read(file, steps, columns.needed, (INSTANT,)).digest
        judge_vectors(engine, columns, since, share)
        report = Report(read=engine.count("vectors") + engine.count("malformed"))
        report.dropped = int(engine.run("SELECT count(*) FROM judged WHERE verdict = 'dropped'")[0][0])
        report.quarantined = dict(engine.run("SELECT reason, count(*) FROM refused GROUP BY ALL"))
        steps.step("writing")
        _write(connection, engine, report, digest, share, columns)
    report.seconds = time.monotonic() - started
    return report


def _columns(file: Path, feature_set: FeatureSet, *, partial: bool) -> VectorColumns:
    if not partial:
        return VectorColumns(feature_set, feature_set.features)
    present = columns_of(file)
    spoken = tuple(feature for feature in feature_set.features if feature.name in present)
    if not spoken:
        raise LoadError(f"{file} has no column of a feature of the set {feature_set.name}.")
    has_outcome = feature_set.outcome is not None and feature_set.outcome.column in present
    # The group is needed only with outcomes, because it divides training rows.
    return VectorColumns(feature_set, spoken, has_outcome, has_outcome or feature_set.entity.group in present)


def _write(
    connection: psycopg.Connection, engine: DuckDB, report: Report, digest: str, share: Share, columns: VectorColumns
) -> None:
    kept = engine.to_csv(
        "SELECT client_id, instant, said, raw, outcome FROM judged WHERE verdict = 'keep'", engine.folder / "fresh.csv"
    )
    accepted = int(engine.run("SELECT count(*) FROM judged WHERE verdict = 'keep'")[0][0])
    with connection.transaction():
        connection.execute(_STAGE)
        connection.execute("SELECT set_config('db_init.outcomes', %s, true)", [str(columns.outcome is not None)])
        copy_in(connection, "fresh (client_id, event_timestamp, said, raw, outcome)", kept)
        connection.execute("ANALYZE fresh")
        # Lock this table before the history, in the order of a write over HTTP, so that the two cannot deadlock.
        connection.execute(NO_WRITES)
        connection.execute(_FIND_NEWS)
        [report.loaded] = connection.execute("SELECT count(*) FROM fresh").fetchone() or [0]
        connection.execute(_APPEND)
        report.clients_changed = connection.execute(_UPSERT_ONLINE).rowcount
        report.unchanged = accepted - report.loaded
        report.check()
        store_refused(connection, engine, digest)
        share.record(connection)
    connection.execute("ANALYZE feature_history, online_features")
    connection.commit()
