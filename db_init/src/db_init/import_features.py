"""Imports precomputed vectors: checks a file's lines, and merges them in one transaction."""

import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from db_init.database import copy_in, exclusive
from db_init.duckdb_engine import DuckDB, open_duckdb
from db_init.progress import Steps
from db_init.quarantine import store_refused
from db_init.report import Report
from shared_schemas import FEATURE_NAMES

NEEDED = ("id", *FEATURE_NAMES, "status")
_INTEGERS = ("nb_previous_loans", "age", "years_on_the_job", "flag_own_car")
_VALUES = ", ".join(FEATURE_NAMES)

# A cell is read as what it must be, or is named as unreadable; an empty one is null.
_INSTANT = (
    "[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?"
)
_PARSE = """
    CREATE TABLE cells AS SELECT line, {trimmed} FROM raw;
    CREATE TABLE parsed AS
    SELECT line, try_cast(regexp_extract(id, '^([0-9]{{1,19}})([.]0+)?$', 1) AS BIGINT) AS client_id, {values},
           CASE WHEN regexp_full_match(status, '[01]([.]0*)?') THEN left(status, 1)::SMALLINT END AS status,
           CASE WHEN regexp_full_match(event_timestamp, '{instant}') AND event_timestamp >= '0001-01-02'
                THEN try_cast(event_timestamp AS TIMESTAMPTZ) END AS event_timestamp
      FROM cells;
    CREATE TABLE vectors AS
    SELECT parsed.*,
           CASE WHEN cells.id IS NULL THEN 'id_missing'
                WHEN client_id IS NULL OR client_id < 1 THEN 'id_unreadable'
                {unreadable} END AS reason
      FROM parsed JOIN cells USING (line)
"""

_JUDGE = """
    CREATE TABLE judged AS
    WITH good AS (SELECT * FROM vectors WHERE reason IS NULL),
         marked AS (SELECT *, row_number() OVER same AS copy, first_value(line) OVER same_event AS first_line,
                           row_number() OVER (PARTITION BY client_id ORDER BY event_timestamp DESC NULLS LAST, line) AS age_rank
                      FROM good
                    WINDOW same AS (PARTITION BY client_id, event_timestamp, {values}, status ORDER BY line),
                           same_event AS (PARTITION BY client_id, event_timestamp ORDER BY line))
    SELECT *, CASE WHEN copy > 1 THEN 'dropped' WHEN line > first_line THEN 'vector_conflict' ELSE 'keep' END AS verdict
      FROM marked
"""

_STAGE = """
    CREATE TEMP TABLE fresh (client_id bigint, event_timestamp timestamptz, nb_previous_loans integer,
        avg_amount_loans_previous double precision, age integer, years_on_the_job integer, flag_own_car smallint,
        status smallint) ON COMMIT DROP
"""

_SAME = f"""
    fresh.event_timestamp IS NULL AND fresh.client_id = o.client_id
    AND ROW({", ".join(f"fresh.{name}" for name in FEATURE_NAMES)})
        IS NOT DISTINCT FROM ROW({", ".join(f"o.{name}" for name in FEATURE_NAMES)})
"""

# A vector without an instant of its own that says what is stored already is that vector again (its status may be news);
_KEEP_INSTANT = f"""
    UPDATE fresh SET event_timestamp = o.event_timestamp FROM online_features AS o JOIN feature_history AS h
        ON h.client_id = o.client_id AND h.event_timestamp = o.event_timestamp AND h.loan_id IS NULL
     WHERE {_SAME}
"""

# where the one stored is that of a loan, it is no news at all.
_NO_NEWS = f"DELETE FROM fresh USING online_features AS o WHERE {_SAME}"

_MERGE_HISTORY = f"""
    INSERT INTO feature_history AS stored (client_id, event_timestamp, {_VALUES}, status)
    SELECT client_id, coalesce(event_timestamp, now()), {_VALUES}, status FROM fresh
    ON CONFLICT (client_id, event_timestamp, loan_id) DO UPDATE
       SET {", ".join(f"{name} = excluded.{name}" for name in (*FEATURE_NAMES, "status"))}, known_at = now()
     WHERE ROW({", ".join(f"stored.{name}" for name in (*FEATURE_NAMES, "status"))})
           IS DISTINCT FROM ROW({", ".join(f"excluded.{name}" for name in (*FEATURE_NAMES, "status"))})
"""

_MERGE_ONLINE = f"""
    INSERT INTO online_features AS stored (client_id, {_VALUES}, event_timestamp)
    SELECT DISTINCT ON (client_id) client_id, {_VALUES}, coalesce(event_timestamp, now()) FROM fresh
     ORDER BY client_id, event_timestamp DESC NULLS LAST
    ON CONFLICT (client_id) DO UPDATE
       SET {", ".join(f"{name} = excluded.{name}" for name in (*FEATURE_NAMES, "event_timestamp"))}
     WHERE stored.event_timestamp <= excluded.event_timestamp AND stored IS DISTINCT FROM excluded
"""


def import_features(
    connection: psycopg.Connection, file: Path, *, memory: str, steps: Steps, say: Callable[[str], None]
) -> Report:
    """Vectors without an event timestamp are of the time of the import."""
    started = time.monotonic()
    with open_duckdb(memory) as engine, exclusive(connection, say):
        source = engine.read(file, steps, NEEDED, ("event_timestamp",)).digest
        report = Report(read=engine.count("raw") + engine.count("malformed"))
        _judge(engine, report, timed=bool(engine.run("SELECT 1 FROM raw WHERE event_timestamp IS NOT NULL LIMIT 1")))
        steps.step("writing")
        _write(connection, engine, report, source)
    report.seconds = time.monotonic() - started
    return report


def _read_value(name: str) -> str:
    if name in _INTEGERS:  # 12 may be written 12.0
        whole = f"regexp_full_match({name}, '[+-]?[0-9]+([.]0*)?')"
        kind = "SMALLINT" if name == "flag_own_car" else "INTEGER"
        return f"CASE WHEN {whole} THEN try_cast(try_cast({name} AS DECIMAL(38, 0)) AS {kind}) END"
    number = f"try_cast({name} AS DOUBLE)"
    return f"CASE WHEN isfinite({number}) THEN {number} END"


def _judge(engine: DuckDB, report: Report, *, timed: bool) -> None:
    trimmed = ", ".join(f"nullif(trim({name}), '') AS {name}" for name in (*NEEDED, "event_timestamp"))
    values = ", ".join(f"{_read_value(name)} AS {name}" for name in FEATURE_NAMES)
    checked = [*FEATURE_NAMES, "status", *(["event_timestamp"] if timed else [])]
    unreadable = [
        f"WHEN cells.{name} IS NOT NULL AND parsed.{name} IS NULL THEN '{name}_unreadable'" for name in checked
    ]
    if timed:
        unreadable.append("WHEN cells.event_timestamp IS NULL THEN 'event_timestamp_missing'")
    engine.run(_PARSE.format(instant=_INSTANT, trimmed=trimmed, values=values, unreadable=" ".join(unreadable)))
    engine.run(_JUDGE.format(values=_VALUES))
    engine.run("""
        CREATE TABLE refused AS
        SELECT line, reason, to_json(raw)::VARCHAR AS row FROM vectors JOIN raw USING (line) WHERE reason IS NOT NULL
        UNION ALL
        SELECT line, verdict, to_json(raw)::VARCHAR FROM judged JOIN raw USING (line) WHERE verdict = 'vector_conflict'
        UNION ALL
        SELECT line, 'malformed_line', to_json({'text': text})::VARCHAR FROM malformed""")
    report.dropped = int(engine.run("SELECT count(*) FROM judged WHERE verdict = 'dropped'")[0][0])
    report.quarantined = dict(engine.run("SELECT reason, count(*) FROM refused GROUP BY ALL"))


def _write(connection: psycopg.Connection, engine: DuckDB, report: Report, source: str) -> None:
    columns = f"client_id, event_timestamp, {_VALUES}, status"
    kept = engine.to_csv(f"SELECT {columns} FROM judged WHERE verdict = 'keep'", engine.folder / "fresh.csv")
    accepted = int(engine.run("SELECT count(*) FROM judged WHERE verdict = 'keep'")[0][0])
    with connection.transaction():
        connection.execute(_STAGE)
        copy_in(connection, f"fresh ({columns})", kept)
        connection.execute(_KEEP_INSTANT)
        connection.execute(_NO_NEWS)
        # In the order in which a client's vector is written over HTTP, too: two orders could wait for each other.
        report.clients_changed = connection.execute(_MERGE_ONLINE).rowcount
        report.loaded = connection.execute(_MERGE_HISTORY).rowcount
        report.unchanged = accepted - report.loaded
        report.check()
        store_refused(connection, engine, source)
    connection.execute("ANALYZE feature_history, online_features")
    connection.commit()
