from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prediction_service.monitoring.windows import Tally, Windows, daily_counts, start_days

FIRST = date(2026, 3, 1)


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


histories = st.lists(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 2)), max_size=8), max_size=8)
"""For each client its decisions: day and bin, in the order of deciding after sorting by day."""


def tallies(clients: list[list[tuple[int, int]]]) -> list[Tally]:
    found = []
    for decisions in clients:
        previous: date | None = None
        for number, index in sorted(decisions, key=lambda one: one[0]):
            found.append(Tally(day(number), previous, index, 1))
            previous = day(number)
    return found


def first_on_or_after(decisions: list[tuple[int, int]], start: int) -> tuple[int, int] | None:
    return next((one for one in sorted(decisions, key=lambda one: one[0]) if one[0] >= start), None)


@given(histories, st.integers(0, 20))
def test_each_client_counts_once_with_its_first_decision_on_or_after_the_start(
    clients: list[list[tuple[int, int]]], first: int
) -> None:
    windows = Windows(3, tallies(clients))
    for window in windows.by_start(day(first), day(21)):
        start = (window.start - FIRST).days
        found = [first_on_or_after(decisions, start) for decisions in clients]
        expected = tuple(sum(one is not None and one[1] == index for one in found) for index in range(3))
        assert window.counts == expected


@given(histories, st.integers(0, 20))
def test_the_days_of_a_window_add_up_to_it(clients: list[list[tuple[int, int]]], start: int) -> None:
    found = tallies(clients)
    days = daily_counts(found, day(start), 3)
    window = next(Windows(3, found).by_start(day(start), day(start)))
    assert tuple(sum(one[index] for one in days) for index in range(3)) == window.counts


def test_adding_later_gives_what_adding_at_once_gives() -> None:
    found = [Tally(day(0), None, 0, 5), Tally(day(4), day(0), 1, 3), Tally(day(9), day(4), 0, 2)]
    late = Windows(2, found[:1])
    list(late.by_start(day(0), day(9)))
    for one in found[1:]:
        late.add(one)
    assert list(late.by_start(day(0), day(9))) == list(Windows(2, found).by_start(day(0), day(9)))


def test_a_clock_that_steps_back_counts_nobody_twice() -> None:
    windows = Windows(1, [Tally(day(5), None, 0, 1), Tally(day(3), day(5), 0, 1), Tally(day(3), day(3), 0, 1)])
    assert [window.counts for window in windows.by_start(day(2), day(6))] == [(1,), (1,), (1,), (1,), (0,)]


@pytest.mark.parametrize(
    ("not_before", "first"), [(date(2020, 1, 1), date(2025, 11, 25)), (date(2026, 9, 1), date(2026, 9, 1))]
)
def test_starts_reach_back_a_year_but_not_behind_a_new_beginning(not_before: date, first: date) -> None:
    today = date(2026, 11, 24)
    assert start_days(today, not_before) == (first, today)
    assert (today - date(2025, 11, 25)).days + 1 == 365


def test_windows_that_start_anew_tomorrow_hold_nothing_today() -> None:
    first, last = start_days(day(5), day(6))
    assert list(Windows(1, [Tally(day(5), None, 0, 1)]).by_start(first, last)) == []
