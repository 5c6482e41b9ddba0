import asyncio
from collections.abc import Sequence

import pytest

from service_kit.batching import Batcher


class Lookups:
    """Remembers its calls; each waits for `go` when that is closed."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.request_ids: list[str] = []
        self.go = asyncio.Event()
        self.go.set()
        self.running = 0
        self.most_running = 0
        self.failing: set[int] = set()

    async def fetch(self, keys: Sequence[int], request_id: str) -> dict[int, str]:
        self.calls.append(list(keys))
        self.request_ids.append(request_id)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await asyncio.sleep(0)
            await self.go.wait()
            if self.failing & set(keys):
                raise ConnectionError
            return {key: f"value {key}" for key in keys if key % 10}
        finally:
            self.running -= 1


def run(scenario: object) -> None:
    asyncio.run(scenario)  # type: ignore[arg-type]


def test_a_single_lookup_leaves_without_waiting_for_others() -> None:
    async def scenario() -> None:
        lookups = Lookups()
        batcher = Batcher(lookups.fetch)
        async with asyncio.timeout(0.2):
            assert await batcher.get(1, "a") == "value 1"
        assert lookups.calls == [[1]]

    run(scenario())


def test_lookups_of_one_moment_share_a_call_and_each_gets_its_own_value() -> None:
    async def scenario() -> None:
        lookups = Lookups()
        batcher = Batcher(lookups.fetch)
        values = await asyncio.gather(*(batcher.get(key, f"r{key}") for key in (3, 1, 2, 3)))
        assert values == ["value 3", "value 1", "value 2", "value 3"]
        assert lookups.calls == [[3, 1, 2]]
        assert lookups.request_ids == ["r3"]

    run(scenario())


def test_a_key_that_has_no_value_is_none_and_spoils_nothing() -> None:
    async def scenario() -> None:
        batcher = Batcher(Lookups().fetch)
        assert list(await asyncio.gather(batcher.get(10, "a"), batcher.get(11, "b"))) == [None, "value 11"]

    run(scenario())


def test_newcomers_gather_while_calls_are_in_flight() -> None:
    async def scenario() -> None:
        lookups = Lookups()
        lookups.go.clear()
        batcher = Batcher(lookups.fetch, max_in_flight=1)
        first = asyncio.create_task(batcher.get(1, "a"))
        await asyncio.sleep(0.01)
        others = [asyncio.create_task(batcher.get(key, "b")) for key in range(2, 8)]
        await asyncio.sleep(0.01)
        assert lookups.calls == [[1]]
        lookups.go.set()
        await asyncio.gather(first, *others)
        assert lookups.calls == [[1], [2, 3, 4, 5, 6, 7]]

    run(scenario())


def test_batches_and_calls_in_flight_are_bounded() -> None:
    async def scenario() -> None:
        lookups = Lookups()
        batcher = Batcher(lookups.fetch, max_batch=4, max_in_flight=2)
        values = await asyncio.gather(*(batcher.get(key, "a") for key in range(1, 40)))
        assert values == [f"value {key}" if key % 10 else None for key in range(1, 40)]
        assert max(map(len, lookups.calls)) == 4
        assert lookups.most_running == 2

    run(scenario())


def test_an_error_reaches_exactly_those_whose_call_failed() -> None:
    async def scenario() -> None:
        lookups = Lookups()
        lookups.failing = {2}
        batcher = Batcher(lookups.fetch, max_batch=2, max_in_flight=1)
        results = await asyncio.gather(*(batcher.get(key, "a") for key in (1, 2, 3, 4)), return_exceptions=True)
        assert [type(result) for result in results] == [ConnectionError, ConnectionError, str, str]
        assert await batcher.get(5, "a") == "value 5"

    run(scenario())


def test_a_waiter_that_leaves_harms_no_other() -> None:
    async def scenario() -> None:
        lookups = Lookups()
        lookups.go.clear()
        batcher = Batcher(lookups.fetch)
        leaving = asyncio.create_task(batcher.get(1, "a"))
        staying = asyncio.create_task(batcher.get(1, "b"))
        await asyncio.sleep(0.01)
        leaving.cancel()
        await asyncio.sleep(0)
        lookups.go.set()
        assert await staying == "value 1"
        with pytest.raises(asyncio.CancelledError):
            await leaving

    run(scenario())


def test_a_key_for_which_nobody_waits_any_more_is_not_fetched() -> None:
    async def scenario() -> None:
        lookups = Lookups()
        lookups.go.clear()
        batcher = Batcher(lookups.fetch, max_in_flight=1)
        first = asyncio.create_task(batcher.get(1, "a"))
        await asyncio.sleep(0.01)
        leaving = asyncio.create_task(batcher.get(2, "b"))
        staying = asyncio.create_task(batcher.get(3, "c"))
        await asyncio.sleep(0.01)
        leaving.cancel()
        await asyncio.sleep(0)
        lookups.go.set()
        await asyncio.gather(first, staying)
        assert lookups.calls == [[1], [3]]

    run(scenario())


def test_each_waiter_has_a_deadline_of_its_own() -> None:
    async def scenario() -> None:
        lookups = Lookups()
        lookups.go.clear()
        batcher = Batcher(lookups.fetch)
        patient = asyncio.create_task(batcher.get(1, "a"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await batcher.get(1, "b")
        lookups.go.set()
        assert await patient == "value 1"

    run(scenario())
