"""Both services in this process: one listener for all callers, and one for requests between the services.

The second listener has its own limits, so that callers cannot block requests between the services.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import uvicorn
from pydantic import AnyHttpUrl, SecretStr, ValidationError

from feature_service.app import create_app as create_feature_app
from feature_service.settings import Settings as FeatureSettings
from local_stack.datasets import Dataset
from local_stack.decisions import RunningLog
from local_stack.errors import StackError
from local_stack.front import FrontDoor
from local_stack.postgres import Server
from prediction_service.app import create_app as create_prediction_app
from prediction_service.settings import Settings as PredictionSettings
from service_kit.service import server_options, spare_collections
from service_kit.settings import ServiceSettings

HOST = "127.0.0.1"

_Settings = TypeVar("_Settings", FeatureSettings, PredictionSettings)


class Services(NamedTuple):
    """The settings of both services, from their environment variables."""

    features: FeatureSettings
    predictions: PredictionSettings

    def limits(self) -> ServiceSettings:
        """The limits of the shared listener: values that are set for a service; the larger one if set for both.

        Only variables with the prefix of a service are read.
        """
        shared: dict[str, Any] = {}
        for name in ServiceSettings.model_fields.keys() - {"log_level"}:
            given = [getattr(service, name) for service in self if name in service.model_fields_set]
            if given and isinstance(given[0], int | float):
                shared[name] = max(given)
        levels = [service.log_level for service in self if "log_level" in service.model_fields_set]
        if levels:
            shared["log_level"] = min(levels, key=logging.getLevelNamesMapping().__getitem__)
        return ServiceSettings.model_construct(**shared)

    def of_stack(self, server: Server, dataset: Dataset, log: RunningLog | None) -> "Services":
        """A copy with the databases and models of this stack."""
        reader, writer = (server.url(dataset.name, user=role) for role in ("feature_service", "feature_writer"))
        features = {"database_url": SecretStr(reader), "writer_database_url": SecretStr(writer)}
        predictions: dict[str, Any] = {"model_dir": dataset.model_dir}
        if log is not None:
            predictions["decision_log_origin"] = log.origin
            predictions["decision_log_database_url"] = SecretStr(log.writer_url)
            predictions["decision_log_eraser_database_url"] = SecretStr(log.eraser_url)
        return Services(self.features.model_copy(update=features), self.predictions.model_copy(update=predictions))


def read_services() -> Services:
    """Read the settings. Raises StackError, which names the invalid variables."""
    return Services(_read(FeatureSettings), _read(PredictionSettings))


def _read(settings: type[_Settings]) -> _Settings:
    try:
        return settings()
    except ValidationError as error:
        prefix = settings.model_config.get("env_prefix", "")
        lines = [f"{prefix}{str(found['loc'][0]).upper()}: {found['msg']}" for found in error.errors()]
        raise StackError("\n".join(lines)) from error


def listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise StackError(
            f"Port {port} cannot be used ({error.strerror}). Choose another: FRONT_PORT=8100 make run"
        ) from error
    return listener


def serve(services: Services, listener: socket.socket, announce: Callable[[], None]) -> None:
    """Serve until a stop signal. Calls `announce` when both services answer."""
    limits = services.limits()
    with contextlib.closing(listen(0)) as inside:
        url = AnyHttpUrl(f"http://{HOST}:{inside.getsockname()[1]}")
        features = create_feature_app(services.features)
        predictions = create_prediction_app(services.predictions.model_copy(update={"feature_service_url": url}))
        config = uvicorn.Config(FrontDoor(features, predictions, limits), **server_options(limits))
        public = _Public(config, announce)
        spare_collections()

        async def run() -> None:
            async with _answering(features, services.features, inside):
                await public.serve(sockets=[listener])

        with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(run())


class _Public(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._announce()


class _Inside(uvicorn.Server):
    """The server for requests between the services. It ignores signals, and ends after the public server."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def _answering(app: Any, settings: ServiceSettings, listener: socket.socket) -> AsyncIterator[None]:
    """Serve an application whose lifespan another server runs."""
    server = _Inside(uvicorn.Config(app, lifespan="off", **server_options(settings)))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving
