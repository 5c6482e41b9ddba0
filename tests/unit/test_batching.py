import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service_kit.batching import Batcher
from service_kit.problems import Overloaded
from service_kit.request.ask import Ask


def asked(request_id: str) -> Ask[None]:
    return Ask(request_id, asyncio.get_running_loop().time() + 60, None)


class Lookups:
    """Remembers its calls; each waits for `go` when that is closed."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.request_ids: list[str] = []
        self.deadlines: list[float] = []
        self.go = asyncio.Event()
        self.go.set()
        self.running = 0
        self.most_running = 0
        self.failing: set[int] = set()
        self.failure: Exception = Overloaded()

    async def fetch(self, keys: Sequence[int], ask: Ask[object]) -> dict[int, str]:
        self.calls.append(list(keys))
        self.request_ids.append(ask.request_id)
        self.deadlines.append(ask.deadline)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await asyncio.sleep(0)
            await self.go.wait()
            if self.failing & set(keys):
                raise self.failure
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
            assert await batcher.get(1, asked("a")) == "value 1"
        assert lookups.calls == [[1]]

    run(scenario())


def test_lookups_of_one_moment_share_a_call_and_each_gets_its_own_value() -> None:
    async def scenario() -> None:
        lookups = Lookups()
        batcher = Batcher(lookups.fetch)
        values = await asyncio.gather(*(batcher.get(key, asked(f"r{key}")) for key in (3, 1, 2, 3)))
        assert values == ["value 3", "value 1", "value 2", "value 3"]
        assert lookups.calls == [[3, 1, 2]]
        assert lookups.request_ids == ["r3"]

    run(scenario())


def test_a_key_that_has_no_value_is_none_and_spoils_nothing() -> None:
    async def scenario() -> None:
        batcher = Batcher(Lookups().fetch)
        assert list(await asyncio.gather(batcher.get(10, asked("a")), batcher.get(11, asked("b")))) == [
            None,
            "value 11",
        ]

    run(scenario())


def test_newcomers_gather_while_calls_are_in_flight() -> None:
    async def scenario() -> None:
        lookups = Lookups()
        lookups.go.clear()
        batcher = Batcher(lookups.fetch, max_in_flight=1)
        first = asyncio.create_task(batcher.get(1, asked("a")))
        await asyncio.sleep(0.01)
        others = [asyncio.create_task(batcher.get(key, asked("b"))) for key in range(2, 8)]
        await asyncio.sleep(0.01)
        assert lookups.calls == [[1]]
        lookups.go.set()
        await asyncio.gather(first, *others)
        assert lookups.calls == [[1], [2, 3, 4, 5, 6, 7]]

    run(scenario())


def test_batches_and_calls_in_flight_are_bounded() -> None:
    async def scenario() -> None:
        lookups = Lookups()
        batcher = Batcher(lookups.fetch, max_batch=4, max_in_flight=2, patience=0)
        values = await asyncio.gather(*(batcher.get(key, asked("a")) for key in range(1, 40)))
        assert values == [f"value {key}" if key % 10 else None for key in range(1, 40)]
        assert max(map(len, lookups.calls)) == 4
        assert lookups.most_running == 2

    run(scenario())


def test_an_error_reaches_exactly_those_whose_call_failed() -> None:
    async def scenario() -> None:
        lookups = Lookups()
        lookups.failing = {2}
        batcher = Batcher(lookups.fetch, max_batch=2, max_in_flight=1)
        results = await asyncio.gather(*(batcher.get(key, asked("a")) for key in (1, 2, 3, 4)), return_exceptions=True)
        assert [type(result) for result in results] == [Overloaded, Overloaded, str, str]
        assert await batcher.get(5, asked("a")) == "value 5"

    run(scenario())


def test_what_nobody_expects_fails_only_the_key_that_it_is_about() -> None:
    async def scenario() -> None:
        lookups = Lookups()
        lookups.failing, lookups.failure = {2}, ValueError()
        batcher = Batcher(lookups.fetch)
        results = await asyncio.gather(*(batcher.get(key, asked("a")) for key in (1, 2, 10, 3)), return_exceptions=True)
        assert [type(result) for result in results] == [str, ValueError, type(None), str]
        assert lookups.calls == [[1, 2, 10, 3], [1], [2], [10], [3]]
        assert lookups.most_running == 1

    run(scenario())


def test_an_exception_in_the_place_of_a_value_is_raised_for_that_key_only() -> None:
    async def fetch(keys: Sequence[int], _: Ask[object]) -> dict[int, str | Exception]:
        return {key: KeyError() if key == 2 else "value" for key in keys}

    async def scenario() -> None:
        batcher = Batcher(fetch)
        results = await asyncio.gather(*(batcher.get(key, asked("a")) for key in (1, 2, 3)), return_exceptions=True)
        assert [type(result) for result in results] == [str, KeyError, str]

    run(scenario())


def test_keys_that_are_fetched_alone_are_not_once_nobody_waits() -> None:
    async def scenario() -> None:
        lookups = Lookups()
        lookups.failing, lookups.failure = {1}, ValueError()
        batcher = Batcher(lookups.fetch)
        tasks = [asyncio.create_task(batcher.get(key, asked("a"))) for key in (1, 2, 3)]
        await asyncio.sleep(0)
        lookups.go.clear()
        await asyncio.sleep(0.01)
        tasks[1].cancel()
        lookups.go.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in results] == [ValueError, asyncio.CancelledError, str]
        assert [2] not in lookups.calls

    run(scenario())


def test_a_waiter_that_leaves_harms_no_other() -> None:
    async def scenario() -> None:
        lookups = Lookups()
        lookups.go.clear()
        batcher = Batcher(lookups.fetch)
        leaving = asyncio.create_task(batcher.get(1, asked("a")))
        staying = asyncio.create_task(batcher.get(1, asked("b")))
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
        first = asyncio.create_task(batcher.get(1, asked("a")))
        await asyncio.sleep(0.01)
        leaving = asyncio.create_task(batcher.get(2, asked("b")))
        staying = asyncio.create_task(batcher.get(3, asked("c")))
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
        patient = asyncio.create_task(batcher.get(1, asked("a")))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await batcher.get(1, asked("b"))
        lookups.go.set()
        assert await patient == "value 1"

    run(scenario())


def test_a_waiter_is_told_when_its_deadline_has_passed_and_the_others_wait_on() -> None:
    async def scenario() -> None:
        lookups = Lookups()
        lookups.go.clear()
        batcher = Batcher(lookups.fetch)
        now = asyncio.get_running_loop().time()
        hurried = asyncio.create_task(batcher.get(1, Ask("a", now + 0.02, None)))
        patient = asyncio.create_task(batcher.get(1, Ask("b", now + 5, None)))
        with pytest.raises(TimeoutError):
            await hurried
        lookups.go.set()
        assert await patient == "value 1"
        assert lookups.deadlines == [now + 5]

    run(scenario())


def test_a_fetch_that_hangs_holds_up_the_next_for_the_patience_only() -> None:
    async def scenario() -> None:
        lookups = Lookups()
        lookups.go.clear()
        batcher = Batcher(lookups.fetch, max_in_flight=2, patience=0.05)
        first = asyncio.create_task(batcher.get(1, asked("a")))
        await asyncio.sleep(0.01)
        others = [asyncio.create_task(batcher.get(key, asked("b"))) for key in (2, 3)]
        await asyncio.sleep(0.01)
        assert lookups.calls == [[1]]
        await asyncio.sleep(0.1)
        assert lookups.calls == [[1], [2, 3]]
        lookups.go.set()
        await asyncio.gather(first, *others)

    run(scenario())


def test_a_full_batch_does_not_wait_for_the_one_in_flight() -> None:
    async def scenario() -> None:
        lookups = Lookups()
        lookups.go.clear()
        batcher = Batcher(lookups.fetch, max_batch=2, patience=60)
        waiting = [asyncio.create_task(batcher.get(key, asked("a"))) for key in (1, 2, 3, 4, 5)]
        await asyncio.sleep(0.01)
        assert lookups.calls == [[1, 2], [3, 4]]
        lookups.go.set()
        await asyncio.gather(*waiting)
        assert lookups.calls[2:] == [[5]]

    run(scenario())


@given(
    lookups=st.lists(st.tuples(st.integers(1, 12), st.integers(0, 3), st.booleans()), max_size=60),
    max_batch=st.integers(1, 6),
    max_in_flight=st.integers(1, 3),
    failing=st.sets(st.integers(1, 12), max_size=2),
)
@settings(max_examples=300, deadline=None)
def test_whatever_arrives_leaves_or_fails_everyone_gets_the_own_answer_and_nothing_remains(
    lookups: list[tuple[int, int, bool]], max_batch: int, max_in_flight: int, failing: set[int]
) -> None:
    async def scenario() -> None:
        known = Lookups()
        known.failing = failing
        batcher = Batcher(known.fetch, max_batch=max_batch, max_in_flight=max_in_flight, patience=0)
        tasks = []
        for key, turns, leaves in lookups:
            task = asyncio.create_task(batcher.get(key, asked("a")))
            for _ in range(turns):
                await asyncio.sleep(0)
            if leaves:
                task.cancel()
            tasks.append(task)
        async with asyncio.timeout(1):
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for (key, _, leaves), result in zip(lookups, results, strict=True):
            if isinstance(result, asyncio.CancelledError):
                assert leaves
            elif isinstance(result, Overloaded):
                assert any(key in call and failing & set(call) for call in known.calls)
            else:
                assert result == (f"value {key}" if key % 10 else None)
        assert all(len(call) == len(set(call)) <= max_batch for call in known.calls)
        assert known.most_running <= max_in_flight
        await asyncio.sleep(0)
        assert (batcher._waiting, batcher._in_flight, batcher._scheduled) == ({}, {}, None)

    run(scenario())
