"""Loads raw loans: computes what a file changes, and changes it in one transaction."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path

import ibis
import psycopg

from db_init import pipeline
from db_init.database import copy_in, copy_out, exclusive
from db_init.duckdb_engine import DuckDB
from db_init.progress import Steps
from db_init.quarantine import fetch_refused, settle, store_refused
from db_init.report import Report

_STORED = {
    "loan_id": "BIGINT", "client_id": "BIGINT", "loan_date": "DATE", "loan_amount": "DOUBLE", "birthday": "DATE",
    "job_start_date": "DATE", "flag_own_car": "SMALLINT", "status": "SMALLINT", "nb_previous_loans": "INTEGER",
    "avg_amount_loans_previous": "DOUBLE", "age": "INTEGER", "years_on_the_job": "INTEGER",
}  # fmt: skip

_HISTORY = (
    "loan_id, client_id, event_timestamp, loan_amount, birthday, job_start_date, flag_own_car, status, "
    "nb_previous_loans, avg_amount_loans_previous, age, years_on_the_job"
)
_ONLINE = (
    "client_id, nb_previous_loans, avg_amount_loans_previous, age, years_on_the_job, flag_own_car, event_timestamp"
)

# At one instant, what was imported or written counts over what a loan says. PostgreSQL looks for that in the history as it
# was when the statement began, so that nothing may be written meanwhile.
_NO_WRITES = "LOCK TABLE online_features IN SHARE ROW EXCLUSIVE MODE"
_UPSERT_ONLINE = """
    INSERT INTO online_features AS stored SELECT * FROM fresh_online ORDER BY client_id
    ON CONFLICT (client_id) DO UPDATE
       SET nb_previous_loans = excluded.nb_previous_loans,
           avg_amount_loans_previous = excluded.avg_amount_loans_previous,
           age = excluded.age, years_on_the_job = excluded.years_on_the_job,
           flag_own_car = excluded.flag_own_car, event_timestamp = excluded.event_timestamp
     WHERE stored.event_timestamp <= excluded.event_timestamp AND stored IS DISTINCT FROM excluded
       AND NOT EXISTS (SELECT FROM feature_history AS given
                        WHERE given.client_id = stored.client_id AND given.event_timestamp = excluded.event_timestamp
                          AND given.loan_id IS NULL)
"""


def load(
    connection: psycopg.Connection,
    file: Path | None,
    *,
    as_of: date,
    opening: AbstractContextManager[DuckDB],
    steps: Steps,
    say: Callable[[str], None],
) -> Report:
    """Readers see all of the file's effect or none of it. Without a file, the lines in quarantine are tried again.

    `as_of`: the reference date of the ages in the online store. `opening` gives the engine that computes.
    """
    started = time.monotonic()
    with opening as engine, exclusive(connection, say):
        source = _read(connection, engine, file, steps)
        report = Report(read=engine.count("raw") + engine.count("malformed"))
        engine.keep("lines", pipeline.parsed(engine.table("raw")))
        steps.step("comparing with what is stored")
        _fetch_stored(connection, engine)
        _judge(engine, report)
        steps.step("computing features")
        _compute(engine, as_of)
        report.check()
        steps.step("writing", engine.count("fresh_history"))
        _write(connection, engine, report, source, steps)
    report.seconds = time.monotonic() - started
    return report


def _read(connection: psycopg.Connection, engine: DuckDB, file: Path | None, steps: Steps) -> str | None:
    """Fill `raw` and `malformed`. The digest of the file, if it is one."""
    if file is None:
        steps.step("reading the lines in quarantine")
        fetch_refused(connection, engine)
        return None
    return engine.read(file, steps, pipeline.NEEDED).digest


def _fetch_stored(connection: psycopg.Connection, engine: DuckDB) -> None:
    """Table `stored`: the loans of every client that the file speaks of, and those whose loan ids it repeats."""
    [anything] = connection.execute("SELECT EXISTS (SELECT FROM feature_history)").fetchone() or [False]
    file = engine.folder / "stored.csv"
    file.touch()
    if anything:
        connection.execute("CREATE TEMP TABLE touched (client_id bigint, loan_id bigint) ON COMMIT DROP")
        touched = engine.to_csv(
            "SELECT client_id, loan_id FROM lines WHERE reason IS NULL", engine.folder / "touched.csv"
        )
        copy_in(connection, "touched", touched)
        connection.execute("ANALYZE touched")
        wanted = """
            client_id IN (SELECT client_id FROM touched
                          UNION SELECT client_id FROM feature_history WHERE loan_id IN (SELECT loan_id FROM touched))"""
        columns = ", ".join(_STORED).replace("loan_date", "(event_timestamp AT TIME ZONE 'UTC')::date")
        query = f"SELECT {columns} FROM feature_history WHERE loan_id IS NOT NULL AND {wanted}"
        copy_out(connection, query, file)
        connection.rollback()
    engine.from_csv("stored", file, _STORED)


def _judge(engine: DuckDB, report: Report) -> None:
    lines = engine.table("lines")
    stored = engine.table("stored").mutate(line=ibis.literal(0, "int64")).select("line", *pipeline.LOAN_COLUMNS)
    good = lines.filter(lines.reason.isnull()).select("line", *pipeline.LOAN_COLUMNS)
    engine.keep("judged", pipeline.judged(good.union(stored)))
    verdicts = dict(engine.run("SELECT verdict, count(*) FROM judged GROUP BY ALL"))
    report.loaded = verdicts.get("keep", 0)
    report.unchanged = verdicts.get("unchanged", 0)
    report.dropped = verdicts.get("dropped", 0)
    engine.run("""
        CREATE TABLE refused AS
        SELECT line, reason, to_json(raw)::VARCHAR AS row FROM lines JOIN raw USING (line) WHERE reason IS NOT NULL
        UNION ALL
        SELECT line, verdict, to_json(raw)::VARCHAR FROM judged JOIN raw USING (line) WHERE verdict = 'loan_id_conflict'
        UNION ALL
        SELECT line, 'malformed_line', to_json({'text': text, 'columns': columns})::VARCHAR FROM malformed""")
    report.quarantined = dict(engine.run("SELECT reason, count(*) FROM refused GROUP BY ALL"))


def _compute(engine: DuckDB, as_of: date) -> None:
    """Tables `fresh_history` (new loans, and stored ones whose features change) and `fresh_online`."""
    judged = engine.table("judged")
    kept = judged.filter(judged.verdict.isin(["keep", "stored"])).drop("verdict")
    changed = kept.filter(kept.line > 0).select("client_id").distinct()
    computed = engine.keep("computed", pipeline.features(kept.semi_join(changed, "client_id")))
    engine.run("""
        CREATE TABLE fresh_history AS
        SELECT c.*, s.loan_id IS NOT NULL AS replaces FROM computed AS c LEFT JOIN stored AS s USING (loan_id)
         WHERE s.loan_id IS NULL
            OR (c.nb_previous_loans, c.avg_amount_loans_previous, c.age, c.years_on_the_job) IS DISTINCT FROM
               (s.nb_previous_loans, s.avg_amount_loans_previous, s.age, s.years_on_the_job)""")
    # Ages go on: a client's row is computed anew even if nothing but the reference date is new.
    everyone = engine.keep("everyone", pipeline.features(kept)) if engine.count("stored") else computed
    latest = everyone.filter(everyone.latest).drop("age", "years_on_the_job")
    engine.keep("fresh_online", latest.mutate(**pipeline.ages(latest, ibis.literal(as_of))))


def _write(connection: psycopg.Connection, engine: DuckDB, report: Report, source: str | None, steps: Steps) -> None:
    as_row = _HISTORY.replace("event_timestamp", "strftime(loan_date, '%Y-%m-%d 00:00:00+00')")
    history = engine.to_csv(
        f"SELECT {as_row} FROM fresh_history ORDER BY client_id, loan_date, loan_id", engine.folder / "history.csv"
    )
    as_row = _ONLINE.replace("event_timestamp", "strftime(loan_date, '%Y-%m-%d 00:00:00+00')")
    online = engine.to_csv(f"SELECT {as_row} FROM fresh_online", engine.folder / "online.csv")
    replaced = engine.to_csv("SELECT loan_id FROM fresh_history WHERE replaces", engine.folder / "replaced.csv")
    with connection.transaction():
        if replaced.stat().st_size:
            connection.execute("CREATE TEMP TABLE replaced (loan_id bigint) ON COMMIT DROP")
            copy_in(connection, "replaced", replaced)
            connection.execute("DELETE FROM feature_history WHERE loan_id IN (SELECT loan_id FROM replaced)")
        rows_per_byte = engine.count("fresh_history") / max(history.stat().st_size, 1)
        copy_in(
            connection,
            f"feature_history ({_HISTORY})",
            history,
            lambda size: steps.advance(round(size * rows_per_byte)),
        )
        connection.execute("CREATE TEMP TABLE fresh_online (LIKE online_features) ON COMMIT DROP")
        copy_in(connection, f"fresh_online ({_ONLINE})", online)
        connection.execute(_NO_WRITES)
        report.clients_changed = connection.execute(_UPSERT_ONLINE).rowcount
        if source is None:
            settle(connection, engine)
        else:
            store_refused(connection, engine, source)
    connection.execute("ANALYZE feature_history, online_features")
    connection.commit()
