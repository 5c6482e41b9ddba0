"""A whole portfolio: decided without and with recording, audited, and beside it DuckDB reading the same rows."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import duckdb
import psycopg

from bench import servers
from local_stack.decisions import running_log
from local_stack.postgres import Server


class Run(NamedTuple):
    """`peak`: megabytes of the command at its largest."""

    seconds: float
    peak: float


def _timed(*arguments: str, **environment: str) -> Run:
    started = time.perf_counter()
    command = [sys.executable, "-m", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ | environment)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{arguments} ended with status {status}")
    return Run(time.perf_counter() - started, usage.ru_maxrss / 1000)


def _read_by_duckdb(url: str, folder: Path) -> Run:
    """The same rows from a CSV file: all their values, in one aggregate."""
    file = folder / "features.csv"
    copy = "COPY (SELECT client_id, event_timestamp, v FROM online_features ORDER BY client_id) TO STDOUT (FORMAT csv, HEADER)"
    with psycopg.connect(url) as connection, connection.cursor().copy(copy) as rows, file.open("wb") as out:
        for chunk in rows:
            out.write(chunk)
    started = time.perf_counter()
    with duckdb.connect(config={"threads": 2}) as reader:
        reader.execute("SELECT bit_xor(hash(client_id, event_timestamp, v)) FROM read_csv(?)", [str(file)]).fetchone()
    seconds = time.perf_counter() - started
    file.unlink()
    return Run(seconds, float("nan"))


def _sequenced(url: str) -> float:
    """Seconds until the queue is empty."""
    started = time.perf_counter()
    with psycopg.connect(url, autocommit=True) as connection:
        while connection.execute("SELECT FROM queue LIMIT 1").fetchone():
            time.sleep(0.2)
    return time.perf_counter() - started


def measure(postgres: Server, folder: Path, clients: int) -> None:
    """Prints one row for each command. The log keeps what it has; the audit is of all of it."""
    models, out = folder / "models", folder / "decisions.parquet"
    servers.database(postgres, "sample", servers.sample(folder, models))
    url = servers.database(postgres, f"clients_{clients}", servers.generated(clients))
    reader = postgres.url(f"clients_{clients}", user="feature_service")
    print("| what | seconds | peak memory of the command |\n|---|---|---|")
    print(f"| DuckDB reads the {clients:,} rows from CSV | {_read_by_duckdb(url, folder).seconds:.1f} | |", flush=True)
    with servers.feature_service(folder, reader) as features, running_log(postgres, folder) as log:
        environment = {
            "PREDICTION_SERVICE_FEATURE_SERVICE_URL": f"http://127.0.0.1:{features.port}",
            "PREDICTION_SERVICE_MODEL_DIR": str(models),
            "PREDICTION_SERVICE_DECISION_LOG_DATABASE_URL": log.writer_url,
            "DATA_DIR": str(folder),
        }
        for option in ((), ("--record",)):
            run = _timed("prediction_service", "score-all", "--out", str(out), *option, **environment)
            print(f"| score-all {' '.join(option)} | {run.seconds:.1f} | {run.peak:,.0f} MB |", flush=True)
            out.unlink()
        print(f"| until what was recorded is in the tree | {_sequenced(postgres.url('decisions')):.1f} | |")
        with psycopg.connect(postgres.url("decisions")) as connection:
            [records] = connection.execute("SELECT count(*) FROM records").fetchone() or (0,)
        run = _timed("decision_log", "audit", **environment)
        print(f"| audit of {records:,} records | {run.seconds:.1f} | {run.peak:,.0f} MB |")
