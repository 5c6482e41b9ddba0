"""An installation with clients, two model versions and a history of decisions; and front doors to it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

import credit_default
from decision_log import Entry, Outcome
from decisions import Log
from local_stack.decisions import RunningLog, running_log
from local_stack.postgres import Server
from prediction_service.train import main as train
from registries import write_training_rows
from running import free_port, wait_for_answer
from watched import as_trained, step

CLIENTS = 3_000
CLIENT = 7 * 287
"""One of them. Their ids are multiples of 7."""

EVENT = "2026-04-11T00:00:00Z"
OF_LAST_DAYS, DAYS = 300, 30
MATURED = 1_000
_FRONT = Path(__file__).with_name("console_front.py")
_TRAIN = ["--feature-set", str(credit_default.FILE), "--folds", "2", "--repeats", "1", "--default-parameters"]


@dataclass(frozen=True)
class Installation:
    server: Server
    database: str
    model_dir: Path
    log: RunningLog

    @contextmanager
    def front(self, **variables: str) -> Iterator[str]:
        """The address of a front door; variables change its settings."""
        port = free_port()
        with answering([sys.executable, str(_FRONT), str(port)], port, self.variables(port) | variables) as base:
            yield base

    def variables(self, port: int) -> dict[str, str]:
        """Settings of the services behind a front door at this port."""
        return {
            "FEATURE_SERVICE_DATABASE_URL": self.server.url(self.database, user="feature_service"),
            "FEATURE_SERVICE_WRITER_DATABASE_URL": self.server.url(self.database, user="feature_writer"),
            "PREDICTION_SERVICE_FEATURE_SERVICE_URL": f"http://127.0.0.1:{port}",
            "PREDICTION_SERVICE_MODEL_DIR": str(self.model_dir),
            "PREDICTION_SERVICE_DECISION_LOG_DATABASE_URL": self.log.writer_url,
            "PREDICTION_SERVICE_CREDITOR_NAME": "Example Bank",
            "PREDICTION_SERVICE_CREDITOR_ADDRESS": "1 High Street",
        }


@contextmanager
def answering(command: list[str], port: int, variables: dict[str, str]) -> Iterator[str]:
    """The address of what the command starts on the port."""
    running = subprocess.Popen(command, env=os.environ | variables, stdout=subprocess.DEVNULL)
    base = f"http://127.0.0.1:{port}"
    try:
        wait_for_answer(f"{base}/health/live", running)
        yield base
    finally:
        running.terminate()
        try:
            running.wait(15)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


@contextmanager
def installed(server: Server, folder: Path) -> Iterator[Installation]:
    """Everything but the front door, which a test starts as it needs it."""
    models = folder / "models"
    for version, seed, options in (("first", 1, []), ("second", 2, ["--no-activate"])):
        rows = write_training_rows(folder / f"{version}.csv", CLIENTS, seed)
        assert train([str(rows), "--model-dir", str(models), "--version", version, *_TRAIN, *options]) == 0
    _import(server, "features", folder / "first.csv")
    (models / "challenger").write_text("second\n")
    with ExitStack() as stack:
        log = stack.enter_context(running_log(server, folder / "log"))
        _history(Log(server, "decisions", folder / "another-key"), models)
        yield Installation(server, "features", models, log)


def _import(server: Server, database: str, rows: Path) -> None:
    """The clients that a model is trained on, as they stood at one instant."""
    empty_database(server, database)
    head, *lines = rows.read_text().splitlines()
    vectors = rows.with_name("vectors.csv")
    vectors.write_text("\n".join([f"{head},event_timestamp", *(f"{line},{EVENT}" for line in lines)]) + "\n")
    db_init(server, database, "import-features", str(vectors))


def empty_database(server: Server, database: str) -> None:
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {database}")
    db_init(server, database, "migrate")


def db_init(server: Server, database: str, *arguments: str) -> None:
    variables = os.environ | {"DB_INIT_DATABASE_URL": server.url(database)}
    subprocess.run([sys.executable, "-m", "db_init", *arguments], env=variables, check=True, stdout=subprocess.DEVNULL)


def _history(log: Log, models: Path) -> None:
    """Decisions of the last month; older ones with what became of them; all of it counted."""
    now = datetime.now(UTC)
    month: list[Entry] = []
    for day in range(DAYS):
        clients = range(6_000_000 + day * OF_LAST_DAYS, 6_000_000 + (day + 1) * OF_LAST_DAYS)
        month += as_trained(models, clients, now - timedelta(days=day, minutes=10), seed=day)
    for first in range(0, len(month), 3_000):
        log.record(*month[first : first + 3_000])
    long_ago = now - timedelta(days=400)
    matured = as_trained(models, range(7_000_000, 7_000_000 + MATURED), long_ago, seed=DAYS)
    log.record(*matured)
    outcomes = [
        Outcome(one.listed.decision_id, long_ago + timedelta(days=90), number % 6 == 0)
        for number, one in enumerate(matured)
    ]
    log.asked(lambda opened: opened.outcomes.add(outcomes))
    step(log, models, datetime.now(UTC))
