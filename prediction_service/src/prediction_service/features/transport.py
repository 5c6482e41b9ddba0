"""An httpx transport for HTTP/1.1 with keep-alive, for calls to one service whose answers are read whole.

The call to the feature service takes most of the time of a prediction. With one call at a time, this transport needs a
third of the time of those that httpx offers; the benchmark compares them.
"""

import asyncio
import ssl
from collections.abc import Iterable
from typing import cast

import httptools
import httpx

_LONGEST_ANSWER = 32 << 20
"""Maximum bytes of one answer, including its headers and all interim answers before it."""

_MOST_IDLE = 32
"""Maximum idle connections in the pool."""


class Http1Transport(httpx.AsyncBaseTransport):
    """Sends requests over a pool of connections. Raises httpx's TransportErrors.

    Limits the time to connect; the caller limits the time of the whole call. A cancelled call closes its connection.
    """

    def __init__(self) -> None:
        self._idle: list[_Connection] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        connection = self._idle.pop() if self._idle else await self._connect(request)
        try:
            response = await connection.exchange(request)
        except httpx.TransportError:
            # A server that shuts down closes all its connections. Close the idle ones, so that a retry opens a new one.
            connection.abort()
            await self.aclose()
            raise
        except BaseException:
            connection.abort()
            raise
        if connection.reusable and len(self._idle) < _MOST_IDLE:
            self._idle.append(connection)
        else:
            connection.abort()
        return response

    async def _connect(self, request: httpx.Request) -> "_Connection":
        secure = request.url.scheme == "https"
        port = request.url.port or (443 if secure else 80)
        seconds = request.extensions.get("timeout", {}).get("connect")
        try:
            async with asyncio.timeout(seconds):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: _Connection(self._idle),
                    request.url.host,
                    port,
                    ssl=ssl.create_default_context() if secure else None,
                )
        except TimeoutError as fault:
            raise httpx.ConnectTimeout("no connection in time", request=request) from fault
        except OSError as fault:
            raise httpx.ConnectError("no connection", request=request) from fault
        return connection

    async def aclose(self) -> None:
        while self._idle:
            self._idle.pop().abort()


class _Connection(asyncio.Protocol):
    """A connection for one exchange at a time. Removes itself from `idle` when the server closes it."""

    def __init__(self, idle: "list[_Connection]") -> None:
        self._idle = idle
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[None] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._size = 0
        self._surplus = False
        self._in_body = False
        self.reusable = False

    async def exchange(self, request: httpx.Request) -> httpx.Response:
        if self._transport is None or self._transport.is_closing():
            raise httpx.ReadError("the connection was closed", request=request)
        self.reusable = False
        self._headers, self._body, self._size = [], [], 0
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(_wire(request.method, request.url.raw_path, request.headers.raw, request.content))
        try:
            await self._answer
        finally:
            self._answer = None
        return httpx.Response(
            self._parser.get_status_code(),
            headers=self._headers,
            stream=httpx.ByteStream(b"".join(self._body)),
            request=request,
        )

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _fail(self, error: httpx.TransportError) -> None:
        self.reusable = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, fault: Exception | None) -> None:
        self._transport = None
        if self in self._idle:
            self._idle.remove(self)
        if fault is None and self._ends_with_connection():
            self.on_message_complete()
        self._fail(httpx.ReadError("the connection was closed"))

    def _ends_with_connection(self) -> bool:
        """Whether the present answer has no length and ends with the connection (RFC 9112, section 6.3)."""
        fields = [(name.lower(), value.lower()) for name, value in self._headers]
        return self._in_body and not any(
            name == b"content-length" or (name == b"transfer-encoding" and value.endswith(b"chunked"))
            for name, value in fields
        )

    def data_received(self, data: bytes) -> None:
        if self._answer is None:  # no request is waiting for an answer
            self.abort()
            return
        self._size += len(data)
        if self._size > _LONGEST_ANSWER:
            self._fail(httpx.RemoteProtocolError("the answer is too long"))
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(httpx.RemoteProtocolError("this is not HTTP"))

    def on_message_begin(self) -> None:
        if self._answer is None or self._answer.done():  # a second answer to one request
            self._surplus = True
            self.reusable = False
            self.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._surplus:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._in_body = True

    def on_body(self, part: bytes) -> None:
        if not self._surplus:
            self._body.append(part)

    def on_message_complete(self) -> None:
        self._in_body = False
        if self._answer is None or self._answer.done():
            return
        if self._parser.get_status_code() < httpx.codes.OK:  # an interim answer; the final one follows
            self._headers = []
            return
        self.reusable = self._parser.should_keep_alive()
        self._answer.set_result(None)


def _wire(method: str, target: bytes, headers: Iterable[tuple[bytes, bytes]], content: bytes) -> bytes:
    lines = [b"%b: %b\r\n" % header for header in headers]
    return b"%b %b HTTP/1.1\r\n%b\r\n%b" % (method.encode("ascii"), target, b"".join(lines), content)
