import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp, kstwobign
from sklearn.metrics import roc_auc_score

from prediction_service.monitoring.ranking import (
    auc,
    auc_difference,
    expected_auc,
    kolmogorov_smirnov,
    placements,
    useless_ks,
)

Rows = list[tuple[float, float, bool]]
score = st.integers(0, 12).map(lambda k: k / 12)
"""Few values, so that ties are common."""

rows = st.lists(st.tuples(score, score, st.booleans()), min_size=4, max_size=60).filter(
    lambda found: 2 <= sum(y for *_, y in found) <= len(found) - 2
)


def columns(found: Rows) -> tuple[list[float], list[float], list[bool]]:
    return [p for p, _, _ in found], [q for _, q, _ in found], [y for *_, y in found]


def kernel(p: list[float], y: list[bool]) -> np.ndarray:
    bad, good = (np.array([q for q, label in zip(p, y, strict=True) if label is kind]) for kind in (True, False))
    return np.asarray((bad[:, None] > good) + 0.5 * (bad[:, None] == good))


@given(rows)
def test_auc_is_that_of_scikit_learn_and_its_error_that_of_delong(found: Rows) -> None:
    p, _, y = columns(found)
    pairs = kernel(p, y)
    one = auc(p, y)
    assert one.value == pytest.approx(roc_auc_score(y, p), abs=1e-9)
    variance = pairs.mean(axis=1).var(ddof=1) / len(pairs) + pairs.mean(axis=0).var(ddof=1) / pairs.shape[1]
    assert one.se == pytest.approx(np.sqrt(variance), abs=1e-9)
    places = placements(p, y)
    assert places.defaults == pytest.approx(pairs.mean(axis=1), abs=1e-9)
    assert places.others == pytest.approx(pairs.mean(axis=0), abs=1e-9)


@given(rows)
def test_the_difference_of_auc_has_delong_s_covariance(found: Rows) -> None:
    p, q, y = columns(found)
    one, two = kernel(p, y), kernel(q, y)
    bad = np.cov(one.mean(axis=1), two.mean(axis=1))
    good = np.cov(one.mean(axis=0), two.mean(axis=0))
    covariance = bad / len(one) + good / one.shape[1]
    difference = auc_difference(p, q, y)
    assert difference.value == pytest.approx(one.mean() - two.mean(), abs=1e-9)
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    assert difference.se**2 == pytest.approx(variance, abs=1e-12)
    assert difference.interval.low <= difference.value <= difference.interval.high


@given(rows)
def test_ks_is_that_of_scipy(found: Rows) -> None:
    p, _, y = columns(found)
    bad, good = ([q for q, label in zip(p, y, strict=True) if label is kind] for kind in (True, False))
    assert kolmogorov_smirnov(p, y) == pytest.approx(ks_2samp(bad, good, method="asymp").statistic, abs=1e-9)


def test_the_ks_of_a_useless_score_is_the_mean_of_kolmogorov_s_distribution() -> None:
    assert useless_ks(100, 400) == pytest.approx(kstwobign.mean() * np.sqrt(1 / 100 + 1 / 400), rel=1e-4)
    assert useless_ks(30, 10**9) == pytest.approx(0.16, abs=0.002)


@given(st.lists(score, min_size=2, max_size=50))
def test_the_expected_auc_is_the_sum_over_pairs(p: list[float]) -> None:
    won = total = 0.0
    for i, first in enumerate(p):
        for j, second in enumerate(p):
            if i != j:
                weight = first * (1 - second)
                total += weight
                won += weight * ((first > second) + (first == second) / 2)
    if total < 1e-12:
        assert expected_auc(p) is None
    else:
        assert expected_auc(p) == pytest.approx(won / total, abs=1e-9)


def test_the_expected_auc_is_what_true_probabilities_reach() -> None:
    rng = np.random.default_rng(0)
    p = rng.beta(2, 40, 40_000)
    observed = roc_auc_score(rng.random(40_000) < p, p)
    assert expected_auc(p.tolist()) == pytest.approx(observed, abs=0.015)


@settings(max_examples=50)
@given(rows)
def test_the_interval_of_auc_lies_inside_zero_and_one(found: Rows) -> None:
    p, _, y = columns(found)
    one = auc(p, y)
    if 0 < one.value < 1:
        assert one.interval is not None
        assert 0 <= one.interval.low <= one.value <= one.interval.high <= 1
    else:
        assert one.interval is None


def test_the_interval_covers_the_true_auc() -> None:
    """95 % nominal; 100 defaults among 2,000, true AUC 0.6."""
    rng = np.random.default_rng(3)
    shift = 0.358287
    covered = 0
    for _ in range(200):
        p = np.concatenate([rng.normal(shift, 1, 100), rng.normal(0, 1, 1_900)]).tolist()
        interval = auc(p, [True] * 100 + [False] * 1_900).interval
        covered += interval is not None and interval.low <= 0.6 <= interval.high
    assert 180 <= covered <= 199
