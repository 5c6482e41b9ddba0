"""A feature service on a real socket, in a thread, and callers that speak bytes."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Any, NamedTuple

import uvicorn

from both_services import FakeStore
from credit_default import ROW
from feature_service.app import create_app
from feature_service.definitions.vectors import Layout, Vector
from feature_service.settings import Settings
from service_kit.request.ask import Ask
from service_kit.server.protocol import LimitedProtocol
from service_kit.service import server_options


class SlowStore(FakeStore):
    """A store that knows client 5, and takes `seconds` to say so."""

    def __init__(self, seconds: float) -> None:
        super().__init__([ROW])
        self._seconds = seconds

    async def vectors(
        self, client_ids: Iterable[int], ask: Ask[Any], as_of: datetime | None = None, layout: Layout | None = None
    ) -> dict[int, Vector]:
        if self._seconds:
            await asyncio.sleep(self._seconds)
        return await super().vectors(client_ids, ask, as_of, layout)


class Served(NamedTuple):
    port: int
    protocol: type[LimitedProtocol]
    server: uvicorn.Server


@contextmanager
def served(
    seconds: float = 0, send_buffer: int | None = None, *, directly: bool = True, **configured: Any
) -> Iterator[Served]:
    """`directly`: hot operations are answered past ASGI's messages, as they are outside of tests. `send_buffer`: bytes that the system keeps of what a caller has not read; else as many as it likes, and that may be megabytes."""
    settings = Settings(**configured)

    @asynccontextmanager
    async def open_store(_: Settings) -> AsyncIterator[Any]:
        yield SlowStore(seconds)

    listener = socket.create_server(("127.0.0.1", 0), backlog=1000)
    if send_buffer is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)  # connections take it over
    options = server_options(settings) | {"timeout_graceful_shutdown": 1}
    app: Any = create_app(settings, open_store)
    if not directly:
        app.entrance = app.entrance._replace(hot=lambda _method, _path: None)
    server = uvicorn.Server(uvicorn.Config(app, **options))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield Served(listener.getsockname()[1], options["http"], server)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def sent(port: int, *parts: bytes, pause: float = 0.0, patience: float = 2.0) -> bytes:
    """Everything that comes back until the other side closes, or nothing has come for `patience` seconds."""
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as connection:
        answer = b""
        try:
            for part in parts:
                connection.sendall(part)
                time.sleep(pause)
            while chunk := connection.recv(65_536):
                answer += chunk
        except (ConnectionResetError, BrokenPipeError):
            pass
        except TimeoutError:
            answer += b"STILL OPEN"
        return answer
