"""Runs everything on this machine: `python -m local_stack`, or `make run`."""

import argparse
import asyncio
import contextlib
import fcntl
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import uvicorn
from pydantic import AnyHttpUrl, SecretStr, ValidationError

from feature_service.app import create_app as create_feature_app
from feature_service.settings import Settings as FeatureSettings
from local_stack.datasets import Dataset, Loader
from local_stack.errors import StackError
from local_stack.front import FrontDoor
from local_stack.postgres import Server, running_postgres
from local_stack.settings import Settings
from prediction_service.app import create_app as create_prediction_app
from prediction_service.settings import Settings as PredictionSettings
from service_kit.api_keys import KeysRefused
from service_kit.logs import configure_logs
from service_kit.service import server_options
from service_kit.settings import ServiceSettings

HOST = "127.0.0.1"
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
    """Hold the data folder's lock, which the system frees however this process ends."""
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
            f"The disk of {path} has {free / 1e6:,.0f} MB free; the stack wants {_LEAST_FREE_BYTES / 1e6:,.0f} MB. "
            "Make room, or choose a folder on another disk with DATA_DIR=..."
        )
    return path.resolve()


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise StackError(
            f"Port {port} cannot be had ({error.strerror}). Choose another: FRONT_PORT=8100 make run"
        ) from error
    return listener


def _example_client(server: Server, dataset: Dataset) -> int | None:
    with psycopg.connect(server.url(dataset.name)) as connection:
        row = connection.execute("SELECT client_id FROM online_features ORDER BY client_id LIMIT 1").fetchone()
    return int(row[0]) if row else None


def _front_door(server: Server, dataset: Dataset, port: int) -> FrontDoor:
    reader, writer = (SecretStr(server.url(dataset.name, user=role)) for role in ("feature_service", "feature_writer"))
    features = create_feature_app(FeatureSettings(database_url=reader, writer_database_url=writer))
    own_address = AnyHttpUrl(f"http://{HOST}:{port}")
    predictions = create_prediction_app(
        PredictionSettings(feature_service_url=own_address, model_dir=dataset.model_dir)
    )
    return FrontDoor(features, predictions)


def _who_may_ask() -> str:
    if any(settings.api_keys or settings.api_keys_file for settings in (FeatureSettings(), PredictionSettings())):
        return "API keys are configured: send one as X-API-Key."
    return "No API key is configured: only this machine can ask."


def _announce(port: int, client_id: int | None, dataset: Dataset, log: Path) -> None:
    base = f"http://{HOST}:{port}"
    say(f"\nready: {dataset.name} data, log in {log}\n")
    if client_id is None:
        say("  there are no clients yet: load some with make run DATA=loans.csv")
    else:
        say(f"  curl {base}/online_feature_store/client_id={client_id}")
        say(f"  curl {base}/credit_risk/client_id={client_id}")
    say(f"  {base}/docs in a browser\n\nCtrl-C stops everything. {_who_may_ask()}")


class _AnnouncingServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, announcement: Any) -> None:
        super().__init__(config)
        self._announcement = announcement

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._announcement()


def _serve(server: Server, dataset: Dataset, listener: socket.socket, log: Path) -> None:
    port = listener.getsockname()[1]
    client_id = _example_client(server, dataset)
    with log.open("a") as sink:
        configure_logs(sink=sink)
        config = uvicorn.Config(_front_door(server, dataset, port), **server_options(ServiceSettings()))
        stack = _AnnouncingServer(config, lambda: _announce(port, client_id, dataset, log))
        loop_factory = config.get_loop_factory()
        with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(stack.serve(sockets=[listener]))


def _run(settings: Settings) -> None:
    data_dir = _data_dir(settings.data_dir)
    settings = settings.model_copy(update={"data_dir": data_dir})
    with _sole_user(data_dir), contextlib.closing(_listen(settings.front_port)) as listener:
        say(f"starting PostgreSQL in {data_dir}")
        with running_postgres(data_dir) as server:
            dataset = Loader(server, settings, say).prepare()
            _serve(server, dataset, listener, data_dir / "stack.log")
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
    sys.exit(main())
