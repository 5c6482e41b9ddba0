import math
from datetime import date

import numpy as np
import pytest

from prediction_service.monitoring.distributions import Rate, ratio_interval
from prediction_service.monitoring.evidence import Evidence, Favourable, impact_evidence
from prediction_service.monitoring.fairness import (
    Moments,
    Shown,
    adverse_impact_ratio,
    group_bin,
    group_fairness,
    impact_alarm,
    sides,
    standardized_mean_difference,
    strongest_impact,
)
from prediction_service.monitoring.windows import Window

SINCE = date(2026, 11, 2)


def moments(values: np.ndarray) -> Moments:
    return Moments(len(values), float(values.sum()), float((values**2).sum()))


def test_a_group_s_bins_are_group_by_label() -> None:
    assert [group_bin(in_group, label) for in_group in (True, False) for label in (0, 1)] == [0, 1, 2, 3]
    assert sides((70, 30, 800, 200)) == (Favourable(100, 70), Favourable(1_000, 800))


def test_the_ratio_has_an_interval_that_the_design_effect_widens() -> None:
    group, others = Favourable(410, 320), Favourable(8_600, 6_880)
    plain, wide = adverse_impact_ratio(group, others, 1.0), adverse_impact_ratio(group, others, 2.2)
    assert plain is not None
    assert wide is not None
    assert plain.value == wide.value == pytest.approx(320 / 410 / 0.8)
    assert (plain.low, plain.high) == ratio_interval(Rate(320, 410), Rate(6_880, 8_600))
    assert wide.low is not None
    assert plain.low is not None
    assert wide.low < plain.low


def test_the_interval_of_the_ratio_covers() -> None:
    """Nominal 95 %: 40 of the group at 0.75, 4,000 others at 0.8."""
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(1_000):
        found = adverse_impact_ratio(
            Favourable(40, int(rng.binomial(40, 0.75))), Favourable(4_000, int(rng.binomial(4_000, 0.8))), 1
        )
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0.75 / 0.8 <= found.high
    assert 930 <= covered <= 975


@pytest.mark.parametrize(("group", "others"), [((29, 20), (900, 800)), ((90, 80), (29, 20)), ((90, 0), (900, 0))])
def test_there_is_no_ratio_under_30_clients_or_if_nobody_passed(
    group: tuple[int, int], others: tuple[int, int]
) -> None:
    assert adverse_impact_ratio(Favourable(*group), Favourable(*others), 1) is None


def test_the_difference_of_log_odds_is_in_pooled_deviations() -> None:
    rng = np.random.default_rng(0)
    group, others = rng.normal(-3.5, 0.5, 60), rng.normal(-4, 0.7, 900)
    found = standardized_mean_difference(moments(group), moments(others), 1)
    pooled = math.sqrt((59 * group.var(ddof=1) + 899 * others.var(ddof=1)) / 958)
    value = (group.mean() - others.mean()) / pooled
    half = 1.959964 * math.sqrt(960 / (60 * 900) + value**2 / (2 * 960))
    assert found is not None
    assert found.value == pytest.approx(value, rel=1e-9)
    assert (found.low, found.high) == pytest.approx((value - half, value + half), rel=1e-6)
    assert found.value > 0


def test_there_is_no_difference_under_30_clients_or_of_one_score() -> None:
    same = Moments(50, -200.0, 800.0)
    assert standardized_mean_difference(same, same, 1) is None
    assert standardized_mean_difference(Moments(29, -100, 400), Moments(500, -2_000, 8_400), 1) is None


def test_the_evidence_starts_anew_every_day_and_alarms_at_the_threshold() -> None:
    windows = [Window(date(2026, 11, 1), (900, 100, 9_000, 1_000)), Window(SINCE, (500, 500, 9_000, 1_000))]
    found = strongest_impact(windows, 2.0)
    log_e = impact_evidence(Favourable(1_000, 500), Favourable(10_000, 9_000), 2.0)
    assert [found.log_e, found.since] == [log_e, SINCE]
    alarm = impact_alarm("age_62", found, 10.98)
    assert alarm is not None
    assert (alarm.stream, alarm.since, alarm.size) == ("age_62", SINCE, None)
    assert impact_alarm("age_62", found, found.log_e + 1e-6) is None
    assert impact_alarm("age_62", Evidence(-math.inf, None), 10.98) is None


def test_a_group_is_shown_with_its_counts_and_too_few_is_said() -> None:
    one = group_fairness("age_62", Shown((90, 10, 800, 100), None), Evidence(-2, SINCE), design_effect=1, alarmed=False)
    assert (one.clients, one.others, one.too_few, one.state, one.smd) == (100, 900, False, "quiet", None)
    few = group_fairness("age_62", Shown((9, 10, 800, 100), None), Evidence(-2, SINCE), design_effect=1, alarmed=True)
    assert (few.air, few.too_few, few.state) == (None, True, "alarm")
    side = Moments(100, -400.0, 1_700.0)
    with_odds = group_fairness(
        "g", Shown((90, 10, 90, 10), (side, side)), Evidence(0, SINCE), design_effect=1, alarmed=False
    )
    assert with_odds.smd is not None
    assert with_odds.smd.value == 0
