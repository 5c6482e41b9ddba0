import math
from datetime import date

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from prediction_service.monitoring.calibration import (
    POINTS,
    TOLERATED,
    Month,
    added,
    calibration_evidence,
    calibration_regression,
    log_odds,
    outcome_sums,
    strongest_month,
)

probability = st.floats(1e-4, 1 - 1e-4)
outcomes = st.lists(st.tuples(probability, st.booleans()), min_size=1, max_size=40)


def test_the_grid_has_189_points_of_which_nine_are_tolerated() -> None:
    assert len(set(POINTS)) == 189
    assert {POINTS[index] for index in TOLERATED} == {(a, b) for a in (-0.1, 0, 0.1) for b in (0.75, 1, 1.25)}


@given(outcomes, st.floats(-8, 2), st.floats(1, 3))
def test_evidence_is_the_weighted_likelihood_over_the_best_tolerated(
    found: list[tuple[float, bool]], m: float, d_y: float
) -> None:
    sums = added(outcome_sums(p, y, m) for p, y in found)
    p, y = np.array([p for p, _ in found]), np.array([y for _, y in found])
    likelihood = {}
    for a, b in POINTS:
        z = m + a + b * (np.log(p / (1 - p)) - m)
        likelihood[a, b] = float(np.where(y, -np.logaddexp(0, -z), -np.logaddexp(0, z)).sum()) / d_y
    assert sums == pytest.approx([likelihood[point] * d_y for point in POINTS], rel=1e-9, abs=1e-9)
    weights = {(a, b): ((b == 1) / 21 + (a == 0) / 9 + 1 / 189) / 3 for a, b in POINTS}
    assert sum(weights.values()) == pytest.approx(1)
    mixture = np.logaddexp.reduce([math.log(weights[point]) + likelihood[point] for point in POINTS])
    best = max(value for (a, b), value in likelihood.items() if abs(a) < 0.11 and abs(b - 1) < 0.26)
    assert calibration_evidence(sums, d_y) == pytest.approx(mixture - best, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_certain_probabilities_have_finite_log_odds(p: float) -> None:
    assert abs(log_odds(p)) == pytest.approx(13.8155, abs=1e-4)
    assert all(math.isfinite(value) for value in outcome_sums(p, p == 0, -4))


def month(year: int, number: int, defaults: int) -> Month:
    m = log_odds(0.02)
    return Month(date(year, number, 1), added([outcome_sums(0.02, row < defaults, m) for row in range(200)]))


def test_a_window_starts_in_the_month_after_which_outcomes_differ_most() -> None:
    months = [month(2025, number, 4) for number in (1, 2, 3)] + [month(2025, 4, 15), month(2025, 6, 15)]
    found = strongest_month(months, 1.0)
    assert found.since == date(2025, 4, 1)
    assert found.log_e == pytest.approx(calibration_evidence(added([months[3].sums, months[4].sums]), 1.0), abs=1e-9)
    assert strongest_month(list(reversed(months)), 1.0) == found
    assert strongest_month([], 1.0).since is None


def test_windows_start_in_the_last_24_months_only() -> None:
    old, new = month(2023, 1, 40), month(2025, 1, 4)
    assert strongest_month([old, new], 1.0).since == date(2025, 1, 1)
    assert strongest_month([month(2023, 2, 40), new], 1.0).since == date(2023, 2, 1)


@settings(max_examples=30)
@given(st.integers(0, 10**6))
def test_the_regression_is_that_of_statsmodels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size, m = int(rng.integers(200, 3_000)), -2.0
    odds = m + rng.normal(0, 1, size)
    y = rng.random(size) < 1 / (1 + np.exp(-(m + rng.normal(0, 0.5) + rng.normal(1, 0.5) * (odds - m))))
    p = 1 / (1 + np.exp(-odds))
    fit = sm.Logit(y.astype(float), sm.add_constant(odds - m)).fit(disp=0, tol=1e-12)
    found = calibration_regression(p.tolist(), y.tolist(), m)
    assert found is not None
    assert (found.intercept.value + m, found.slope.value) == pytest.approx(fit.params, rel=1e-6, abs=1e-6)
    assert (found.intercept.se, found.slope.se) == pytest.approx(fit.bse, rel=1e-6)


def test_there_is_no_regression_of_separated_outcomes_or_of_one_probability() -> None:
    separated = [0.1] * 40 + [0.2] * 40
    assert calibration_regression(separated, [False] * 40 + [True] * 40, -2) is None
    assert calibration_regression([0.1] * 80, [row % 4 == 0 for row in range(80)], -2) is None
