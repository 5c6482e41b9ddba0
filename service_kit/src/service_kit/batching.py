"""Natural batching: concurrent lookups of single keys leave together, without a timer.

While as many fetches as allowed are in flight, newcomers gather; when one returns, all that have gathered leave as
the next. An idle system adds no wait, a busy one amortises.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class _Waiter(NamedTuple, Generic[V]):
    future: asyncio.Future[V | None]
    request_id: str


class Batcher(Generic[K, V]):
    """Looks up single keys through `fetch(keys, request_id)`, which looks up many.

    `fetch` gets distinct keys, at most `max_batch`, and answers with those that it found; at most `max_in_flight` of
    its calls run at a time. What it raises reaches exactly those who waited for that call. A waiter that is cancelled
    leaves alone: the others of its batch are served, and a key for which nobody waits any more is not fetched. The
    request id of a fetch is that of the first who waits for it.
    """

    def __init__(
        self,
        fetch: Callable[[Sequence[K], str], Awaitable[Mapping[K, V]]],
        *,
        max_batch: int = 500,
        max_in_flight: int = 2,
    ) -> None:
        self._fetch = fetch
        self._max_batch = max_batch
        self._free = max_in_flight
        self._waiting: dict[K, list[_Waiter[V]]] = {}
        self._scheduled = False
        self._calls: set[asyncio.Task[None]] = set()

    async def get(self, key: K, request_id: str) -> V | None:
        """The value of `key`, or None if there is none."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[V | None] = loop.create_future()
        self._waiting.setdefault(key, []).append(_Waiter(future, request_id))
        if self._free and not self._scheduled:
            # At the end of this turn of the loop: whoever arrived in the same turn shares the call, at no wait.
            self._scheduled = True
            loop.call_soon(self._depart)
        return await future

    def _depart(self) -> None:
        self._scheduled = False
        while self._free and (batch := self._next_batch()):
            self._free -= 1
            call = asyncio.get_running_loop().create_task(self._serve(batch))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)

    def _next_batch(self) -> dict[K, list[_Waiter[V]]]:
        if len(self._waiting) <= self._max_batch:
            gathered, self._waiting = self._waiting, {}
        else:
            gathered = {key: self._waiting.pop(key) for key in list(self._waiting)[: self._max_batch]}
        return {
            key: waiters for key, waiters in gathered.items() if not all(waiter.future.done() for waiter in waiters)
        }

    async def _serve(self, batch: dict[K, list[_Waiter[V]]]) -> None:
        try:
            found = await self._fetch(list(batch), next(iter(batch.values()))[0].request_id)
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
        finally:
            self._free += 1
            self._depart()
