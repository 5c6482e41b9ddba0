"""Natural batching: concurrent lookups of single keys share a fetch, without a timer.

While a fetch is in flight, new lookups wait; when it returns, all that wait leave as the next batch. An idle system
adds no wait, and under load the cost of a fetch is shared.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from math import inf
from typing import Generic, NamedTuple, TypeVar

from service_kit.problems import ProblemError
from service_kit.request.ask import Ask

K = TypeVar("K")
V = TypeVar("V")


class Waiter(NamedTuple, Generic[V]):
    """A lookup that waits for its key. `until` is its deadline, a time of the event loop."""

    future: asyncio.Future[V | None]
    ask: Ask[object]
    until: float


class Batcher(Generic[K, V]):
    """Looks up single keys through `fetch(keys, ask)`, which looks up many.

    `fetch` gets at most `max_batch` distinct keys and returns the values of those that it found. If a value is an
    exception, it is raised to the lookups of that key. A ProblemError raised by `fetch` is raised to all lookups of the
    batch. Any other exception is unexpected and may be caused by a single key, so each key is then fetched alone.

    The ask of a fetch has the request id of the first lookup and the latest deadline; each lookup is still held to its
    own deadline. A cancelled lookup does not affect the others of its batch. A key without waiting lookups is not
    fetched.

    Normally one fetch is in flight, so that all lookups that wait share the next one. A further fetch, up to
    `max_in_flight`, starts when a batch is full, or when those in flight have taken longer than `patience` seconds: a
    fetch that hangs delays others no longer than that.
    """

    def __init__(
        self,
        fetch: Callable[[Sequence[K], Ask[object]], Awaitable[Mapping[K, V | Exception]]],
        *,
        max_batch: int = 500,
        max_in_flight: int = 4,
        patience: float = 0.02,
    ) -> None:
        self._fetch = fetch
        self._max_batch = max_batch
        self._max_in_flight = max_in_flight
        self._patience = patience
        self._waiting: dict[K, list[Waiter[V]]] = {}
        self._scheduled: asyncio.Handle | None = None
        self._sweeping: asyncio.TimerHandle | None = None
        self._next_sweep = inf
        self._in_flight: dict[asyncio.Task[None], dict[K, list[Waiter[V]]]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    async def get(self, key: K, ask: Ask[object], seconds: float = inf) -> V | None:
        """The value of `key`, or None if there is none. Raises TimeoutError at the deadline of the ask, or after `seconds`."""
        loop = self._loop or self._first_loop()
        future: asyncio.Future[V | None] = loop.create_future()
        until = min(ask.deadline, loop.time() + seconds)
        self._waiting.setdefault(key, []).append(Waiter(future, ask, until))
        if self._scheduled is None:
            if not self._in_flight or len(self._waiting) >= self._max_batch:
                # At the end of this event loop iteration: requests that arrived in the same one share the fetch
                # without waiting.
                self._scheduled = loop.call_soon(self._depart)
            else:
                self._scheduled = loop.call_later(self._patience, self._depart)
        if until < self._next_sweep:
            self._sweep_at(until)
        return await future

    def _sweep_at(self, when: float) -> None:
        # One timer for all lookups: most have the same timeout, and a timer each would cost as much as the lookup.
        if self._sweeping is not None:
            self._sweeping.cancel()
        self._next_sweep = when
        self._sweeping = (self._loop or self._first_loop()).call_at(when, self._sweep)

    def _sweep(self) -> None:
        """Raise TimeoutError to the lookups whose deadline has passed."""
        self._sweeping, self._next_sweep = None, inf
        now = (self._loop or self._first_loop()).time()
        later = inf
        for batch in (self._waiting, *self._in_flight.values()):
            for waiters in batch.values():
                for waiter in waiters:
                    if waiter.future.done():
                        continue
                    if waiter.until > now:
                        later = min(later, waiter.until)
                    else:
                        waiter.future.set_exception(TimeoutError())
        if later < inf:
            self._sweep_at(later)

    def _first_loop(self) -> asyncio.AbstractEventLoop:
        self._loop = asyncio.get_running_loop()  # kept, because each call costs a system call
        return self._loop

    def _depart(self) -> None:
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None
        while self._waiting and len(self._in_flight) < self._max_in_flight:
            if batch := self._next_batch():
                fetch = (self._loop or self._first_loop()).create_task(self._serve(batch))
                self._in_flight[fetch] = batch
                fetch.add_done_callback(self._returned)
                if len(self._waiting) < self._max_batch:
                    break

    def _returned(self, fetch: asyncio.Task[None]) -> None:
        del self._in_flight[fetch]
        if self._waiting:
            self._depart()

    def _next_batch(self) -> dict[K, list[Waiter[V]]]:
        """The keys that have waited longest, without those whose lookups have all ended."""
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

    async def _serve(self, batch: dict[K, list[Waiter[V]]]) -> None:
        try:
            found = await self._fetch(list(batch), _common_ask(batch))
        except ProblemError as problem:
            _settle(batch, dict.fromkeys(batch, problem))
        except Exception as error:  # noqa: BLE001 -- any exception is passed on to the lookups of the key
            if len(batch) == 1:
                _settle(batch, dict.fromkeys(batch, error))
            else:
                await self._serve_alone(batch)
        except BaseException:
            _settle(batch, dict.fromkeys(batch, ConnectionAbortedError()))
            raise
        else:
            _settle(batch, found)

    async def _serve_alone(self, batch: dict[K, list[Waiter[V]]]) -> None:
        """Fetch one key after the other, without those whose lookups have all ended."""
        remaining = dict(batch)
        try:
            for key, waiters in batch.items():
                if any(not waiter.future.done() for waiter in waiters):
                    await self._serve({key: waiters})
                del remaining[key]
        finally:
            _settle(remaining, dict.fromkeys(remaining, ConnectionAbortedError()))


def _settle(batch: Mapping[K, Sequence[Waiter[V]]], found: Mapping[K, V | Exception]) -> None:
    for key, waiters in batch.items():
        value = found.get(key)
        for waiter in waiters:
            if waiter.future.done():
                continue
            if isinstance(value, Exception):
                waiter.future.set_exception(value)
            else:
                waiter.future.set_result(value)


def _common_ask(batch: Mapping[K, Sequence[Waiter[V]]]) -> Ask[object]:
    waiting = [waiter for waiters in batch.values() for waiter in waiters if not waiter.future.done()]
    return Ask(waiting[0].ask.request_id, max(waiter.until for waiter in waiting), None)
