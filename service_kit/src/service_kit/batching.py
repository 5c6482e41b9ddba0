"""Natural batching: concurrent lookups of single keys leave together, without a timer.

While a fetch is in flight, newcomers gather; when it returns, all that have gathered leave as the next. An idle system
adds no wait, a busy one amortises.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Call(NamedTuple):
    """On whose behalf something is asked: the id of the request, and the loop time until which its caller waits."""

    request_id: str
    deadline: float | None = None


class _Waiter(NamedTuple, Generic[V]):
    future: asyncio.Future[V | None]
    call: Call


class Batcher(Generic[K, V]):
    """Looks up single keys through `fetch(keys, call)`, which looks up many.

    `fetch` gets distinct keys, at most `max_batch`, and answers with those that it found. What it raises reaches exactly
    those who waited for that fetch. Its call has the id of the first who waits and the latest of the deadlines; each
    waiter is held to its own. A waiter that is cancelled leaves alone: the others of its batch are served, and a key for
    which nobody waits any more is not fetched.

    One fetch is in flight as a rule, so that all who wait share the next. Another one, up to `max_in_flight`, leaves when a
    batch is full, or when those in flight have been out for `patience` seconds: one that hangs holds up nobody for longer.
    """

    def __init__(
        self,
        fetch: Callable[[Sequence[K], Call], Awaitable[Mapping[K, V]]],
        *,
        max_batch: int = 500,
        max_in_flight: int = 4,
        patience: float = 0.02,
    ) -> None:
        self._fetch = fetch
        self._max_batch = max_batch
        self._max_in_flight = max_in_flight
        self._patience = patience
        self._waiting: dict[K, list[_Waiter[V]]] = {}
        self._scheduled: asyncio.Handle | None = None
        self._in_flight: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def get(self, key: K, call: Call) -> V | None:
        """The value of `key`, or None if there is none. Raises TimeoutError at the call's deadline."""
        loop = self._loop or self._first_loop()
        future: asyncio.Future[V | None] = loop.create_future()
        self._waiting.setdefault(key, []).append(_Waiter(future, call))
        if self._scheduled is None:
            if not self._in_flight or len(self._waiting) >= self._max_batch:
                # At the end of this turn of the loop: whoever arrived in the same turn shares the fetch, at no wait.
                self._scheduled = loop.call_soon(self._depart)
            else:
                self._scheduled = loop.call_later(self._patience, self._depart)
        if call.deadline is None:
            return await future
        expiry = loop.call_at(call.deadline, _expire, future)
        try:
            return await future
        finally:
            expiry.cancel()

    def _first_loop(self) -> asyncio.AbstractEventLoop:
        self._loop = asyncio.get_running_loop()  # once: each time it costs a system call
        return self._loop

    def _depart(self) -> None:
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None
        while self._waiting and len(self._in_flight) < self._max_in_flight:
            if batch := self._next_batch():
                fetch = (self._loop or self._first_loop()).create_task(self._serve(batch))
                self._in_flight.add(fetch)
                fetch.add_done_callback(self._returned)
                if len(self._waiting) < self._max_batch:
                    break

    def _returned(self, fetch: asyncio.Task[None]) -> None:
        self._in_flight.discard(fetch)
        if self._waiting:
            self._depart()

    def _next_batch(self) -> dict[K, list[_Waiter[V]]]:
        """The keys that have waited longest; those for which nobody waits any more are forgotten."""
        if len(self._waiting) <= self._max_batch:
            gathered, self._waiting = self._waiting, {}
        else:
            gathered = {key: self._waiting.pop(key) for key in list(self._waiting)[: self._max_batch]}
        batch = {}
        for key, waiters in gathered.items():
            for waiter in waiters:
                if not waiter.future.done():
                    batch[key] = waiters
                    break
        return batch

    async def _serve(self, batch: dict[K, list[_Waiter[V]]]) -> None:
        try:
            found = await self._fetch(list(batch), _common_call(batch))
        except BaseException as error:
            for waiters in batch.values():
                for waiter in waiters:
                    if not waiter.future.done():
                        waiter.future.set_exception(error if isinstance(error, Exception) else ConnectionAbortedError())
            if not isinstance(error, Exception):
                raise
        else:
            for key, waiters in batch.items():
                for waiter in waiters:
                    if not waiter.future.done():
                        waiter.future.set_result(found.get(key))


def _expire(future: asyncio.Future[V | None]) -> None:
    if not future.done():
        future.set_exception(TimeoutError())


def _common_call(batch: Mapping[K, Sequence[_Waiter[V]]]) -> Call:
    calls = (waiter.call for waiters in batch.values() for waiter in waiters if not waiter.future.done())
    first = next(calls)
    latest = first.deadline
    for call in calls:
        if latest is None:
            break
        latest = None if call.deadline is None else max(latest, call.deadline)
    return Call(first.request_id, latest)
