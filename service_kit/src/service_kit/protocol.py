"""uvicorn's HTTP protocol with an end to everything that a caller can make long: head, address, and sending itself.

Head and body of an answer leave in one write.

The parser keeps whatever arrives until the head is complete, and nothing in uvicorn ends a request that never gets
complete. Refusals from here are problem details without the request's id: there is no request yet.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service_kit.problems import MEDIA_TYPE, Overloaded
from service_kit.settings import ServiceSettings
from shared_schemas import Problem

MAX_HEADERS = 100
MAX_URL_BYTES = 8_192

_REFUSALS = {
    400: ("/problems/bad-request", "This is not HTTP"),
    408: ("/problems/request-timeout", "The request did not arrive in time"),
    414: ("/problems/address-too-long", "The address is longer than this service reads"),
    431: ("/problems/headers-too-large", "The headers are more than this service reads"),
}


def _refusal(status: int, kind: str, title: str, *headers: str) -> bytes:
    body = Problem(type=kind, title=title, status=status, instance="urn:uuid:00000000-0000-0000-0000-000000000000")
    content = body.model_dump_json(exclude_none=True).encode()
    lines = [f"HTTP/1.1 {status} ", f"Content-Type: {MEDIA_TYPE}", f"Content-Length: {len(content)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + content


_ANSWERS = {status: _refusal(status, *words, "Connection: close") for status, words in _REFUSALS.items()}
_OVERLOADED = _refusal(503, Overloaded.type, Overloaded.title, f"Retry-After: {Overloaded.retry_after}")


_ALWAYS_ANSWERED = ("/health/live", "/health/ready", "/metrics")


_LEAST_PAUSE = 0.05
_REFUSALS_A_SECOND = 1000
"""More would take too much of the time in which others are answered."""


class Shed(Collector):
    """What this process has refused because it had too much at work.

    `unread`: connections that were refused, and are not read again until their timer fires.
    """

    def __init__(self) -> None:
        self.count = 0
        self.unread: dict[LimitedProtocol, asyncio.TimerHandle] = {}

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily("http_server_requests_shed", "Requests refused because too many were at work.")
        family.add_metric([], self.count)
        yield family


shed = Shed()


class _TooLong(Exception):
    """Stops the parser, which turns it into its own kind of error."""


class _Gathering:
    """A transport that writes what came in one turn of the event loop together, at its end."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)

    def _flush(self) -> None:
        if self._parts:
            parts, self._parts = self._parts, []
            self._transport.write(b"".join(parts))

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class LimitedProtocol(HttpToolsProtocol):
    """Requests must be complete `receive_seconds` after the connection opens, or after their first byte on a kept one."""

    max_head_bytes = 16_384
    receive_seconds = 10.0
    max_concurrent_requests = 512

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._status = 400
        self._in_head = True
        self._complete = False
        self._head_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._running: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        super().connection_made(_Gathering(transport, self.loop))  # type: ignore[arg-type]
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        if timer := shed.unread.pop(self, None):
            timer.cancel()
        super().connection_lost(exc)
        if self._running is not None and not self._running.done() and not self.cycle.response_complete:
            # Nobody waits for this answer any more. The request layer ends it in order.
            self.cycle.scope["caller_gone"] = True  # type: ignore[typeddict-unknown-key]
            self._running.cancel()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        if len(self.tasks) >= self.max_concurrent_requests and not cycle.scope["path"].endswith(_ALWAYS_ANSWERED):
            self._shed(cycle)
            return
        self._running = task = self.loop.create_task(cycle.run_asgi(app))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def _shed(self, cycle: RequestResponseCycle) -> None:
        """Refuse without starting any work: what is refused must cost next to nothing."""
        shed.count += 1
        cycle.response_started = cycle.response_complete = True
        self.transport.write(_OVERLOADED)
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()
        # Who asks again and again at once would be refused at the cost of those who are answered.
        self.flow.pause_reading()
        wait = max(_LEAST_PAUSE, len(shed.unread) / _REFUSALS_A_SECOND)
        shed.unread[self] = self.loop.call_later(wait, self.read_on)

    def read_on(self) -> None:
        """Read this connection again after it was refused."""
        if timer := shed.unread.pop(self, None):
            timer.cancel()
            self.flow.resume_reading()

    def data_received(self, data: bytes) -> None:
        self._head_bytes += len(data)
        super().data_received(data)
        if self._complete:
            self._head_bytes = 0
            if self._deadline is not None:
                self._stop_clock()
        elif not self.transport.is_closing():
            if self._in_head and self._head_bytes > self.max_head_bytes:
                self._refuse(431)
            elif self._deadline is None:
                self._start_clock()

    def on_message_begin(self) -> None:
        self._in_head, self._complete = True, False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if len(self.url) > MAX_URL_BYTES:
            self._status = 414
            raise _TooLong
        if len(self.headers) > MAX_HEADERS or (
            # What has arrived may be body, too.
            self._head_bytes > self.max_head_bytes
            and sum(len(name) + len(value) + 4 for name, value in self.headers) > self.max_head_bytes
        ):
            self._status = 431
            raise _TooLong
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._complete = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 -- as in uvicorn
        self._refuse(self._status)

    def _refuse(self, status: int) -> None:
        self._stop_clock()
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(_ANSWERS[status])
        self.transport.close()

    def _start_clock(self) -> None:
        self._deadline = self.loop.call_later(self.receive_seconds, self._too_slow)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        if not self.transport.is_closing():
            self._refuse(408)


def protocol_for(settings: ServiceSettings) -> type[LimitedProtocol]:
    """The protocol with the limits of the settings."""
    limits = {
        "max_head_bytes": settings.max_head_bytes,
        "receive_seconds": settings.receive_timeout_seconds,
        "max_concurrent_requests": settings.max_concurrent_requests,
    }
    return type("ConfiguredProtocol", (LimitedProtocol,), limits)
