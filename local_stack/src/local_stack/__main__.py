"""The command line of the local stack: `python -m local_stack`, or `make run`."""

import argparse
import contextlib
import fcntl
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

# The imports take seconds: an interruption during them ends the process without a traceback.
if __name__ == "__main__" and (on_interrupt := signal.getsignal(signal.SIGINT)) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import psycopg
from pydantic import ValidationError

from local_stack.datasets import Dataset, Loader
from local_stack.decisions import RunningLog, running_log, running_monitor
from local_stack.errors import StackError
from local_stack.postgres import Server, running_postgres
from local_stack.serving import HOST, Services, listen, read_services, serve
from local_stack.settings import Settings
from service_kit.access.keys import KeysRefused
from service_kit.telemetry.logs import configure_logs
from service_kit.telemetry.tracing import configure_tracing

_LEAST_FREE_BYTES = 1_000_000_000


def say(line: str) -> None:
    print(line, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="local_stack", description="Both services and a PostgreSQL on this machine.")
    for name, field in Settings.model_fields.items():
        option = "--" + name.replace("_", "-")
        help_text = f"{field.description} Also the variable {name.upper()}. Default: {field.default}."
        parser.add_argument(option, help=help_text, default=argparse.SUPPRESS)
    return parser.parse_args()


@contextlib.contextmanager
def _sole_user(data_dir: Path) -> Iterator[None]:
    """Hold the lock of the data folder. The operating system releases it however this process ends."""
    with (data_dir / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StackError(
                f"Another local stack uses {data_dir}. Stop it (Ctrl-C in its terminal), or choose another folder: "
                "DATA_DIR=.other FRONT_PORT=8100 make run"
            ) from error
        yield


def _data_dir(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(path).free
    except OSError as error:
        raise StackError(
            f"The data folder {path} cannot be used: {error.strerror}. Choose one with DATA_DIR=..."
        ) from error
    if free < _LEAST_FREE_BYTES:
        raise StackError(
            f"The disk of {path} has {free / 1e6:,.0f} MB free; the stack needs {_LEAST_FREE_BYTES / 1e6:,.0f} MB. "
            "Make room, or choose a folder on another disk with DATA_DIR=..."
        )
    return path.resolve()


def _example_client(server: Server, dataset: Dataset) -> int | None:
    with psycopg.connect(server.url(dataset.name)) as connection:
        row = connection.execute("SELECT client_id FROM online_features ORDER BY client_id LIMIT 1").fetchone()
    return int(row[0]) if row else None


def _who_may_ask(services: Services) -> str:
    if any(settings.api_keys or settings.api_keys_file for settings in services):
        return "API keys are configured: send one as X-API-Key."
    return "No API key is configured: only this machine can send requests."


def _announce(base: str, services: Services, client_id: int | None, dataset: Dataset, log: RunningLog | None) -> None:
    say(f"\nready: {dataset.name} data")
    if log is None:
        say("decisions are not recorded: PREDICTION_SERVICE_DECISION_LOG is off\n")
    else:
        say(f"decisions are recorded; verifier key of their log: {log.verifier_key}\n")
    say(f"Ctrl-C stops everything. {_who_may_ask(services)}\n")
    if client_id is None:
        say("  there are no clients yet: load some with make run DATA=loans.csv")
    else:
        say(f"  curl {base}/online_feature_store/client_id={client_id}")
        say(f"  curl {base}/credit_risk/client_id={client_id}")
    say(f"  {base}/docs in a browser: the HTTP API")
    say(f"\nthe console: {base}/console/" + ("" if client_id is None else f"#/clients/{client_id}"))


@contextlib.contextmanager
def _decision_log(server: Server, services: Services, dataset: Dataset, data_dir: Path) -> Iterator[RunningLog | None]:
    if not services.predictions.decision_log:
        yield None
        return
    with running_log(server, data_dir) as log, running_monitor(log, dataset.model_dir, data_dir):
        yield log


def _serve(server: Server, services: Services, dataset: Dataset, listener: socket.socket, data_dir: Path) -> None:
    client_id = _example_client(server, dataset)
    file = data_dir / "stack.log"
    say(f"logging to {file}")
    with _decision_log(server, services, dataset, data_dir) as log, file.open("a") as sink:
        limits = services.limits()
        configure_logs(limits.log_level, sink=sink)
        configure_tracing("local_stack")
        base = f"http://{HOST}:{listener.getsockname()[1]}"
        services = services.of_stack(server, dataset, log)
        serve(services, listener, lambda: _announce(base, services, client_id, dataset, log))


def _run(settings: Settings) -> None:
    services = read_services()
    data_dir = _data_dir(settings.data_dir)
    settings = settings.model_copy(update={"data_dir": data_dir})
    with _sole_user(data_dir), contextlib.closing(listen(settings.front_port)) as listener:
        say(f"starting PostgreSQL in {data_dir}")
        with running_postgres(data_dir) as server:
            dataset = Loader(server, settings, say).prepare()
            _serve(server, services, dataset, listener, data_dir)
    say("stopped")


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    try:
        _run(Settings(**vars(_arguments())))
    except ValidationError as error:
        for found in error.errors():
            say(f"{str(found['loc'][0]).upper()}: {found['msg']}")
        return 2
    except (StackError, KeysRefused) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        say("stopped")
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, on_interrupt)
    sys.exit(main())
