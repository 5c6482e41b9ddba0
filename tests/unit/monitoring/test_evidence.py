import math
from datetime import date, timedelta
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import gammaln
from scipy.stats import dirichlet_multinomial

from prediction_service.monitoring.evidence import (
    Favourable,
    StabilityTest,
    daily_threshold,
    impact_evidence,
    monthly_threshold,
)
from prediction_service.monitoring.windows import Window

cells = st.integers(2, 11).flatmap(
    lambda k: st.tuples(
        st.lists(st.integers(0, 4_000), min_size=k, max_size=k).filter(any),
        st.lists(st.integers(0, 20_000), min_size=k, max_size=k),
        st.floats(1, 6),
    )
)


@given(cells)
def test_stability_evidence_is_the_ratio_of_two_dirichlet_multinomials(
    found: tuple[list[int], list[int], float],
) -> None:
    reference, window, d = found
    a = 0.5 + np.array(reference) / d
    b = min(300, a.sum() / 8) * a / a.sum()
    z = np.array(window) / d

    def log_dm(alpha: np.ndarray) -> float:
        total = gammaln(alpha.sum()) - gammaln(alpha.sum() + z.sum())
        return float((gammaln(alpha + z) - gammaln(alpha)).sum() + total)

    assert StabilityTest(reference, d).log_e(window) == pytest.approx(log_dm(b) - log_dm(a), rel=1e-9, abs=1e-8)


def test_with_independent_clients_it_is_scipy_s_distribution() -> None:
    reference, window = [300, 500, 200], [20, 40, 45]
    a = 0.5 + np.array(reference)
    b = a / 8
    expected = dirichlet_multinomial.logpmf(window, b, 105) - dirichlet_multinomial.logpmf(window, a, 105)
    assert StabilityTest(reference, 1).log_e(window) == pytest.approx(expected, abs=1e-9)


def test_the_expected_evidence_without_a_change_is_one() -> None:
    """Summed over every window of six clients, under the null that the test names."""
    reference = [5, 9, 2]
    a = 0.5 + np.array(reference)
    windows = [x for x in product(range(7), repeat=3) if sum(x) == 6]
    mean = sum(math.exp(dirichlet_multinomial.logpmf(x, a, 6) + StabilityTest(reference, 1).log_e(x)) for x in windows)
    assert mean == pytest.approx(1, abs=1e-9)


def test_the_strongest_start_is_named_and_of_equals_the_latest_whose_day_has_decisions() -> None:
    test, first = StabilityTest([500, 500], 1), date(2026, 1, 1)
    counts = [(50, 50), (90, 10), (90, 10), (55, 45)]
    found = test.strongest(Window(first + timedelta(days=number), one) for number, one in enumerate(counts))
    assert found.since == first + timedelta(days=2)
    assert found.log_e == StabilityTest([500, 500], 1).log_e((90, 10))
    assert test.strongest([]) == (-math.inf, None)


def test_thresholds_share_the_promise_among_streams_and_starts() -> None:
    assert daily_threshold(8) == pytest.approx(10.98, abs=0.005)
    assert monthly_threshold(8) == pytest.approx(7.56, abs=0.005)
    assert daily_threshold(8, 0.01) == pytest.approx(daily_threshold(8) + math.log(5))


side = st.integers(1, 3_000).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


@given(side, side, st.floats(1, 5))
def test_impact_evidence_is_jeffreys_mixture_over_the_best_fit_under_four_fifths(
    group: tuple[int, int], others: tuple[int, int], d: float
) -> None:
    (n1, x1), (n2, x2) = [(n / d, x / d) for n, x in (group, others)]

    def likelihood(n: float, x: float, rate: float) -> float:
        return (x * math.log(rate) if x else 0.0) + ((n - x) * math.log1p(-rate) if n - x > 0 else 0.0)

    if x1 / n1 >= 0.8 * x2 / n2:
        best = likelihood(n1, x1, x1 / n1) + likelihood(n2, x2, x2 / n2)
    else:
        fit = minimize_scalar(
            lambda q: -likelihood(n1, x1, 0.8 * q) - likelihood(n2, x2, q),
            bounds=(1e-12, 1 - 1e-12),
            method="bounded",
            options={"xatol": 1e-13, "maxiter": 1_000},
        )
        best = max(-fit.fun, likelihood(n1, x1, 0.8) if x2 == n2 else -math.inf)
    mixture = sum(
        gammaln(x + 0.5) + gammaln(n - x + 0.5) - gammaln(n + 1) - math.log(math.pi) for n, x in ((n1, x1), (n2, x2))
    )
    assert impact_evidence(Favourable(*group), Favourable(*others), d) == pytest.approx(
        mixture - best, rel=1e-8, abs=1e-7
    )


def test_the_expected_impact_evidence_is_at_most_one_under_the_null() -> None:
    def binomial(n: int, x: int, rate: float) -> float:
        return math.comb(n, x) * rate**x * (1 - rate) ** (n - x)

    for others_rate, ratio in product((0.3, 0.8, 1.0), (0.8, 0.9, 1.0)):
        mean = sum(
            binomial(9, x, ratio * others_rate)
            * binomial(12, y, others_rate)
            * math.exp(impact_evidence(Favourable(9, x), Favourable(12, y), 1))
            for x, y in product(range(10), range(13))
        )
        assert 0 < mean <= 1 + 1e-9


def test_a_ratio_far_below_four_fifths_is_strong_evidence_and_equal_rates_are_none() -> None:
    assert impact_evidence(Favourable(1_000, 500), Favourable(9_000, 8_000), 1) > 50
    assert impact_evidence(Favourable(1_000, 880), Favourable(9_000, 8_000), 1) < 0
    assert impact_evidence(Favourable(0, 0), Favourable(9_000, 8_000), 1) < 0
