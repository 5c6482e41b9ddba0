"""How long a load takes beside a plain COPY of the rows that it leaves behind, and how that grows."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import psycopg

from bench import servers
from local_stack.postgres import Server


class Loaded(NamedTuple):
    """`peak`: megabytes of the loading process at its largest."""

    rows: int
    seconds: float
    peak: float
    copy_seconds: float


def _timed_load(url: str, loans: Path) -> tuple[float, float]:
    started = time.perf_counter()
    command = [sys.executable, "-m", "db_init", "load", str(loans)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ | {"DB_INIT_DATABASE_URL": url})
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"the load ended with status {status}")
    return time.perf_counter() - started, usage.ru_maxrss / 1000


def _timed_copy(url: str, folder: Path) -> float:
    """Seconds of a COPY of the history, in its own order, into an empty table with the same indexes."""
    rows = folder / "history.csv"
    with psycopg.connect(url) as connection:
        with connection.cursor().copy("COPY feature_history TO STDOUT (FORMAT csv)") as out, rows.open("wb") as file:
            for chunk in out:
                file.write(chunk)
        connection.execute("CREATE TABLE plain (LIKE feature_history INCLUDING ALL)")
        connection.commit()
        started = time.perf_counter()
        with connection.cursor().copy("COPY plain FROM STDIN (FORMAT csv)") as into, rows.open("rb") as file:
            while chunk := file.read(1 << 20):
                into.write(chunk)
        connection.commit()
        return time.perf_counter() - started


def measure_load(postgres: Server, clients: int) -> Loaded:
    name = f"load_{clients}"
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}"')
        connection.execute(f'CREATE DATABASE "{name}"')
    url = postgres.url(name)
    with tempfile.TemporaryDirectory() as folder:
        loans = Path(folder, "loans.csv")
        servers.run_module("db_init", "migrate", DB_INIT_DATABASE_URL=url)
        servers.run_module("db_init", "sample", "--clients", str(clients), "--seed", "7", "--out", str(loans))
        with loans.open("rb") as file:
            rows = sum(1 for _ in file) - 1
        seconds, peak = _timed_load(url, loans)
        copy_seconds = _timed_copy(url, Path(folder))
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}"')
    return Loaded(rows, seconds, peak, copy_seconds)
