"""Calendar months, as retention counts them."""

from datetime import UTC, datetime

import pytest

from prediction_service.decisions.retention import months_after, months_before


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [("2026-11-24", 25, "2028-12-24"), ("2026-01-31", 1, "2026-02-28"), ("2027-12-31", 2, "2028-02-29"), ("2026-12-01", 1, "2027-01-01")],
)  # fmt: skip
def test_months_are_those_of_the_calendar(start: str, months: int, end: str) -> None:
    assert months_after(day(start), months) == day(end)


def test_a_month_before_a_day_that_it_lacks_is_its_last_day() -> None:
    assert months_before(day("2026-03-31"), 1) == day("2026-02-28")
    assert months_before(day("2026-11-24"), 25) == day("2024-10-24")
