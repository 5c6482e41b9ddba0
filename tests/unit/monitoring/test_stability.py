import math
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2, chi2_contingency

from monitored import quantity
from prediction_service.monitoring.evidence import Evidence
from prediction_service.monitoring.stability import (
    bin_shares,
    dispersion,
    largest_change,
    quantity_stability,
    severity,
    shift,
    stability_alarm,
)

TRAINED = (2_000, 5_000, 2_000, 1_000)
counts = st.lists(st.integers(0, 3_000), min_size=4, max_size=4).filter(any)
SINCE = date(2026, 11, 2)


@given(counts, counts, st.floats(1, 5))
def test_the_index_its_noise_and_its_critical_value(reference: list[int], window: list[int], d: float) -> None:
    found = shift(quantity(counts=tuple(reference), design_effect=d), window)
    training, clients = sum(reference), sum(window)
    p = [(r + 0.5) / (training + 2) for r in reference]
    q = [(x + 0.5) / (clients + 2) for x in window]
    degrees = sum(bool(r or x) for r, x in zip(reference, window, strict=True)) - 1
    expected = sum((b - a) * math.log(b / a) for a, b in zip(p, q, strict=True))
    scale = d * (1 / clients + 1 / training)
    assert found.psi == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert found.noise == pytest.approx(scale * degrees)
    assert found.critical_95 == pytest.approx(scale * chi2.ppf(0.95, degrees) if degrees else 0)
    assert found.size == max(0, found.psi - found.noise)


@pytest.mark.parametrize(
    ("size", "name"), [(0.01, "small"), (0.0999, "small"), (0.1, "moderate"), (0.25, "large"), (3, "large")]
)
def test_severity_follows_the_customary_limits(size: float, name: str) -> None:
    assert severity(size) == name


@given(
    st.lists(st.lists(st.integers(0, 50), min_size=4, max_size=4).filter(any), min_size=2, max_size=12), st.floats(1, 4)
)
def test_dispersion_is_pearson_s_chi_square_of_days(days: list[list[int]], d: float) -> None:
    used = [column for column in zip(*days, strict=True) if any(column)]
    found = dispersion(days, d)
    if len(used) < 2:
        assert found is None
        return
    test = chi2_contingency(list(zip(*used, strict=True)), correction=False)
    assert found is not None
    assert found.value == pytest.approx(test.statistic / test.dof, rel=1e-9, abs=1e-9)
    assert found.limit == pytest.approx(d * chi2.ppf(0.999, test.dof) / test.dof, rel=1e-9)


def test_the_promise_is_withdrawn_where_days_differ_too_much() -> None:
    even, uneven = [[20, 50, 20, 10]] * 10, [[80, 10, 5, 5], [5, 10, 5, 80]] * 5
    found = [dispersion(days, 1.0) for days in (even, uneven)]
    assert [one.promise_holds for one in found if one] == [True, False]
    assert dispersion([[1, 2, 0, 0], [0, 0, 0, 0]], 1.0) is None


@pytest.mark.parametrize(
    ("evidence", "window", "opens"),
    [
        (Evidence(11, SINCE), (400, 200, 200, 200), True),
        (Evidence(10.9, SINCE), (400, 200, 200, 200), False),
        (Evidence(11, SINCE), (200, 500, 200, 100), False),
        (Evidence(-math.inf, None), (400, 200, 200, 200), False),
    ],
)
def test_an_alarm_needs_evidence_and_a_size_that_matters(
    evidence: Evidence, window: tuple[int, ...], opens: bool
) -> None:
    alarm = stability_alarm(quantity(counts=TRAINED), evidence, window, 10.98)
    assert (alarm is not None) is opens
    if alarm:
        assert (alarm.severity, alarm.since, alarm.log_threshold) == ("large", SINCE, 10.98)
        assert alarm.largest == bin_shares(quantity(counts=TRAINED), window)[1]
        assert alarm.largest.bin == "up to 50"


def test_the_largest_change_may_be_that_of_missing_values() -> None:
    found = largest_change(quantity(counts=TRAINED), (160, 400, 160, 280))
    assert found is not None
    assert (found.bin, found.expected, found.observed) == ("missing", 0.1, 0.28)
    assert largest_change(quantity(counts=TRAINED), (0, 0, 0, 0)) is None


def test_a_quantity_is_shown_with_its_bins() -> None:
    days = [(40, 100, 40, 20), (45, 95, 42, 18)]
    shown = quantity_stability(quantity(counts=TRAINED), days, Evidence(-3.1, SINCE), alarmed=False)
    assert (shown.name, shown.clients, shown.log_e, shown.since, shown.state) == ("age", 400, -3.1, SINCE, "quiet")
    assert shown.psi == shift(quantity(counts=TRAINED), (85, 195, 82, 38)).psi
    assert [one.upto for one in shown.bins] == [30, 50, None, None]
    assert [one.observed for one in shown.bins] == [85 / 400, 195 / 400, 82 / 400, 38 / 400]
    assert (shown.too_few, shown.promise_holds) == (False, True)


def test_under_200_clients_there_is_no_index_and_without_any_no_share() -> None:
    few = quantity_stability(quantity(counts=TRAINED), [(40, 100, 40, 19)], Evidence(0, SINCE), alarmed=True)
    assert (few.psi, few.noise, few.size, few.critical_95, few.too_few, few.state) == (None,) * 4 + (True, "alarm")
    none = quantity_stability(quantity(counts=TRAINED), [], Evidence(-math.inf, None), alarmed=False)
    assert (none.clients, none.log_e, none.bins[0].observed, none.dispersion) == (0, None, None, None)
