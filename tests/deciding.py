"""Both services on a real log, asked over ASGI; and the feature service on a socket."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from pydantic import SecretStr

from asgi import client_of, transport_to
from both_services import FakeStore, feature_app, prediction_app
from credit_default import ROW
from decisions import Log
from service_kit.service import server_options
from service_kit.settings import ServiceSettings


@asynccontextmanager
async def deciding(
    log: Log, registry: Path, store: FakeStore | None = None, **options: Any
) -> AsyncIterator[tuple[httpx.AsyncClient, FakeStore]]:
    store = store or FakeStore([ROW, ROW | {"client_id": 6, "age": 130}])
    settings = {
        "decision_log": True,
        "decision_log_database_url": SecretStr(log.url("decision_writer")),
        "decision_log_eraser_database_url": SecretStr(log.url("decision_eraser")),
    }
    async with (
        transport_to(feature_app(store)) as transport,
        client_of(prediction_app(transport, registry, **settings | options)) as client,
    ):
        yield client, store


def sequence(log: Log) -> None:
    with log.connection() as connection:
        log.sequencer(connection).step()


@asynccontextmanager
async def served_features(store: FakeStore, **options: Any) -> AsyncIterator[str]:
    """The address of a feature service with these clients."""
    server = uvicorn.Server(uvicorn.Config(feature_app(store, **options), **server_options(ServiceSettings())))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        task = asyncio.create_task(server._serve([listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task
