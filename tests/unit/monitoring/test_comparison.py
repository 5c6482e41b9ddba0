import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prediction_service.monitoring.comparison import Compared, compare, comparison_evidence, gain, swap_set
from prediction_service.monitoring.distributions import Rate, newcombe
from prediction_service.monitoring.ranking import auc_difference


def compared(**changes: Any) -> Compared:
    fields = {
        "champion": 0.02,
        "challenger": 0.02,
        "champion_flags": False,
        "challenger_flags": False,
        "defaulted": False,
    }
    return Compared(**(fields | changes))


@given(st.lists(st.floats(-math.log(4), math.log(4)), max_size=60))
def test_evidence_is_the_mean_of_four_products(gains: list[float]) -> None:
    products = [np.prod([1 + bet * found for found in gains]) for bet in (0.05, 0.1, 0.2, 0.4)]
    assert comparison_evidence(gains) == pytest.approx(math.log(np.mean(products)), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("champion", "challenger", "defaulted", "expected"),
    [
        (0.02, 0.03, True, math.log(1.5)),
        (0.02, 0.03, False, math.log(0.97 / 0.98)),
        (0.01, 0.9, True, math.log(4)),
        (0.01, 0.9, False, -math.log(4)),
        (0.0, 0.0, True, 0),
        (1.0, 1.0, False, 0),
    ],
)
def test_a_gain_is_the_log_of_the_ratio_within_four(
    champion: float, challenger: float, defaulted: bool, expected: float
) -> None:
    assert gain(champion, challenger, defaulted) == pytest.approx(expected, abs=1e-12)


def outcomes(size: int, noise: float) -> list[Compared]:
    """The challenger knows the true risk, the champion sees it through noise."""
    rng = np.random.default_rng(2)
    odds = rng.normal(-2, 1, size)
    risk, blurred = 1 / (1 + np.exp(-odds)), 1 / (1 + np.exp(-odds - rng.normal(0, noise, size)))
    y = rng.random(size) < risk
    return [
        compared(champion=float(a), challenger=float(b), champion_flags=bool(a > 0.2), challenger_flags=bool(b > 0.2), defaulted=bool(c))
        for a, b, c in zip(blurred, risk, y, strict=True)
    ]  # fmt: skip


def test_a_challenger_that_predicts_better_is_proven_and_an_equal_one_not() -> None:
    better, equal = compare(outcomes(3_000, 1.5)), compare(outcomes(3_000, 0))
    assert (better.better, equal.better) == (True, False)
    assert better.log_e is not None
    assert better.log_e > math.log(20)
    assert equal.log_e == pytest.approx(0)
    rows = outcomes(3_000, 1.5)
    difference = auc_difference(
        [one.challenger for one in rows], [one.champion for one in rows], [bool(one.defaulted) for one in rows]
    )
    assert better.auc_difference is not None
    assert (better.auc_difference.low, better.auc_difference.high) == difference.interval


def test_a_stricter_level_and_a_lower_auc_refuse() -> None:
    rows = outcomes(3_000, 1.5)
    assert not compare(rows, level=1e-300).better
    few = compare([one._replace(defaulted=None) if row > 60 else one for row, one in enumerate(rows)])
    assert (few.auc_difference, few.better) == (None, False)
    calibrated = [
        compared(champion=0.5 + 0.4 * (row % 5 != 0) * (1 if row % 2 else -1), challenger=0.5, defaulted=bool(row % 2))
        for row in range(400)
    ]
    worse_ranks = compare([one._replace(champion=one.champion**9) for one in calibrated])
    assert worse_ranks.log_e is not None
    assert not worse_ranks.better


def test_without_outcomes_nothing_is_known() -> None:
    found = compare([compared(defaulted=None)])
    assert (found.outcomes, found.log_e, found.better) == (0, None, False)
    assert compare([]).swap_set.agreement is None


def test_the_swap_set_says_who_flips_and_how_both_sides_turned_out() -> None:
    rows = (
        [compared()] * 50
        + [compared(champion_flags=True, challenger_flags=True, defaulted=None)] * 10
        + [compared(champion_flags=True, defaulted=row < 4) for row in range(40)]
        + [compared(challenger_flags=True, defaulted=row < 10 if row < 40 else None) for row in range(60)]
    )
    found = swap_set(rows)
    assert [cell.clients for cell in (found.both_pass, found.both_flagged, found.swap_in, found.swap_out)] == [
        50,
        10,
        40,
        60,
    ]
    assert found.agreement == pytest.approx(60 / 160)
    assert (found.both_flagged.coverage, found.both_flagged.rate) == (0, None)
    assert found.swap_out.coverage == pytest.approx(40 / 60)
    assert (found.swap_in.defaults, found.swap_out.defaults) == (4, 10)
    assert found.swap_in.rate is not None
    assert (found.swap_in.rate.low, found.swap_in.rate.high) == Rate(4, 40).interval
    assert found.difference is not None
    assert found.difference.value == pytest.approx(0.1 - 0.25)
    assert (found.difference.low, found.difference.high) == newcombe(Rate(4, 40), Rate(10, 40))
    assert swap_set(rows[:100]).difference is None
