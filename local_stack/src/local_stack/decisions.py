"""The decision log of the stack: database, key, sequencer and monitor. The latter two are restarted if they end."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from decision_log.settings import STACK_FILE
from local_stack.errors import StackError
from local_stack.postgres import Server

_DATABASE = "decisions"
_MONITOR = [sys.executable, "-m", "prediction_service", "monitor"]
_PAUSE_SECONDS = 1.0
_END_SECONDS = 5.0


@dataclass(frozen=True)
class RunningLog:
    """The URLs of a running log by role, its origin, and the key to verify its proofs."""

    writer_url: str
    eraser_url: str
    monitor_url: str
    origin: str
    verifier_key: str


@contextmanager
def running_log(server: Server, data_dir: Path) -> Iterator[RunningLog]:
    """The log in its own database. Its sequencer runs until the block ends."""
    folder = data_dir / "decision_log"
    origin = os.environ.get("DECISION_LOG_ORIGIN") or "localhost/decisions"
    variables = {
        "DECISION_LOG_DATABASE_URL": server.url(_DATABASE),
        "DECISION_LOG_DIR": str(folder),
        "DECISION_LOG_ORIGIN": origin,
    }
    _create(server)
    _run(variables, "migrate")
    if not (folder / "key").exists():
        _run(variables, "new-key")
    _tell_commands(data_dir, variables)
    sequencer = variables | {"DECISION_LOG_DATABASE_URL": server.url(_DATABASE, "decision_sequencer")}
    with _kept(_Kept("sequencer", _command("sequence"), sequencer), folder):
        roles = ("decision_writer", "decision_eraser", "decision_monitor")
        writer, eraser, monitor = (server.url(_DATABASE, role) for role in roles)
        yield RunningLog(writer, eraser, monitor, origin, _run(variables, "key"))


@contextmanager
def running_monitor(log: RunningLog, model_dir: Path, data_dir: Path) -> Iterator[None]:
    """Run the monitor of the champion until the block ends."""
    variables = {
        "PREDICTION_SERVICE_MONITOR_DATABASE_URL": log.monitor_url,
        "PREDICTION_SERVICE_MODEL_DIR": str(model_dir),
        "PREDICTION_SERVICE_DECISION_LOG_ORIGIN": log.origin,
    }
    with _kept(_Kept("monitor", _MONITOR, variables), data_dir / "monitor"):
        yield


def _create(server: Server) -> None:
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        if connection.execute("SELECT FROM pg_database WHERE datname = %s", [_DATABASE]).fetchone() is None:
            connection.execute(f"CREATE DATABASE {_DATABASE}")


def _tell_commands(data_dir: Path, variables: dict[str, str]) -> None:
    """Write the file by which `python -m decision_log` finds this stack. Only its owner may read it.

    It holds the superuser's URL.
    """
    file = data_dir / STACK_FILE
    fresh = file.with_suffix(".new")
    told = {"database_url": variables["DECISION_LOG_DATABASE_URL"], "dir": variables["DECISION_LOG_DIR"]}
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(told | {"origin": variables["DECISION_LOG_ORIGIN"]}))
    fresh.replace(file)


def _command(name: str) -> list[str]:
    return [sys.executable, "-m", "decision_log", name]


def _run(variables: dict[str, str], name: str) -> str:
    done = subprocess.run(  # noqa: S603 -- our own module
        _command(name),
        env=os.environ | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no message"]
        raise StackError(f"`decision_log {name}` failed: {reason[0]}")
    return done.stdout.strip()


@dataclass(frozen=True)
class _Kept:
    """A process to keep running."""

    name: str
    command: list[str]
    variables: dict[str, str]


@contextmanager
def _kept(kept: _Kept, folder: Path) -> Iterator[None]:
    """Keep a process running in the block, restarting it if it ends. First end one that a killed run left behind."""
    folder.mkdir(parents=True, exist_ok=True)
    _end_leftover(folder / "pid", kept)
    stop = threading.Event()
    keeper = _Keeper(kept, folder, stop)
    keeper.start()
    try:
        yield
    finally:
        stop.set()
        keeper.end()
        keeper.join()


class _Keeper(threading.Thread):
    def __init__(self, kept: _Kept, folder: Path, stop: threading.Event) -> None:
        super().__init__(name=kept.name, daemon=True)
        self._kept = kept
        self._folder = folder
        self._stopping = stop
        self._process = self._start_one()

    def _start_one(self) -> subprocess.Popen[bytes]:
        kept = self._kept
        with (self._folder / f"{kept.name}.log").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 -- our own module
                kept.command, env=os.environ | kept.variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        (self._folder / "pid").write_text(str(process.pid))
        return process

    def run(self) -> None:
        while True:
            self._process.wait()
            if self._stopping.wait(_PAUSE_SECONDS):
                return
            self._process = self._start_one()

    def end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()


def _end_leftover(file: Path, kept: _Kept) -> None:
    try:
        process = psutil.Process(int(file.read_text()))
        if process.cmdline()[1:] == kept.command[1:]:
            process.terminate()
            process.wait(_END_SECONDS)
    except (OSError, ValueError, psutil.Error):
        return
