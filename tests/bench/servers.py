"""The real services on this machine, each a process of its own, on an embedded PostgreSQL with generated clients."""

import asyncio
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import orjson
import psutil
import psycopg
import uvloop
from asyncpg import connect as asyncpg_connect

from bench.wide import write_clients, write_feature_set
from local_stack.decisions import RunningLog
from local_stack.postgres import Server
from shared_schemas import Feature, FeatureSet

CLIENTS = 36_457
"""As many as the original demo's store had."""


class Running(NamedTuple):
    """`ready_seconds`: from the start of the process to its first ready answer."""

    process: psutil.Process
    port: int
    ready_seconds: float


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.HTTPError):
        return False


@contextmanager
def server(command: list[str], port: int, ready: str, log: Path, **environment: str) -> Iterator[Running]:
    """A server process until the block ends."""
    started = time.monotonic()
    with log.open("ab") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=sink, env=os.environ | environment)
    try:
        while not _answers(f"http://127.0.0.1:{port}{ready}"):
            if process.poll() is not None or time.monotonic() - started > 120:
                raise RuntimeError(f"{command} did not become ready; its log is {log}")
            time.sleep(0.01)
        yield Running(psutil.Process(process.pid), port, time.monotonic() - started)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def bare(folder: Path) -> Iterator[Running]:
    port = free_port()
    options = [
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--no-access-log",
        "--no-server-header",
        "--log-level",
        "warning",
    ]
    command = [sys.executable, "-m", "uvicorn", "bench.bare:app", "--app-dir", str(Path(__file__).parents[1]), *options]
    with server(command, port, "/", folder / "bare.log") as running:
        yield running


@contextmanager
def feature_service(folder: Path, database_url: str, **options: str) -> Iterator[Running]:
    port = free_port()
    environment = options | {"FEATURE_SERVICE_PORT": str(port), "FEATURE_SERVICE_DATABASE_URL": database_url}
    command = [sys.executable, "-m", "feature_service"]
    with server(command, port, "/health/ready", folder / "feature_service.log", **environment) as running:
        yield running


@contextmanager
def prediction_service(
    folder: Path, features_port: int, models: Path, log: RunningLog | None = None
) -> Iterator[Running]:
    """It records its decisions where a log is given."""
    port = free_port()
    recording = {"PREDICTION_SERVICE_DECISION_LOG": "off"}
    if log is not None:
        recording = {"PREDICTION_SERVICE_DECISION_LOG_DATABASE_URL": log.writer_url}
    environment = {
        "PREDICTION_SERVICE_PORT": str(port),
        "PREDICTION_SERVICE_FEATURE_SERVICE_URL": f"http://127.0.0.1:{features_port}",
        "PREDICTION_SERVICE_MODEL_DIR": str(models),
        **recording,
    }
    command = [sys.executable, "-m", "prediction_service"]
    with server(command, port, "/health/ready", folder / "prediction_service.log", **environment) as running:
        yield running


def database(postgres: Server, name: str, fill: Callable[[str], None]) -> str:
    """The owner's URL of a database that `fill(url)` has filled; kept for the next run."""
    url = postgres.url(name)
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        if connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is not None:
            return url
        connection.execute(f'DROP DATABASE IF EXISTS "{name}_unfinished"')
        connection.execute(f'CREATE DATABASE "{name}_unfinished"')
    fill(postgres.url(f"{name}_unfinished"))
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}_unfinished" RENAME TO "{name}"')
    return url


def run_module(*arguments: str, **environment: str) -> None:
    subprocess.run(
        [sys.executable, "-m", *arguments], check=True, stdout=subprocess.DEVNULL, env=os.environ | environment
    )


def sample(folder: Path, models: Path) -> Callable[[str], None]:
    """Fills a database with the sample's clients, through the commands that everybody uses, and trains on them."""

    def fill(url: str) -> None:
        loans, rows = folder / "loans.csv", folder / "rows.parquet"
        environment = {"DB_INIT_DATABASE_URL": url}
        run_module("db_init", "migrate", **environment)
        run_module("db_init", "sample", "--clients", str(CLIENTS), "--seed", "7", "--out", str(loans))
        run_module("db_init", "load", str(loans), **environment)
        run_module("db_init", "export-training", str(rows), "--rows", "last", **environment)
        run_module(
            "prediction_service.train", str(rows), "--model-dir", str(models), "--repeats", "1", OMP_NUM_THREADS="1"
        )
        loans.unlink()

    return fill


WIDE_CLIENTS = 10_000


def wide(folder: Path, models: Path) -> Callable[[str], None]:
    """Fills a database with clients of 60 features, through the commands that everybody uses, and trains on them."""

    def fill(url: str) -> None:
        features, clients, rows = folder / "wide.toml", folder / "wide.csv", folder / "wide.parquet"
        write_feature_set(features)
        write_clients(clients, WIDE_CLIENTS)
        environment = {"DB_INIT_DATABASE_URL": url}
        run_module("db_init", "migrate", **environment)
        run_module("db_init", "apply", str(features), **environment)
        run_module("db_init", "import-features", str(clients), **environment)
        run_module("db_init", "export-training", str(rows), **environment)
        run_module(
            "prediction_service.train", str(rows), "--model-dir", str(models), "--repeats", "1", OMP_NUM_THREADS="1"
        )
        clients.unlink()

    return fill


def generated(clients: int) -> Callable[[str], None]:
    """Fills a database with clients 1 to n, of the set that is applied at first."""

    def fill(url: str) -> None:
        run_module("db_init", "migrate", DB_INIT_DATABASE_URL=url)
        with psycopg.connect(url) as connection:
            [features] = connection.execute("SELECT document FROM feature_sets WHERE current").fetchone() or [{}]
            written = FeatureSet.model_validate(features).features
            random = Random(7)
            copy = "COPY online_features (client_id, event_timestamp, v) FROM STDIN"
            with connection.cursor().copy(copy) as rows:
                for client_id in range(1, clients + 1):
                    values = {feature.key: _value(feature, random) for feature in written}
                    rows.write_row([client_id, "2020-12-01Z", orjson.dumps(values).decode()])
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE online_features")

    return fill


def _value(feature: Feature, random: Random) -> Any:
    """Some value that may be of this feature."""
    if feature.completed_years_since:
        return {"since": f"{random.randint(1950, 2000)}-{random.randint(1, 12):02}-{random.randint(1, 28):02}"}
    if feature.categories:
        return random.choice(feature.categories)
    least = feature.minimum or 0
    most = 1 if feature.type == "flag" else feature.maximum or least + 1000
    return random.randint(int(least), int(most)) if feature.whole else random.uniform(least, most)


def client_ids(url: str) -> list[int]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT client_id FROM online_features ORDER BY client_id")]


def select_p50(url: str, ids: list[int], seconds: float = 2.0) -> float:
    """Milliseconds of the median single-row SELECT through asyncpg, one connection, nothing else."""
    statement = "SELECT client_id, event_timestamp, v, times FROM online_features WHERE client_id = $1"

    async def run() -> float:
        connection = await asyncpg_connect(url)
        times, until, position = [], time.perf_counter() + seconds, 0
        while (began := time.perf_counter()) < until:
            await connection.fetchrow(statement, ids[position * 7919 % len(ids)])
            times.append(time.perf_counter() - began)
            position += 1
        await connection.close()
        return sorted(times)[len(times) // 2] * 1000

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


def resident_megabytes(running: Running) -> float:
    processes = [running.process, *running.process.children(recursive=True)]
    return float(sum(process.memory_info().rss for process in processes)) / 1e6
