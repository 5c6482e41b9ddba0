"""`make demo-drift`: two simulated years of decisions and outcomes on the stack, with a drift after one year.

The stack has its own folder and clock. Decisions are made at noon of each simulated day. Their outcomes are observed 80
days later, and count after a horizon of 90 days. The clients are those of the sample.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import rmtree
from typing import Any

# The imports take seconds: an interruption during them ends the process without a traceback.
if __name__ == "__main__" and (on_interrupt := signal.getsignal(signal.SIGINT)) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import httpx
import psycopg

from decision_log.settings import STACK_FILE
from local_stack.errors import StackError
from local_stack.settings import Settings

ORIGIN = "demo/drift"
DAYS, PLANTED = 730, 365
A_DAY = 100
HORIZON_DAYS, OBSERVED_AFTER = 90, 80
ADOPTED = 90
"""The day on which current clients become the reference: they are older than at their loans in the training data."""
YOUNG, AS_OFTEN, WORSE = 35, 2.0, 2.0
"""From day PLANTED on, clients younger than YOUNG apply AS_OFTEN times as often.

From then on, WORSE times as many of all applicants default as the model expects.
"""
_LOOK_DAYS = 7
_OUTCOMES_DAYS = 28
_READY_SECONDS = 600.0
_TRIES = 30


def say(line: str) -> None:
    print(line, flush=True)


@dataclass
class Applicants:
    """The applicants of a day, and whether they default."""

    clients: Sequence[dict[str, Any]]
    draw: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311 -- a simulation

    def of(self, day: int) -> list[int]:
        often = AS_OFTEN if day >= PLANTED else 1.0
        weights = [often if (client["age"] or 99) < YOUNG else 1.0 for client in self.clients]
        return [client["client_id"] for client in self.draw.choices(self.clients, weights, k=A_DAY)]

    def defaults(self, probability: float, day: int) -> bool:
        return self.draw.random() < probability * (WORSE if day >= PLANTED else 1.0)


class Clock:
    """The clock of the simulation: a file from which the services read the time."""

    def __init__(self, file: Path, start: datetime) -> None:
        self._file, self._start = file, start
        self.now = start
        self.set(0)

    def set(self, day: int) -> None:
        self.now = self._start + timedelta(days=day)
        fresh = self._file.with_suffix(".new")
        fresh.write_text(self.now.isoformat())
        fresh.replace(self._file)


@contextmanager
def _stack(folder: Path, clock: Path, port: int) -> Iterator[str]:
    """Run a separate stack in the block, and yield its base URL."""
    variables = {
        "DATA_DIR": str(folder),
        "FRONT_PORT": str(port),
        "DECISION_LOG_ORIGIN": ORIGIN,
        "PREDICTION_SERVICE_DECISION_LOG_ORIGIN": ORIGIN,
        "PREDICTION_SERVICE_DEMO_CLOCK": str(clock),
        "PREDICTION_SERVICE_OUTCOME_HORIZON_DAYS": str(HORIZON_DAYS),
        "PREDICTION_SERVICE_MONITOR_SECONDS": "0.2",
        "PREDICTION_SERVICE_MONITOR_OUTCOMES_SECONDS": str(_OUTCOMES_DAYS * 86_400),
    }
    process = subprocess.Popen([sys.executable, "-m", "local_stack"], env=os.environ | variables)
    try:
        base = f"http://127.0.0.1:{port}"
        _await_ready(process, base)
        yield base
    finally:
        process.terminate()
        process.wait()


def _await_ready(process: subprocess.Popen[bytes], base: str) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise StackError("The stack of the demonstration did not start.")
        with suppress(httpx.TransportError):
            if httpx.get(f"{base}/credit_risk/client_id=0/x").status_code and httpx.get(f"{base}/models").is_success:
                return
        time.sleep(0.3)
    raise StackError("The stack of the demonstration is not ready.")


class Play:
    """Simulates days on a stack."""

    def __init__(self, client: httpx.Client, clock: Clock, log: str) -> None:
        self._client, self._clock, self._log = client, clock, log
        self._applicants = Applicants(list(self._pages()))
        self._due: deque[tuple[int, str, bool]] = deque()

    @property
    def now(self) -> datetime:
        return self._clock.now

    def _pages(self) -> Iterator[dict[str, Any]]:
        after: int | None = 0
        while after is not None:
            page = self._asked("GET", "/online_feature_store", params={"after": after, "limit": 1_000})
            yield from page["features"]
            after = page["next_after"]

    def _asked(self, method: str, path: str, **more: Any) -> Any:
        """The body of the answer. Retries 503 and 504, which a busy machine may cause."""
        for _ in range(_TRIES):
            answer = self._client.request(method, path, **more)
            if answer.status_code not in (503, 504):
                break
            time.sleep(1)
        answer.raise_for_status()
        return answer.json()

    def day(self, day: int) -> None:
        self._clock.set(day)
        made = self._asked("POST", "/credit_risk/batch", json={"client_ids": self._applicants.of(day)})
        for one in made["predictions"]:
            self._due.append((day, one["decision_id"], self._applicants.defaults(one["probability"], day)))
        observed = []
        while self._due and self._due[0][0] + OBSERVED_AFTER <= day:
            _, decision_id, defaulted = self._due.popleft()
            observed.append(
                {"decision_id": decision_id, "observed_at": self._clock.now.isoformat(), "defaulted": defaulted}
            )
        if observed:
            taken = self._asked("POST", "/outcomes", json={"outcomes": observed})
            if taken["accepted"] != len(observed):
                raise StackError(f"Of {len(observed)} outcomes {taken['accepted']} were accepted.")

    def looked_at(self) -> None:
        """Wait until the monitor has counted all decisions so far."""
        seen = "SELECT folded_at >= %(now)s FROM monitoring_progress"
        with psycopg.connect(self._log, autocommit=True) as connection:
            deadline = time.monotonic() + 120
            while connection.execute(seen, {"now": self._clock.now}).fetchone() != (True,):
                if time.monotonic() > deadline:
                    raise StackError("The monitor is more than two minutes behind.")
                time.sleep(0.05)

    def dossier(self, folder: Path, name: str) -> dict[str, Any]:
        version = self._asked("GET", "/models")["models"][0]["version"]
        made: dict[str, Any] = self._asked("GET", f"/models/{version}/dossier")
        (folder / f"{name}.json").write_text(json.dumps(made, indent=2))
        page = self._client.get(f"/models/{version}/dossier", headers={"Accept": "text/html"})
        (folder / f"{name}.html").write_bytes(page.content)
        return made

    def adopt(self) -> int:
        """Make the windows of the open alarms the new reference. Return the number of alarms."""
        found = [one for one in self.alarms() if one["state"] == "open"]
        for one in found:
            path = f"/monitoring/alarms/{one['id']}/acknowledge"
            self._client.post(path, json={"action": "adopt_reference"}).raise_for_status()
        return len(found)

    def alarms(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._asked("GET", "/monitoring/alarms")["alarms"]
        return sorted(found, key=lambda one: one["opened_at"])


def _told(alarms: Sequence[dict[str, Any]], planted: datetime) -> None:
    say(f"\ndrift from {planted:%Y-%m-%d} on: clients younger than {YOUNG} apply {AS_OFTEN:g} times as often, and "
        f"{WORSE:g} times as many applicants default as the model expects")  # fmt: skip
    for one in alarms:
        opened = datetime.fromisoformat(one["opened_at"])
        days = (opened - planted).days
        when = (
            f"{days} days after the change"
            if days >= 0
            else "before the change; since then the current clients are the reference"
        )
        size = "" if one["size"] is None else f", size {one['size']:.3f} ({one['severity']})"
        say(
            f"  {opened:%Y-%m-%d}  {one['stream']}: log E {one['log_e']:.1f} of {one['log_threshold']:.1f}{size}; {when}"
        )
    if not alarms:
        say("  no alarm")


def _play(play: Play, folder: Path, planted: datetime) -> None:
    began = time.monotonic()
    for day in range(DAYS):
        if day == PLANTED:
            play.looked_at()
            play.dossier(folder, "dossier-before")
            say(f"\none year: {len(play.alarms())} alarms, after {time.monotonic() - began:.0f} s")
        play.day(day)
        if day == ADOPTED:
            play.looked_at()
            say(f"day {day}: {play.adopt()} alarms acknowledged; their windows are the reference from now on")
        if day % 73 == 72:
            say(f"day {day + 1} of {DAYS}, {play.now:%Y-%m-%d}, after {time.monotonic() - began:.0f} s")
        if day % _LOOK_DAYS == _LOOK_DAYS - 1:
            play.looked_at()
    play.looked_at()
    play.dossier(folder, "dossier-after")
    say(f"two years, {DAYS * A_DAY:,} decisions, in {time.monotonic() - began:.0f} s; waited for the monitor every "
        f"{_LOOK_DAYS} days; outcomes count after {HORIZON_DAYS} days, and are evaluated every {_OUTCOMES_DAYS}")  # fmt: skip
    _told(play.alarms(), planted)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m local_stack.demo_drift",
        description="Two simulated years of decisions, with a drift after one year, on a stack in DATA_DIR/demo.",
    )
    parser.add_argument("--end", action="store_true", help="stop at the end, instead of serving until Ctrl-C")
    return parser.parse_args()


def main() -> int:
    arguments = _arguments()
    settings = Settings()
    folder = settings.data_dir.resolve() / "demo"
    rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    start = (datetime.now(UTC) - timedelta(days=DAYS)).replace(hour=12, minute=0, second=0, microsecond=0)
    clock_file = folder / "clock"
    clock = Clock(clock_file, start)
    try:
        with (
            _stack(folder, clock_file, settings.front_port) as base,
            httpx.Client(base_url=base, timeout=30) as client,
        ):
            log = json.loads((folder / STACK_FILE).read_text())["database_url"]
            _play(Play(client, clock, log), folder, start + timedelta(days=PLANTED))
            say(f"\nlook at {base}/monitoring/alarms, {base}/monitoring/performance?by=month, {base}/console/;")
            say(f"and at dossier-before.html and dossier-after.html in {folder}. Ctrl-C stops everything.")
            if not arguments.end:
                while True:
                    time.sleep(3_600)
    except KeyboardInterrupt:
        say("stopped")
    except (StackError, httpx.HTTPError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, on_interrupt)
    sys.exit(main())
