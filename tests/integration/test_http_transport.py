"""The transport against real sockets: what a server can do, and what the caller then sees."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import pytest
from httpx_aiohttp import AiohttpTransport

from prediction_service.features.transport import Http1Transport

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n"


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    size = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    return head + await reader.readexactly(size)


class Recorded:
    """Answers every request of every connection with `answer`, and counts both."""

    def __init__(self, answer: bytes = ANSWER, *, close: bool = False) -> None:
        self.answer, self.close = answer, close
        self.connections, self.requests = 0, list[bytes]()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                self.requests.append(await read_request(reader))
                writer.write(self.answer)
                await writer.drain()
                if self.close:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[httpx.URL]:
    handling = set[asyncio.Task[None]]()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handling.add(asyncio.current_task())  # type: ignore[arg-type]
        try:
            await handler(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield httpx.URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/batch?a=1")
        server.close()
        await asyncio.sleep(0.01)
        for task in handling:
            task.cancel()
        await asyncio.gather(*handling, return_exceptions=True)
        await asyncio.sleep(0.01)


def request(url: httpx.URL, **extensions: Any) -> httpx.Request:
    return httpx.Request("POST", url, headers=[(b"X-Request-ID", b"r")], content=b'{"a":1}', extensions=extensions)


def run(handler: Handler, scenario: Callable[[httpx.AsyncBaseTransport, httpx.URL], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        async with served(handler) as url, asyncio.timeout(5), Http1Transport() as transport:
            await scenario(transport, url)

    asyncio.run(main())


@pytest.mark.parametrize("make", [Http1Transport, AiohttpTransport])
@pytest.mark.parametrize(("answer", "content"), [(ANSWER, b"{}"), (CHUNKED, b"[1,2]")])
def test_an_answer_is_read_whole_and_the_connection_kept(
    make: Callable[[], httpx.AsyncBaseTransport], answer: bytes, content: bytes
) -> None:
    recorded = Recorded(answer)

    async def main() -> None:
        async with served(recorded) as url, make() as transport:
            for _ in range(3):
                response = await transport.handle_async_request(request(url))
                assert (response.status_code, await response.aread()) == (200, content)

    asyncio.run(main())
    assert recorded.connections == 1
    assert len(recorded.requests) == 3
    head, _, body = recorded.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /batch?a=1 HTTP/1.1\r\n")
    assert b"x-request-id: r" in head.lower()
    assert body == b'{"a":1}'


INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
UNTIL_CLOSE = [
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[1,2]",
    b"HTTP/1.0 200 OK\r\n\r\n[1,2]",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n[1,2]",
]


def test_interim_answers_are_passed_over() -> None:
    recorded = Recorded(INTERIM + ANSWER)

    async def scenario(transport: httpx.AsyncBaseTransport, url: httpx.URL) -> None:
        for _ in range(2):
            response = await transport.handle_async_request(request(url))
            assert (response.status_code, await response.aread()) == (200, b"{}")
            assert "link" not in response.headers
        assert recorded.connections == 1

    run(recorded, scenario)


def test_interim_answers_without_end_are_too_long_an_answer() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        with suppress(ConnectionError):
            while True:
                writer.write(INTERIM.replace(b"</a>", b"a" * 60_000))
                await writer.drain()

    async def scenario(transport: httpx.AsyncBaseTransport, url: httpx.URL) -> None:
        with pytest.raises(httpx.RemoteProtocolError):
            await transport.handle_async_request(request(url))

    run(endless, scenario)


@pytest.mark.parametrize("answer", UNTIL_CLOSE, ids=["1.1", "1.0", "another coding"])
def test_a_body_without_a_length_ends_with_its_connection(answer: bytes) -> None:
    recorded = Recorded(answer, close=True)

    async def scenario(transport: httpx.AsyncBaseTransport, url: httpx.URL) -> None:
        for _ in range(2):
            response = await transport.handle_async_request(request(url))
            assert (response.status_code, await response.aread()) == (200, b"[1,2]")
        assert recorded.connections == 2

    run(recorded, scenario)


def test_a_body_without_a_length_that_is_broken_off_is_no_answer() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(UNTIL_CLOSE[0])
        await writer.drain()
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def scenario(transport: httpx.AsyncBaseTransport, url: httpx.URL) -> None:
        with pytest.raises(httpx.ReadError):
            await transport.handle_async_request(request(url))

    run(reset, scenario)


def test_calls_at_once_have_a_connection_each_and_hand_them_on() -> None:
    recorded = Recorded()

    async def scenario(transport: httpx.AsyncBaseTransport, url: httpx.URL) -> None:
        for _ in range(3):
            await asyncio.gather(*(transport.handle_async_request(request(url)) for _ in range(4)))
        assert recorded.connections == 4

    run(recorded, scenario)


@pytest.mark.parametrize("answer", [ANSWER.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"), ANSWER])
def test_a_connection_that_the_server_closes_is_not_used_again(answer: bytes) -> None:
    recorded = Recorded(answer, close=True)

    async def scenario(transport: httpx.AsyncBaseTransport, url: httpx.URL) -> None:
        for _ in range(3):
            assert (await transport.handle_async_request(request(url))).status_code == 200
            await asyncio.sleep(0.02)
        assert recorded.connections == 3

    run(recorded, scenario)


FAULTS = [
    (b"", httpx.ReadError),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}", httpx.ReadError),
    (b"SSH-2.0-OpenSSH_9.6\r\n", httpx.RemoteProtocolError),
    (b"HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n", httpx.RemoteProtocolError),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 99000000\r\n\r\n" + b" " * 40_000_000, httpx.RemoteProtocolError),
    (b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 40_000_000, httpx.RemoteProtocolError),
    (b"HTTP/1.1 200 OK\r\n" + (b"X: " + b"y" * 9000 + b"\r\n") * 4000, httpx.RemoteProtocolError),
    (b"HTTP/1.1 200 OK\r\nX: ", httpx.ReadError),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n", httpx.ReadError),
    (INTERIM, httpx.ReadError),
    (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", httpx.RemoteProtocolError),
]


@pytest.mark.parametrize(
    ("answer", "error"),
    FAULTS,
    ids=[
        "nothing",
        "half",
        "another protocol",
        "no length",
        "too long",
        "too long until its end",
        "headers",
        "half a head",
        "half a chunk",
        "interim only",
        "upgrade",
    ],
)
def test_what_is_no_whole_answer_is_an_error_and_the_next_call_works(
    answer: bytes, error: type[httpx.TransportError]
) -> None:
    recorded = Recorded(answer, close=True)

    async def scenario(transport: httpx.AsyncBaseTransport, url: httpx.URL) -> None:
        with pytest.raises(error):
            await transport.handle_async_request(request(url))
        recorded.answer = ANSWER
        assert (await transport.handle_async_request(request(url))).status_code == 200

    run(recorded, scenario)


def test_when_a_kept_connection_has_ended_the_others_are_not_trusted_either() -> None:
    recorded = Recorded()

    async def scenario(transport: httpx.AsyncBaseTransport, url: httpx.URL) -> None:
        await asyncio.gather(*(transport.handle_async_request(request(url)) for _ in range(3)))
        assert recorded.connections == 3
        recorded.answer, recorded.close = b"", True
        with pytest.raises(httpx.ReadError):
            await transport.handle_async_request(request(url))
        recorded.answer = ANSWER
        await transport.handle_async_request(request(url))
        assert recorded.connections == 4

    run(recorded, scenario)


def test_bytes_that_nobody_asked_for_close_the_connection() -> None:
    recorded = Recorded(ANSWER + ANSWER)

    async def scenario(transport: httpx.AsyncBaseTransport, url: httpx.URL) -> None:
        for _ in range(2):
            response = await transport.handle_async_request(request(url))
            assert await response.aread() == b"{}"
            await asyncio.sleep(0.02)
        assert recorded.connections == 2

    run(recorded, scenario)


def test_a_call_that_is_given_up_takes_its_connection_with_it() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.read() != b""

    async def scenario(transport: httpx.AsyncBaseTransport, url: httpx.URL) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await transport.handle_async_request(request(url))
        assert isinstance(transport, Http1Transport)
        assert transport._idle == []

    run(silent, scenario)


def test_nobody_there_is_a_connect_error() -> None:
    async def main() -> None:
        async with served(Recorded()) as url:
            gone = url
        async with Http1Transport() as transport:
            with pytest.raises(httpx.ConnectError):
                await transport.handle_async_request(request(gone))

    asyncio.run(main())


def test_a_connection_that_is_not_made_in_time_is_a_connect_timeout() -> None:
    async def main() -> None:
        async with Http1Transport() as transport:
            with pytest.raises(httpx.ConnectTimeout):
                await transport.handle_async_request(request(httpx.URL("http://127.0.0.1:9"), timeout={"connect": 0.0}))

    asyncio.run(main())
