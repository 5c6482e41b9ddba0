"""Answers to hot operations past ASGI: no message, no task and no event for each request.

One task a connection answers one request after the other. Whatever is out of the ordinary goes uvicorn's way.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, Protocol

from starlette.types import Scope

from service_kit.access.gate import Place
from service_kit.server.shedding import Slots

LONGEST_BODY = 65_536
"""Of a request that is answered directly, bytes: what uvicorn, too, gathers before it stops reading."""


class Written(NamedTuple):
    """An answer with status 200: its header fields as they are sent, without the date, and its body."""

    head: bytes
    body: bytes


class HotRequest(Protocol):
    """A request for a hot operation."""

    @property
    def takes_body(self) -> bool: ...

    def answer(self, scope: Scope, body: bytes) -> Awaitable[Written | None]:
        """The ordinary answer. None: it is another one, and the application gives it to whoever calls it with this scope."""


class Entrance(NamedTuple):
    """What the server asks an application about a request before it does any work for it."""

    admit: Callable[[Scope], Place]
    """Raises the problem of a request that is not admitted."""
    hot: Callable[[str, str], HotRequest | None]
    """The request for a hot operation that a method and a path are, if they are one."""


def entrance_of(app: Any) -> Entrance | None:
    """That of an application of ours, which uvicorn may have wrapped; None: it has none."""
    while not hasattr(app, "entrance") and hasattr(app, "app"):
        app = app.app
    return getattr(app, "entrance", None)


class _Unheard:
    """For uvicorn, which wakes up whoever waits for messages: nobody does."""

    @staticmethod
    def set() -> None:
        pass


class DirectCycle:
    """One request that is answered directly, in the place of uvicorn's cycle: with what uvicorn looks at in that."""

    __slots__ = (
        "disconnected",
        "hot",
        "keep_alive",
        "parts",
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
        self.parts: list[bytes] = []
        self.keep_alive = True
        self.disconnected = self.response_started = self.response_complete = False

    @property
    def body(self) -> bytes:
        return self.parts[0] if len(self.parts) == 1 else b"".join(self.parts)


def written_answer(common: Sequence[tuple[bytes, bytes]], answer: Written, *, close: bool) -> bytes:
    """The bytes of an answer. `common`: the fields of every answer."""
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
        """Let it answer this one. It is idle."""
        self._next.set_result(cycle)

    def end(self) -> None:
        """There will be no further requests."""
        self._next.cancel()

    async def _run(self) -> None:
        while await self._answer(await self._next):
            self._next = self._loop.create_future()
