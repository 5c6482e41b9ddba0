import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import gammainc
from scipy.stats import chi2
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from prediction_service.monitoring.distributions import (
    Rate,
    chi2_quantile,
    newcombe,
    ratio_interval,
    regularized_gamma,
    wilson,
)


@given(st.floats(0.001, 0.9999), st.integers(1, 4_000))
def test_quantiles_of_chi_square_are_those_of_scipy(probability: float, degrees: int) -> None:
    assert chi2_quantile(probability, degrees) == pytest.approx(chi2.ppf(probability, degrees), rel=1e-9)


@given(st.floats(0.1, 2_000), st.floats(0, 4_000))
def test_the_incomplete_gamma_function_is_that_of_scipy(a: float, x: float) -> None:
    assert regularized_gamma(a, x) == pytest.approx(gammainc(a, x), abs=1e-10)


@pytest.mark.parametrize(("probability", "degrees"), [(0, 1), (1, 1), (0.5, 0), (0.5, float("inf"))])
def test_there_is_no_quantile_outside_the_distribution(probability: float, degrees: float) -> None:
    with pytest.raises(ValueError, match="quantile"):
        chi2_quantile(probability, degrees)


counts = st.integers(1, 3_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts)
def test_wilson_limits_are_those_of_statsmodels(found: tuple[int, int]) -> None:
    assert wilson(*found) == pytest.approx(proportion_confint(*found, method="wilson"), abs=1e-9)


@given(counts, counts)
def test_newcombe_limits_are_those_of_statsmodels(first: tuple[int, int], second: tuple[int, int]) -> None:
    expected = confint_proportions_2indep(*first, *second, method="newcomb", compare="diff")
    assert newcombe(Rate(*first), Rate(*second)) == pytest.approx(expected, abs=1e-9)


@given(counts, counts)
def test_limits_of_a_ratio_solve_the_equation_of_mover(first: tuple[int, int], second: tuple[int, int]) -> None:
    """A limit r is where the MOVER limit of p1 - r p2 is zero: p1 - r p2 = -/+ sqrt((p1 - l1)^2 + r^2 (u2 - p2)^2)."""
    one, two = Rate(*first), Rate(*second)
    low, high = ratio_interval(one, two)
    (l1, u1), (l2, u2) = one.interval, two.interval
    assert (one.value - low * two.value) ** 2 == pytest.approx(
        (one.value - l1) ** 2 + low**2 * (u2 - two.value) ** 2, rel=1e-7, abs=1e-9
    )
    if second[0] == 0:
        assert high is None
        return
    assert high is not None
    assert low <= one.value / two.value <= high
    assert (one.value / high - two.value) ** 2 == pytest.approx(
        (u1 - one.value) ** 2 / high**2 + (two.value - l2) ** 2, rel=1e-7, abs=1e-9
    )


def test_a_rate_of_none_or_all_keeps_its_end() -> None:
    assert (wilson(0, 40).low, wilson(40, 40).high) == (0, 1)
    assert wilson(0, 40).high > 0
