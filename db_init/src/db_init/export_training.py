"""Exports training rows: each vector as it was known at its loan, with the outcome of that loan."""

from dataclasses import dataclass
from pathlib import Path

import psycopg

from db_init.database import copy_out
from db_init.duckdb_engine import open_duckdb
from db_init.folds import add_folds
from db_init.output import written_whole

_COLUMNS = {
    "client_id": "BIGINT", "loan_id": "BIGINT", "event_timestamp": "TIMESTAMPTZ", "nb_previous_loans": "INTEGER",
    "avg_amount_loans_previous": "DOUBLE", "age": "INTEGER", "years_on_the_job": "INTEGER", "flag_own_car": "SMALLINT",
    "status": "SMALLINT",
}  # fmt: skip
_OF_A_PERSON = {"birthday": "DATE", "job_start_date": "DATE"}


@dataclass(frozen=True)
class Folds:
    count: int
    seed: int


def export_training(
    connection: psycopg.Connection, out: Path, *, last_only: bool, folds: Folds | None, memory: str
) -> int:
    """Rows that have an outcome, as Parquet; `last_only`: of each client the last one. The number of rows."""
    columns = _COLUMNS | _OF_A_PERSON
    ranked = f"SELECT {', '.join(columns)} FROM feature_history WHERE status IS NOT NULL"
    if last_only:
        ranked = ranked.replace("SELECT", "SELECT DISTINCT ON (client_id)", 1)
        ranked += " ORDER BY client_id, event_timestamp DESC, loan_id DESC NULLS LAST"
    else:
        ranked += " ORDER BY client_id, event_timestamp, loan_id"
    with written_whole(out) as fresh, open_duckdb(memory) as engine:
        rows = engine.folder / "rows.csv"
        copy_out(connection, ranked, rows)
        engine.from_csv("rows", rows, columns)
        table = add_folds(engine, folds.count, folds.seed) if folds else "rows"
        engine.run(f"CREATE VIEW exported AS SELECT * EXCLUDE ({', '.join(_OF_A_PERSON)}) FROM {table}")
        engine.to_parquet("exported", fresh)
        return engine.count("rows")
