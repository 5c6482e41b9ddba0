"""The transport of one connection: one write for each event loop iteration, and a bounded time to close."""

import asyncio
from typing import Any


class GatheringTransport:
    """Collects what is written in one iteration of the event loop and writes it at once at its end.

    A closed connection whose peer does not read the rest is aborted after `send_seconds`.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, send_seconds: float) -> None:
        self._transport = transport
        self._loop = loop
        self._send_seconds = send_seconds
        self._parts: list[bytes] = []
        self._abort: asyncio.TimerHandle | None = None

    def write(self, data: bytes) -> None:
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)

    def _flush(self) -> None:
        parts, self._parts = self._parts, []
        if parts and not self._transport.is_closing():  # it may have been aborted since
            self._transport.write(b"".join(parts))

    def close(self) -> None:
        self._flush()
        self._transport.close()
        if self._abort is None:
            self._abort = self._loop.call_later(self._send_seconds, self._transport.abort)

    def lost(self) -> None:
        """The connection has ended."""
        if self._abort is not None:
            self._abort.cancel()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
