"""uvicorn's HTTP protocol with limits on the size and duration of everything that a caller sends, requests or reads.

Requests that are not admitted or exceed a limit are refused here, before they take a slot and before any work is done
for them. `tests/contract/test_uvicorn.py` names the internals of uvicorn on which this module relies.
"""

import asyncio
from typing import Any

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service_kit.access.gate import Place
from service_kit.problems import AddressTooLong, BadRequest, HeadersTooLarge, Overloaded, ProblemError, RequestTimeout
from service_kit.server.entrance import entrance_of
from service_kit.server.refusals import refusal
from service_kit.server.shedding import Pace, Slots, shed
from service_kit.server.transport import GatheringTransport
from service_kit.settings import ServiceSettings

_FIELD_OVERHEAD = len(": \r\n")
_TELLING = frozenset({b"content-length", b"transfer-encoding", b"expect", b"upgrade"})
"""Header fields of requests that have a body or negotiate something. Requests without them are the simplest."""


class _NotTaken(Exception):
    """Raised to stop the parser, which converts it to an error of its own."""


class LimitedProtocol(HttpToolsProtocol):
    """The protocol of one connection. `direct.protocol_for` makes the class that has limits.

    The receive clock runs from the opening of the connection, or from the first byte of a later request, until the
    request is complete. The send clock runs while an answer waits for its reader.
    """

    limits: ServiceSettings
    max_head_bytes: int
    slots: Slots
    public_slots: Slots
    pace: Pace

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._entrance = entrance_of(self.app)
        self._problem: type[ProblemError] = BadRequest
        self._in_head = True
        self._complete = False
        self._unbodied_bytes = 0
        """Bytes received since the last byte of a body, or since the request began."""
        self._field_bytes = 0
        self._dropped_bytes = 0
        self._receive_clock: asyncio.TimerHandle | None = None
        self._send_clock: asyncio.TimerHandle | None = None
        self._pause: asyncio.TimerHandle | None = None
        self._idle_clock: asyncio.TimerHandle | None = None
        self._idle_since = 0.0
        self._answering: RequestResponseCycle | None = None
        self._task: asyncio.Task[None] | None = None
        self._told: dict[bytes, bytes] = {}
        """The header fields among `_TELLING` of the request that is arriving."""
        self._held: tuple[RequestResponseCycle, ASGI3Application] | None = None
        """A request that waits until its caller has read the previous answer."""
        self._parting: type[ProblemError] | None = None
        """The refusal that ends the connection after the previous requests are answered."""

    # Opening and closing.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        too_many = len(self.connections) >= self.limits.max_connections
        super().connection_made(GatheringTransport(transport, self.loop, self.limits.send_timeout_seconds))  # type: ignore[arg-type]
        if too_many:
            shed.count += 1
            self._part(Overloaded)
        else:
            self._start_receive_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_receive_clock()
        self._stop_send_clock()
        for clock in (self._pause, self._idle_clock):
            if clock is not None:
                clock.cancel()
        self.transport.lost()  # type: ignore[attr-defined] # ours
        self.pipeline.clear()
        self._held = None
        super().connection_lost(exc)
        self._give_up()

    def _give_up(self) -> None:
        """Cancel the work on an answer that has no caller any more. The request layer ends it in order."""
        cycle, task = self._answering, self._task
        if cycle is not None and task is not None and not task.done():
            cycle.disconnected = True
            cycle.scope["caller_gone"] = True  # type: ignore[typeddict-unknown-key]
            task.cancel()

    # Receiving a request.

    def data_received(self, data: bytes) -> None:
        if self._parting is not None:
            return
        self._unbodied_bytes += len(data)
        self._feed(data)
        if self._complete:
            self._unbodied_bytes = 0
            if self._receive_clock is not None:
                self._stop_receive_clock()
        elif self._parting is None and not self.transport.is_closing():
            if self._unbodied_bytes > self.max_head_bytes:
                self._refuse(HeadersTooLarge)
            elif self._receive_clock is None:
                self._start_receive_clock()

    def _feed(self, data: bytes) -> None:
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                if self._in_head:
                    data = self._without_offer() + data[offer.args[0] :]
                    continue
            except httptools.HttpParserError:
                self.logger.warning("Invalid HTTP request received.")
                self._refuse(self._problem)
            return

    def _without_offer(self) -> bytes:
        """The head of a request that offers another protocol, without that offer, for a new parser.

        Java's client offers HTTP/2. The first parser would leave out the body of such a request. The request is
        answered in HTTP/1.1 (RFC 9110, section 7.8).
        """
        line = b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        fields = [b"%b: %b" % field for field in self.headers if field[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        return b"\r\n".join([line, *fields, b"", b""])

    def on_message_begin(self) -> None:
        self._in_head, self._complete = True, False
        self._field_bytes = self._dropped_bytes = 0
        if self._told:
            self._told = {}
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._field_bytes += len(name) + len(value) + _FIELD_OVERHEAD
        if self._field_bytes > self.max_head_bytes:
            self._stop_parser(HeadersTooLarge)
        if self._in_head:  # Trailers may follow: they are counted and not read.
            name = name.lower()
            if name in _TELLING:
                self._told[name] = value
                self.expect_100_continue = self._told.get(b"expect", b"").lower() == b"100-continue"
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if len(self.url) > self.limits.max_address_bytes:
            self._stop_parser(AddressTooLong)
        if len(self.headers) > self.limits.max_headers:
            self._stop_parser(HeadersTooLarge)
        if self.pipeline and len(self.pipeline) >= self.limits.max_pipelined_requests:
            shed.count += 1
            self._stop_parser(Overloaded)
        if b"upgrade" in self._told and self.parser.should_upgrade():
            return
        self._begin()
        self._in_head = False

    def _begin(self) -> None:
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unbodied_bytes = 0
        if not self.cycle.response_complete:
            super().on_body(body)
            return
        self._dropped_bytes += len(body)
        if self._dropped_bytes > self.limits.max_body_bytes:
            self.transport.close()

    def on_message_complete(self) -> None:
        if self._in_head:  # it offers another protocol and is parsed again
            return
        self._complete = True
        self._unbodied_bytes = 0
        self._end()

    def _end(self) -> None:
        super().on_message_complete()

    def _stop_parser(self, problem: type[ProblemError]) -> None:
        self._problem = problem
        raise _NotTaken

    def _start_receive_clock(self) -> None:
        self._receive_clock = self.loop.call_later(self.limits.receive_timeout_seconds, self._too_slow)

    def _stop_receive_clock(self) -> None:
        if self._receive_clock is not None:
            self._receive_clock.cancel()
            self._receive_clock = None

    def _too_slow(self) -> None:
        if not self.transport.is_closing():
            self._refuse(RequestTimeout)

    # Refusals that end the connection.

    def _refuse(self, problem: type[ProblemError]) -> None:
        """Answer the arriving request with this problem after the previous ones, and close the connection."""
        self._stop_receive_clock()
        if not self._in_head:
            self._drop_arriving()
        if self.transport.is_closing():
            return
        self._parting = problem
        if not self._is_busy():
            self._part(problem)

    def _is_busy(self) -> bool:
        return self._answering is not None or self._held is not None

    def _drop_arriving(self) -> None:
        """Drop the request whose body was arriving."""
        if self.pipeline and self.pipeline[0][0] is self.cycle:
            self.pipeline.popleft()
        elif self._held is not None and self._held[0] is self.cycle:
            self._held = None
        elif self.cycle.response_started:
            self.transport.close()
        else:
            self._give_up()
            self._answering = None

    def _part(self, problem: type[ProblemError]) -> None:
        head = self.parser.get_method() == b"HEAD"
        self.transport.write(refusal(problem, close=True, head=head))
        self.transport.close()

    # Admission.

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        if self.flow.write_paused:
            self._held = cycle, app
            self.flow.pause_reading()
            return
        slots = self._slots_for(cycle.scope)
        if slots is not None and slots.taken >= slots.limit:
            self._shed(cycle)
            return
        self._answering = cycle
        self._task = task = self.loop.create_task(cycle.run_asgi(app))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        if slots is not None:
            slots.taken += 1
            task.add_done_callback(slots.release)

    def _slots_for(self, scope: Any) -> Slots | None:
        """The slots in which a request is counted; None: in none. Checks admission once."""
        if self._entrance is not None and "place" not in scope:
            try:
                scope["place"] = self._entrance.admit(scope)
            except ProblemError as problem:
                # The layer answers and logs the refusal. That needs no waiting, and so no slot.
                # Without its traceback, whose frames would keep all received data until the next garbage collection.
                scope["refusal"] = problem.with_traceback(None)
                scope["place"] = Place.EXEMPT
                self._pause_reading()
        # Compared instead of looked up in a dict: hashing an enum member is Python code.
        place = scope.get("place", Place.WORK)
        return self.slots if place is Place.WORK else self.public_slots if place is Place.PUBLIC else None

    def _shed(self, cycle: RequestResponseCycle) -> None:
        shed.count += 1
        cycle.response_started = cycle.response_complete = True
        self.transport.write(refusal(Overloaded, close=not cycle.keep_alive, head=cycle.scope["method"] == "HEAD"))
        if not cycle.keep_alive:
            self.transport.close()
        self._pause_reading()
        self.on_response_complete()

    def _pause_reading(self) -> None:
        """Delay reading: a caller that retries immediately would be refused at the expense of other callers."""
        if self._pause is not None:
            self._pause.cancel()
        self._pause = self.loop.call_at(self.pace.after_refusal(self.loop.time()), self._read_on)

    def _read_on(self) -> None:
        self._pause = None
        self.flow.resume_reading()

    # Sending an answer.

    def on_response_complete(self) -> None:
        self._answering = None
        if self._send_clock is not None and not self.flow.write_paused:
            self._stop_send_clock()
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self._idle_since = self.loop.time()
            if self._idle_clock is None:
                self._idle_clock = self.loop.call_later(self.timeout_keep_alive, self._idle_for_long)
        if (self._parting is not None or self._pause is not None) and not self._is_busy():
            self._after_answers()

    def _idle_for_long(self) -> None:
        """Close a connection on which nothing has arrived since its last answer.

        One timer serves all of its requests.
        """
        self._idle_clock = None
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if self._is_busy() or self._receive_clock is not None:
            return  # the next answer starts the clock again
        if left > 0:
            self._idle_clock = self.loop.call_later(left, self._idle_for_long)
        elif not self.transport.is_closing():
            self.transport.close()

    def _after_answers(self) -> None:
        if self.transport.is_closing():
            return
        if self._parting is not None:
            self._part(self._parting)
        else:
            self.flow.pause_reading()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._send_clock is None:
            self._send_clock = self.loop.call_later(self.limits.send_timeout_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._answering is None:
            self._stop_send_clock()
        if self._held is not None:
            held, self._held = self._held, None
            self._start_asgi_task(*held)

    def _stop_send_clock(self) -> None:
        if self._send_clock is not None:
            self._send_clock.cancel()
            self._send_clock = None
