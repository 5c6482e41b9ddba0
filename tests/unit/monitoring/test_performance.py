from datetime import date

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from monitored import quantity, reference
from prediction_service.monitoring.distributions import wilson
from prediction_service.monitoring.performance import Matured, performance
from prediction_service.monitoring.ranking import auc, expected_auc, kolmogorov_smirnov, useless_ks

TRAINED = reference(score=quantity(name="score", edges=(0.05, 0.1), counts=(3, 4, 3, 0)), mean_log_odds=-2.5)


def decisions(size: int, seed: int = 0) -> list[Matured]:
    rng = np.random.default_rng(seed)
    p = rng.beta(2, 20, size)
    y = rng.random(size) < p
    return [Matured(float(a), bool(b)) for a, b in zip(p, y, strict=True)]


def test_every_figure_of_a_period_is_that_of_its_outcomes() -> None:
    found = decisions(3_000)
    open_ones = [Matured(0.5, None)] * 100
    period = performance([*found, *open_ones], TRAINED, date(2025, 11, 1))
    p, y = [one.probability for one in found], [bool(one.defaulted) for one in found]
    losses = (np.array(p) - np.array(y)) ** 2
    interval = auc(p, y).interval
    assert (period.month, period.decisions, period.outcomes, period.defaults) == ("2025-11", 3_100, 3_000, sum(y))
    assert period.coverage == pytest.approx(3_000 / 3_100)
    assert period.too_few == ()
    assert period.auc is not None
    assert interval is not None
    assert (period.auc.value, period.auc.low, period.auc.high) == pytest.approx(
        (roc_auc_score(y, p), *interval), abs=1e-9
    )
    assert period.ks is not None
    assert (period.ks.value, period.ks.useless_ks) == (
        kolmogorov_smirnov(p, y), useless_ks(sum(y), 3_000 - sum(y)),
    )  # fmt: skip
    assert period.brier is not None
    assert period.brier.value == pytest.approx(brier_score_loss(y, p), abs=1e-9)
    assert period.brier.se == pytest.approx(losses.std(ddof=1) / np.sqrt(3_000), rel=1e-9)
    assert period.observed_to_expected == pytest.approx(sum(y) / sum(p), rel=1e-9)
    assert period.expected_auc == expected_auc([*p, *[0.5] * 100])
    assert period.slope is not None
    assert abs(period.slope.value - 1) < 3 * period.slope.se
    assert period.intercept is not None
    assert abs(period.intercept.value) < 3 * period.intercept.se


def test_deciles_lie_on_the_edges_of_the_version_and_count_all_outcomes() -> None:
    found = decisions(500)
    low, middle, high = performance(found, TRAINED).deciles
    assert (low.upto, middle.upto, high.upto) == (0.05, 0.1, None)
    assert low.outcomes + middle.outcomes + high.outcomes == 500
    inside = [one for one in found if 0.05 < one.probability <= 0.1]
    defaults = sum(bool(one.defaulted) for one in inside)
    assert (middle.outcomes, middle.defaults) == (len(inside), defaults)
    assert middle.rate is not None
    assert (middle.rate.low, middle.rate.high) == wilson(defaults, len(inside))
    assert middle.mean_probability == pytest.approx(np.mean([one.probability for one in inside]))


@pytest.mark.parametrize(
    ("defaults", "others", "missing"),
    [
        (30, 30, ()),
        (29, 400, ("auc", "ks", "intercept", "slope")),
        (400, 29, ("auc", "ks", "intercept", "slope")),
        (5, 24, ("auc", "ks", "brier", "observed_to_expected", "intercept", "slope", "expected_auc")),
    ],
)
def test_figures_that_need_more_outcomes_are_null_and_named(
    defaults: int, others: int, missing: tuple[str, ...]
) -> None:
    rng = np.random.default_rng(1)
    found = [Matured(float(p), row < defaults) for row, p in enumerate(rng.uniform(0.01, 0.3, defaults + others))]
    period = performance(found, TRAINED)
    assert period.too_few == missing
    assert [name for name in missing if getattr(period, name) is not None] == []
    assert all(one.rate is None for one in period.deciles if one.outcomes < 30)


def test_a_period_without_decisions_has_no_figure_but_the_counts() -> None:
    period = performance([], TRAINED)
    assert (period.month, period.decisions, period.coverage) == (None, 0, None)
    assert len(period.too_few) == 7
    assert [one.outcomes for one in period.deciles] == [0, 0, 0]


def test_outcomes_that_the_score_separates_have_an_auc_without_interval_and_no_slope() -> None:
    period = performance([Matured(0.1, False)] * 40 + [Matured(0.2, True)] * 40, TRAINED)
    assert period.auc is not None
    assert (period.auc.value, period.auc.low, period.auc.high) == (1, None, None)
    assert period.slope is None
    assert period.too_few == ("intercept", "slope")
