"""Lists, counts and outcomes."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from decision_log import DecisionLog, Outcome, Query, Refused, uuid7
from decisions import Log, entry


def test_lists_are_paged_newest_first_and_filtered(log: Log) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    made = [entry(client_id=n % 2, decided_at=start + timedelta(days=n)) for n in range(7)]
    log.record(*made)
    listed = [each.listed for each in reversed(made)]

    async def work(opened: DecisionLog) -> None:
        first = await opened.records.list(Query(limit=4))
        assert (list(first.records), first.next_before) == (listed[:4], listed[3].decision_id)
        second = await opened.records.list(Query(limit=4, before=first.next_before))
        assert (list(second.records), second.next_before) == (listed[4:], None)
        of_client = await opened.records.list(
            Query(client_id=1, start=start + timedelta(days=2), end=start + timedelta(days=6))
        )
        assert list(of_client.records) == [made[5].listed, made[3].listed]
        assert not (await opened.records.list(Query(decision="decline"))).records
        counts = await opened.records.counts(start, start + timedelta(days=2))
        assert [tuple(each)[1:] for each in counts] == [("v1", 1, 0, 0)] * 2

    log.asked(work)


@pytest.mark.parametrize("place_is_known", [True, False])
def test_a_page_continues_at_a_record_that_was_erased_meanwhile(log: Log, place_is_known: bool) -> None:
    """All of one millisecond, in which the id of an erased record says no more than that."""
    second = datetime(2020, 1, 1, tzinfo=UTC)
    decided = [second + timedelta(microseconds=microseconds) for microseconds in (500, 600, 700)]
    oldest, erased, newest = (
        entry(client_id, decision_id=UUID(int=(int(second.timestamp()) * 1_000 << 80) + n), decided_at=instant)
        for n, (client_id, instant) in enumerate(zip((6, 5, 6), decided, strict=True))
    )
    log.sequenced(oldest, erased, newest)

    async def work(opened: DecisionLog) -> None:
        first = await opened.records.list(Query(limit=2))
        assert list(first.records) == [newest.listed, erased.listed]
        assert opened.erasure is not None
        await opened.erasure.of_client(5, datetime.now(UTC), None)
        if not place_is_known:  # erased by an earlier release
            await asyncio.to_thread(log.execute, "UPDATE erasures SET decided_at = NULL")
        rest = [each.decision_id for each in (await opened.records.list(Query(before=first.next_before))).records]
        repeated = [] if place_is_known else [newest.listed.decision_id]
        assert rest == [*repeated, oldest.listed.decision_id]

    log.asked(work)


def test_outcomes_are_added_once_and_the_newest_holds(log: Log) -> None:
    made = entry(decided_at=datetime.now(UTC) - timedelta(days=9))
    log.record(made)
    known, unknown = made.listed.decision_id, uuid7()
    now = datetime.now(UTC)
    good, later = Outcome(known, now - timedelta(days=5), False), Outcome(known, now - timedelta(days=1), True)

    async def work(opened: DecisionLog) -> None:
        wrong = [
            good._replace(defaulted=True),
            Outcome(known, now + timedelta(days=1), True),
            Outcome(known, now - timedelta(days=10), True),
            Outcome(unknown, now, True),
        ]
        taken = await opened.outcomes.add([good, good, *wrong])
        assert taken[:3] == (1, 1, [unknown])
        assert taken.refused == [
            Refused(known, "conflict"),
            Refused(known, "in_future"),
            Refused(known, "before_decision"),
        ]
        assert (await opened.outcomes.add([later, good]))[:2] == (1, 1)

    log.asked(work)
    assert log.execute("SELECT defaulted FROM current_outcomes") == [(True,)]
    assert log.execute("SELECT count(*) FROM outcomes") == [(2,)]
