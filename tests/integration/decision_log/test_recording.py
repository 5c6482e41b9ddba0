"""What is recorded, once, whole or not at all, and within the deadline."""

import asyncio
import random
import time

import asyncpg
import pytest

from decision_log import AlreadyRecorded, DecisionLog, EntryRefused, LogUnavailable, Source, open_decision_log
from decisions import Log, entry, review


def stored(log: Log) -> tuple[object, ...]:
    return log.execute("SELECT (SELECT count(*) FROM records), (SELECT count(*) FROM queue)")[0]


def test_the_bytes_come_back_as_they_were_recorded(log: Log) -> None:
    made = entry()
    log.record(made)
    assert log.asked(lambda opened: opened.records.get(made.listed.decision_id)) == made.record
    assert log.asked(lambda opened: opened.records.get(entry().listed.decision_id)) is None
    assert log.execute("SELECT commitment FROM queue") == [(made.commitment,)]


def test_the_same_entries_twice_are_recorded_once(log: Log) -> None:
    made = [entry() for _ in range(3)]
    log.record(*made[:2])
    log.record(*made)
    assert stored(log) == (3, 3)


def test_a_batch_of_a_thousand_is_recorded_whole_or_not_at_all(log: Log) -> None:
    thousand = [entry() for _ in range(999)]
    with pytest.raises(EntryRefused):
        log.record(*thousand, entry(client_id=5, score=None, reviews=entry().listed.decision_id, kind="review"))
    assert stored(log) == (0, 0)
    log.record(*thousand, entry())
    assert stored(log) == (1_000, 1_000)


def test_an_entry_that_is_refused_fails_its_caller_only(log: Log) -> None:
    known, good = entry(), entry()
    log.record(known)
    other = entry(decision_id=known.listed.decision_id)
    bad = entry(score=10**12)

    async def work(opened: DecisionLog) -> list[object]:
        calls = ([good], [other, entry()], [bad], [known])
        return await asyncio.gather(*(opened.recorder.record(call) for call in calls), return_exceptions=True)

    first, second, third, fourth = log.asked(work)
    assert (first, fourth) == (None, None)
    assert isinstance(second, AlreadyRecorded)
    assert second.decision_ids == [known.listed.decision_id]
    assert isinstance(third, EntryRefused)
    assert stored(log) == (2, 2)


def test_concurrent_callers_share_a_transaction(log: Log) -> None:
    async def work(opened: DecisionLog) -> None:
        await asyncio.gather(*(opened.recorder.record([entry()]) for _ in range(200)))

    log.asked(work)
    [(transactions,)] = log.execute("SELECT count(DISTINCT xmin::text) FROM records")
    assert stored(log) == (200, 200)
    assert transactions <= 4  # type: ignore[operator]


def test_what_was_in_flight_on_a_lost_connection_is_written_again_once(log: Log) -> None:
    async def work(opened: DecisionLog) -> int:
        blocker = await asyncpg.connect(log.url())
        try:
            async with blocker.transaction():
                await blocker.execute("LOCK TABLE queue IN ACCESS EXCLUSIVE MODE")
                recording = asyncio.create_task(opened.recorder.record([entry()]))
                while not await blocker.fetchval(_END_WAITING):  # noqa: ASYNC110 -- the state of another server
                    await asyncio.sleep(0.01)
            await recording
        finally:
            await blocker.close()
        return opened.recorder.retries

    assert log.asked(work) == 1
    assert stored(log) == (1, 1)


_END_WAITING = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
       AND application_name = 'decision_log recorder'
"""


def test_a_database_that_is_away_is_one_error_within_the_deadline(log: Log) -> None:
    async def run() -> None:
        async with open_decision_log(Source("postgresql://decision_writer@127.0.0.1:1/none", None, 1.0)) as opened:
            with pytest.raises(LogUnavailable):
                await opened.recorder.record([entry()])
            with pytest.raises(LogUnavailable):
                await opened.records.get(entry().listed.decision_id)

    asyncio.run(run())


def test_a_slow_database_is_given_up_at_the_deadline_and_used_again_afterwards(log: Log) -> None:
    async def work(opened: DecisionLog) -> float:
        blocker = await asyncpg.connect(log.url())
        try:
            async with blocker.transaction():
                await blocker.execute("LOCK TABLE queue IN ACCESS EXCLUSIVE MODE")
                began = time.monotonic()
                calls = (opened.recorder.record([entry()], asyncio.get_running_loop().time() + 0.3) for _ in range(5))
                answers = await asyncio.gather(*calls, return_exceptions=True)
                took = time.monotonic() - began
                assert all(isinstance(each, LogUnavailable) for each in answers)
        finally:
            await blocker.close()
        await opened.recorder.record([entry()])
        return took

    assert log.asked(work) < 1.0
    assert stored(log) == (1, 1)


def test_a_commit_waits_for_the_disk(log: Log) -> None:
    log.execute(f"ALTER DATABASE {log.database} SET synchronous_commit = off")

    async def work(opened: DecisionLog) -> str:
        await opened.recorder.record([entry()])
        [connection, *_] = opened.recorder._idle[::-1]
        assert connection is not None
        found: str = await connection.fetchval("SHOW synchronous_commit")
        return found

    assert log.asked(work) == "on"


def test_reviews_are_listed_with_their_decision(log: Log) -> None:
    made = entry()
    first, second = review(made), review(made)
    log.record(made)
    log.record(first, second)
    assert log.asked(lambda opened: opened.records.reviews(made.listed.decision_id)) == [first.record, second.record]


def test_connections_that_end_at_any_moment_lose_and_repeat_nothing(log: Log) -> None:
    causes: list[str] = []

    async def call(opened: DecisionLog) -> None:
        try:
            await opened.recorder.record([entry()])
        except LogUnavailable as error:
            causes.append(error.cause)

    async def work(opened: DecisionLog) -> int:
        other, made = await asyncpg.connect(log.url()), 0
        while opened.recorder.retries < 20:
            calls = [asyncio.create_task(call(opened)) for _ in range(8)]
            await asyncio.sleep(random.random() / 500)
            await other.execute(_END)
            await asyncio.gather(*calls)
            made += len(calls)
        await other.close()
        return made

    made = log.asked(work)
    assert causes == []
    assert stored(log) == (made, made)


_END = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'decision_log recorder'
"""
