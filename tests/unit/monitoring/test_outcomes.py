"""Which outcomes count, and when they are evidence."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from monitored import reference
from prediction_service.monitor.outcomes import Outcome, calibration, counted, figures, month_sums, spell
from prediction_service.monitor.proving import lacking
from prediction_service.monitoring.calibration import Sums, outcome_sums
from prediction_service.monitoring.comparison import Compared, compare
from prediction_service.monitoring.performance import Matured

START = datetime(2025, 1, 15, tzinfo=UTC)
YEAR = timedelta(days=365)


def row(client: int, day: int, defaulted: bool | None = False) -> dict[str, Any]:
    at = START + timedelta(days=day)
    return {
        "client_id": client, "decided_at": at, "probability": 0.02, "label": 0, "defaulted": defaulted, "record": None,
    }  # fmt: skip


def test_a_client_counts_once_within_the_horizon_with_its_first_decision() -> None:
    found = counted([row(1, 0), row(1, 30), row(2, 40), row(1, 364), row(1, 365), row(1, 400)], YEAR)
    assert [(one.decided_at - START).days for one in found] == [0, 40, 365]


def test_decisions_mature_at_the_horizon_and_for_24_months() -> None:
    when = spell(datetime(2026, 11, 20, 12, tzinfo=UTC), 365)
    assert when.last == datetime(2025, 11, 20, 12, tzinfo=UTC)
    assert when.first == datetime(2023, 12, 1, tzinfo=UTC)


def test_figures_are_by_month_of_decision_and_a_month_without_decisions_has_none() -> None:
    outcomes = [Outcome(START + timedelta(days=day), 0.02, 0, day == 0, None) for day in (0, 1, 80)]
    found = figures(outcomes, reference())
    assert list(found.months) == [date(2025, 1, 1), date(2025, 4, 1)]
    _, january = found.months[date(2025, 1, 1)]
    assert (january.decisions, january.defaults, january.auc) == (2, 1, None)
    assert found.total.outcomes == 3


def test_sums_of_a_month_are_those_of_its_outcomes() -> None:
    expected = tuple(a + b for a, b in zip(outcome_sums(0.02, True, -4.0), outcome_sums(0.1, False, -4.0), strict=True))
    sums = month_sums([Matured(0.02, True), Matured(0.1, False), Matured(0.3, None)], reference())
    assert sums == pytest.approx(expected, abs=1e-12)


def wrong(outcomes: int) -> Sums:
    """Sums of outcomes that all defaulted, at 2 %."""
    return tuple(outcomes * value for value in outcome_sums(0.02, True, -4.0))


def test_without_enough_outcomes_there_is_no_evidence() -> None:
    month = date(2025, 1, 1)
    assert calibration([(month, wrong(95), 100, 95)], month, 1.0).since == month
    assert calibration([(month, wrong(95), 100, 95)], month, 1.0).log_e > 10
    assert calibration([(month, wrong(94), 100, 94)], month, 1.0).since is None
    assert calibration([], month, 1.0).since is None
    assert calibration([(month, wrong(95), 100, 95)], date(2025, 2, 1), 1.0).since is None


def test_what_is_lacking_for_a_promotion_is_said() -> None:
    nothing = compare([])
    assert "outcome" in str(lacking(nothing, 0.05))
    equal = compare([Compared(0.1, 0.1, False, False, number % 2 == 0) for number in range(100)])
    assert "has to reach 3.00" in str(lacking(equal, 0.05))
    better = compare([Compared(0.5, 0.9 if y else 0.1, False, y, y) for y in [True, False] * 40])
    assert lacking(better, 0.05) is None
    few = compare([Compared(0.5, 0.9 if y else 0.1, False, y, y) for y in [True, False] * 12])
    assert "fewer than 30 defaults" in str(lacking(few, 0.05))
