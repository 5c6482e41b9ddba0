"""A proxy between two parts of the system that can be told to go wrong in the ways in which networks do."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Literal

Mode = Literal["pass", "late", "silent", "drip", "reset", "cut", "garbage", "refuse"]

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class FaultProxy:
    """Hands bytes on. `mode` holds for connections that are open already, too.

    late: answers are `delay` seconds late; silent: nothing gets through any more; drip: answers come a byte at a time;
    reset: connections are reset; cut: they are closed in the middle of an answer; garbage: answers are noise; refuse: they
    are closed at once.
    """

    def __init__(self, connect: Callable[[], Awaitable[Streams]]) -> None:
        self._connect = connect
        self._mode: Mode = "pass"
        self._open = set[asyncio.StreamWriter]()
        self._tasks = set[asyncio.Task[None]]()
        self.delay = 0.1

    @property
    def mode(self) -> Mode:
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        self._mode = mode
        for writer in list(self._open):
            if mode == "reset":
                _reset(writer)
            elif mode in ("refuse", "pass"):  # what a silent network swallowed does not come back either
                writer.close()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._open.add(writer)
        try:
            if self._mode == "refuse":
                return
            if self._mode == "reset":
                _reset(writer)
                return
            there_reader, there_writer = await self._connect()
            self._open.add(there_writer)
            try:
                await asyncio.gather(self._forward(reader, there_writer), self._back(there_reader, writer))
            finally:
                self._open.discard(there_writer)
                there_writer.close()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(writer)
            self._tasks.discard(task)
            writer.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            if self._mode != "silent":
                writer.write(data)
        writer.close()

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            if self._mode == "late":
                await asyncio.sleep(self.delay)
            if self._mode == "garbage":
                data = bytes(byte ^ 0xA5 for byte in data)
            if self._mode == "cut":
                writer.write(data[: len(data) // 2])
                break
            if self._mode == "drip":
                for byte in data:
                    if self._mode != "drip":
                        break
                    writer.write(bytes([byte]))
                    await asyncio.sleep(0.02)
            elif self._mode != "silent":
                writer.write(data)
        writer.close()

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _reset(writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        connection = writer.get_extra_info("socket")
        if connection.family == socket.AF_INET:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@asynccontextmanager
async def proxied_port(port: int) -> AsyncIterator[tuple[FaultProxy, int]]:
    """A proxy before a port of loopback, and its own port."""
    proxy = FaultProxy(lambda: asyncio.open_connection("127.0.0.1", port))
    server = await asyncio.start_server(proxy.handle, "127.0.0.1", 0)
    try:
        yield proxy, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await proxy.stop()


@asynccontextmanager
async def proxied_socket(path: str, at: str) -> AsyncIterator[FaultProxy]:
    """A proxy at one Unix socket before another."""
    proxy = FaultProxy(lambda: asyncio.open_unix_connection(path))
    server = await asyncio.start_unix_server(proxy.handle, at)
    try:
        yield proxy
    finally:
        server.close()
        await proxy.stop()
