"""Under load one process after the other is killed: what was answered is in the log, once, and the log extends itself.

So it is with one service and one sequencer, and with two of each on one log.
"""

import asyncio
import base64
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil
import pytest

from both_services import FakeStore
from credit_default import ROW
from deciding import served_features
from decisions import Log
from running import free_port

KILLS = 10
CALLERS = 8

pytestmark = pytest.mark.timeout(1_200, func_only=True)


class Process:
    """A process of ours that is started again when it has died."""

    def __init__(self, module: str, *arguments: str, **environment: str) -> None:
        self._command = [sys.executable, "-m", module, *arguments]
        self._environment = os.environ | environment
        self.process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command, env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process = self._started()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def running(*arguments: str, **environment: str) -> Iterator[Process]:
    process = Process(*arguments, **environment)
    try:
        yield process
    finally:
        process.end()


class Load:
    """Callers that ask one after the other; keeps every answer that came whole.

    `unknown`: no answer, or 504. The decision may be recorded or not. `refused`: 503, after which it may be, too.
    What no process took is not counted.
    """

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        self.unknown = self.refused = 0

    @property
    def asked(self) -> int:
        return len(self.answers) + self.unknown + self.refused

    async def caller(self, base: str) -> None:
        async with httpx.AsyncClient(base_url=base, timeout=5) as client:
            while True:
                try:
                    answer = await client.get("/credit_risk/client_id=5")
                except httpx.ConnectError:
                    await asyncio.sleep(0.2)  # it is being started, and eight that knock take much of the core
                    continue
                except httpx.TransportError:
                    self.unknown += 1
                    await asyncio.sleep(0.05)
                    continue
                if answer.status_code == 200:
                    said = answer.json()
                    assert said["decision_id"] not in self.answers
                    self.answers[said["decision_id"]] = said["commitment"]
                    continue
                assert answer.status_code in (503, 504), answer.text
                self.unknown += answer.status_code == 504
                self.refused += answer.status_code == 503
                await asyncio.sleep(0.05)

    async def more(self, count: int) -> None:
        """Wait for so many more answers."""
        wanted = len(self.answers) + count
        async with asyncio.timeout(240):
            while len(self.answers) < wanted:  # noqa: ASYNC110 -- the callers know nothing of who waits
                await asyncio.sleep(0.02)


async def killed_under_load(log: Log, registry: Path, which: str, of_each: int) -> Load:
    sequencer = {"DECISION_LOG_DATABASE_URL": log.url("decision_sequencer"), "DECISION_LOG_DIR": str(log.folder.path)}
    ports = [free_port() for _ in range(of_each)]
    async with served_features(FakeStore([ROW])) as address:
        prediction = {
            "PREDICTION_SERVICE_FEATURE_SERVICE_URL": address,
            "PREDICTION_SERVICE_MODEL_DIR": str(registry),
            "PREDICTION_SERVICE_DECISION_LOG_DATABASE_URL": log.url("decision_writer"),
        }
        with ExitStack() as stack:
            sequencing = [
                stack.enter_context(
                    running("decision_log", "sequence", **sequencer, DECISION_LOG_INTERVAL_SECONDS="0.2")
                )
                for _ in range(of_each)
            ]
            deciding = [
                stack.enter_context(running("prediction_service", **prediction, PREDICTION_SERVICE_PORT=str(port)))
                for port in ports
            ]
            kill = Kill(log, deciding, sequencing)
            load = await _loaded(ports, lambda number: kill.now(which, number))
            await asyncio.to_thread(until_published, log)
    return load


async def _loaded(ports: Sequence[int], kill: Callable[[int], None]) -> Load:
    load = Load()
    bases = [f"http://127.0.0.1:{ports[number % len(ports)]}" for number in range(CALLERS)]
    callers = [asyncio.create_task(load.caller(base)) for base in bases]
    try:
        for number in range(KILLS):
            await load.more(50)
            await asyncio.to_thread(kill, number)
        await load.more(50)
    finally:
        for caller in callers:
            caller.cancel()
        found = await asyncio.gather(*callers, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError) for each in found), found
    return load


class Kill(NamedTuple):
    log: Log
    deciding: Sequence[Process]
    sequencing: Sequence[Process]

    def now(self, which: str, number: int) -> None:
        """The `number`-th time; of two, each in its turn."""
        if which in ("the prediction service", "everything"):
            self.deciding[number % len(self.deciding)].kill()
        if which in ("the sequencer", "everything"):
            self.sequencing[number % len(self.sequencing)].kill()
        if which in ("the database", "everything"):
            crash_database(self.log)


def crash_database(log: Log) -> None:
    """kill -9 of the writer process: the server ends all the others and recovers from its log, as after a crash."""
    [(backend,)] = log.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'")
    psutil.Process(int(str(backend))).kill()
    time.sleep(0.3)


_UNPUBLISHED = """
    SELECT (SELECT count(*) FROM queue) + (SELECT count(*) FROM leaves) - (SELECT coalesce(max(size), 0) FROM checkpoints)
"""


def until_published(log: Log) -> None:
    """Wait until a checkpoint covers all that was recorded: a sequencer that was killed may have to be restarted first."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with suppress(Exception):  # the database may still recover
            if log.execute(_UNPUBLISHED) == [(0,)]:
                return
        time.sleep(0.1)
    raise AssertionError("no checkpoint covers all entries")


@pytest.mark.parametrize(
    ("which", "of_each"),
    [
        ("the prediction service", 1),
        ("the sequencer", 1),
        ("the database", 1),
        ("the prediction service", 2),
        ("the sequencer", 2),
        ("everything", 2),
    ],
)
def test_what_was_answered_is_in_the_log_once(log: Log, model_dir: Path, which: str, of_each: int) -> None:
    load = asyncio.run(killed_under_load(log, model_dir, which, of_each))
    stored = _rows(log, "SELECT decision_id, commitment FROM records")
    entries = [bytes(row[0]) for row in _rows(log, "SELECT commitment FROM leaves ORDER BY index")]
    kept = {str(row[0]): bytes(row[1]) for row in stored}
    missing = [one for one, said in load.answers.items() if kept.get(one) != base64.b64decode(said)]
    assert missing == []
    assert len(set(entries)) == len(entries) == len(stored)
    assert set(entries) == set(kept.values())
    # Each question makes one decision at most. Those that were given up when the test ended were not counted.
    assert len(stored) <= load.asked + CALLERS
    report = log.audit()
    assert report.wrong == []
    assert report.covered == len(stored)
    print(
        f"{of_each} of each, {which}: {len(load.answers)} answers, {load.refused} refused, {load.unknown} unknown, "
        f"{len(stored)} records"
    )


def _rows(log: Log, sql: str) -> list[Any]:
    return list(log.execute(sql))
