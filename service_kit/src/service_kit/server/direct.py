"""Answers hot operations without ASGI: no messages, no task and no event for each request.

One task per connection answers its requests one after the other. All requests that are not ordinary are left to
uvicorn's code.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from service_kit.server.entrance import HotRequest, Written
from service_kit.server.protocol import LimitedProtocol
from service_kit.server.shedding import Pace, Slots
from service_kit.settings import ServiceSettings

_LONGEST_BODY = 65_536
"""Maximum body in bytes of a request that is answered directly: the size at which uvicorn stops reading too."""


class _Unheard:
    """Replaces the event with which uvicorn wakes a reader of ASGI messages: here there is no such reader."""

    @staticmethod
    def set() -> None:
        pass


class DirectCycle:
    """One request that is answered directly.

    It replaces uvicorn's cycle, and has the attributes that uvicorn reads of one.
    """

    __slots__ = (
        "body",
        "disconnected",
        "hot",
        "keep_alive",
        "response_complete",
        "response_started",
        "scope",
        "slots",
    )
    message_event = _Unheard

    def __init__(self, scope: Scope, hot: HotRequest, slots: Slots) -> None:
        self.scope = scope
        self.hot = hot
        self.slots = slots
        self.body = bytearray()
        self.keep_alive = True
        self.disconnected = self.response_started = self.response_complete = False

    def taken_body(self) -> bytes:
        """Return the body and drop it here."""
        body = bytes(self.body)
        self.body = bytearray()
        return body


def written_answer(common: Sequence[tuple[bytes, bytes]], answer: Written, *, close: bool) -> bytes:
    """The bytes of an answer. `common`: the header fields of every answer."""
    fields = b"".join([b"%b: %b\r\n" % field for field in common]) if len(common) != 1 else b"%b: %b\r\n" % common[0]
    if close and not any(name == b"connection" for name, _ in common):
        fields += b"connection: close\r\n"
    return b"HTTP/1.1 200 OK\r\n%b%b\r\n%b" % (fields, answer.head, answer.body)


class ConnectionTask:
    """The task that answers the requests of one connection, one after the other, with `answer`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, answer: Callable[[DirectCycle], Awaitable[bool]]) -> None:
        self._loop = loop
        self._answer = answer
        self._next: asyncio.Future[DirectCycle] = loop.create_future()
        self.task = loop.create_task(self._run())

    def give(self, cycle: DirectCycle) -> None:
        """Start to answer this request. The task must be idle."""
        self._next.set_result(cycle)

    def end(self) -> None:
        """End the task: there are no further requests."""
        self._next.cancel()

    async def _run(self) -> None:
        while await self._answer(await self._next):
            self._next = self._loop.create_future()


class DirectProtocol(LimitedProtocol):
    """The protocol of one connection, which answers hot operations directly."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._direct: ConnectionTask | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._direct is not None:
            self._direct.end()

    def _give_up(self) -> None:
        cycle = self._answering
        if isinstance(cycle, DirectCycle) and self._task is None:  # its body was arriving
            cycle.slots.taken -= 1
            self._answering = None
        else:
            super()._give_up()

    # Receiving a request.

    def _begin(self) -> None:
        if not self._begins_directly():
            super()._begin()

    def on_body(self, body: bytes) -> None:
        cycle: Any = self.cycle
        if isinstance(cycle, DirectCycle) and not cycle.response_complete:
            self._unbodied_bytes = 0
            cycle.body += body
        else:
            super().on_body(body)

    def _end(self) -> None:
        cycle: Any = self.cycle
        if isinstance(cycle, DirectCycle) and not cycle.response_complete:
            self._work_directly(cycle)
        else:
            super()._end()

    def _begins_directly(self) -> bool:
        """Begin a request for a hot operation, if nothing about it is out of the ordinary.

        Returns whether it has begun.
        """
        if self._entrance is None or (self.cycle is not None and not self.cycle.response_complete):
            return False
        path, _, query = self.url.partition(b"?")
        if not path.startswith(b"/") or b"%" in path or b"#" in self.url or not self.url.isascii():
            return False
        method = self.parser.get_method().decode()
        hot = self._entrance.hot(method, path.decode())
        if hot is None or not self._is_ordinary(takes_body=hot.takes_body):
            return False
        scope: Any = self.scope
        scope["method"], scope["raw_path"], scope["query_string"] = method, path, query
        scope["path"] = path.decode()
        slots = self._slots_for(scope)
        if slots is None or slots.taken >= slots.limit:
            return False
        slots.taken += 1
        self._task = None
        self.cycle = self._answering = DirectCycle(scope, hot, slots)  # type: ignore[assignment] # in its place
        return True

    def _is_ordinary(self, *, takes_body: bool) -> bool:
        """Whether the request that has arrived has no unusual header, on a connection that stays open."""
        if self.flow.write_paused or self.root_path or self.parser.get_http_version() != "1.1":
            return False
        if not self.parser.should_keep_alive():
            return False
        if not takes_body:
            return not self._told
        length = self._told.get(b"content-length", b"")
        return len(self._told) == 1 and length.isdigit() and int(length) <= _LONGEST_BODY

    def _work_directly(self, cycle: DirectCycle) -> None:
        if self._direct is None:
            self._direct = ConnectionTask(self.loop, self._answer_directly)
            self._direct.task.add_done_callback(self._direct_ended)
        self._task = self._direct.task
        self.tasks.add(self._task)
        self._direct.give(cycle)

    async def _answer_directly(self, cycle: DirectCycle) -> bool:
        """Answer one request. Returns whether the connection stays open."""
        try:
            answer = await cycle.hot.answer(cycle.scope, cycle.taken_body())
            if answer is None:
                await self._answer_by_messages(cycle)
            else:
                if self.flow.write_paused:
                    await self.flow.drain()
                if not cycle.disconnected:
                    self._write_answer(cycle, answer)
        finally:
            cycle.slots.taken -= 1
            self.tasks.discard(self._direct.task)  # type: ignore[union-attr] # it runs this
        return not self.transport.is_closing()

    def _write_answer(self, cycle: DirectCycle, answer: Written) -> None:
        common = self.server_state.default_headers
        close = not cycle.keep_alive or (len(common) > 1 and any(name == b"connection" for name, _ in common))
        self.transport.write(written_answer(common, answer, close=close))
        cycle.response_started = cycle.response_complete = True
        if close:
            self.transport.close()
        self.on_response_complete()

    async def _answer_by_messages(self, direct: DirectCycle) -> None:
        """Let the application answer through ASGI messages, as uvicorn does."""
        cycle = RequestResponseCycle(
            scope=direct.scope,  # type: ignore[arg-type] # as made by uvicorn
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=direct.keep_alive,
            on_response=self.on_response_complete,
        )
        cycle.more_body = False
        arriving: Any = self.cycle
        if arriving is direct:  # and not the next request, which may have begun to arrive
            self.cycle = cycle
        self._answering = cycle
        await cycle.run_asgi(self.app)

    def _direct_ended(self, task: asyncio.Task[None]) -> None:
        self._direct = None
        if not task.cancelled() and task.exception() is not None:  # a defect, which the loop reports
            self.transport.abort()


def protocol_for(settings: ServiceSettings) -> type[DirectProtocol]:
    """The protocol of one server, with the limits of the settings."""
    own = {
        "limits": settings,
        "max_head_bytes": settings.max_head_bytes,
        "slots": Slots(settings.max_concurrent_requests),
        "public_slots": Slots(settings.max_public_requests),
        "pace": Pace(),
    }
    return type("ConfiguredProtocol", (DirectProtocol,), own)
