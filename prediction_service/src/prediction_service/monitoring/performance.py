"""Performance of a version over a period: its probabilities compared with the outcomes."""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import date
from math import fsum, sqrt
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from prediction_service.monitoring.calibration import Estimate, calibration_regression
from prediction_service.monitoring.distributions import Rate
from prediction_service.monitoring.ranking import auc, expected_auc, kolmogorov_smirnov, useless_ks
from prediction_service.monitoring.reference import Reference

MIN_CLASS = 30
"""Minimum defaults, and minimum others, for figures about ranking and calibration."""

MIN_RATE = 30
"""Minimum outcomes for a rate."""

Figure = Literal["auc", "ks", "intercept", "slope", "brier", "observed_to_expected", "expected_auc"]


class Matured(NamedTuple):
    """A decision at least as old as the horizon. `defaulted` is None while its outcome is unknown."""

    probability: float
    defaulted: bool | None


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class WithInterval(_Answer):
    """A value with the limits of its 95 % interval. A limit is null if it does not exist."""

    value: float
    low: float | None
    high: float | None


class WithError(_Answer):
    value: float
    se: float


class Ks(_Answer):
    """The Kolmogorov-Smirnov statistic. `useless_ks`: the mean for a score without any information."""

    value: float
    useless_ks: float


class Decile(_Answer):
    """Outcomes in one bin of the version's score. The rate is null with fewer than 30 outcomes."""

    upto: float | None
    outcomes: int
    defaults: int
    mean_probability: float | None
    rate: WithInterval | None


class Period(_Answer):
    """Performance over a period. Figures without enough outcomes are null, and `too_few` names them."""

    month: str | None
    decisions: int
    outcomes: int
    coverage: float | None
    defaults: int
    auc: WithInterval | None
    ks: Ks | None
    brier: WithError | None
    observed_to_expected: float | None
    intercept: WithError | None
    slope: WithError | None
    expected_auc: float | None
    too_few: tuple[Figure, ...]
    deciles: tuple[Decile, ...]


def performance(decisions: Sequence[Matured], reference: Reference, month: date | None = None) -> Period:
    """Performance of the given matured decisions. `month`: their month; None if they are of all months."""
    known = [(p, y) for p, y in decisions if y is not None]
    probabilities, outcomes = [p for p, _ in known], [y for _, y in known]
    defaults = sum(outcomes)
    ranks = min(defaults, len(known) - defaults) >= MIN_CLASS
    rates = len(known) >= MIN_RATE
    regression = calibration_regression(probabilities, outcomes, reference.mean_log_odds) if ranks else None
    figures = {
        "auc": _auc(probabilities, outcomes) if ranks else None,
        "ks": _ks(probabilities, outcomes) if ranks else None,
        "brier": _brier(probabilities, outcomes) if rates else None,
        "observed_to_expected": defaults / fsum(probabilities) if rates and any(probabilities) else None,
        "intercept": _with_error(regression.intercept) if regression else None,
        "slope": _with_error(regression.slope) if regression else None,
        "expected_auc": expected_auc([p for p, _ in decisions]) if len(decisions) >= MIN_RATE else None,
    }
    return Period.model_validate(
        {
            "month": f"{month:%Y-%m}" if month else None,
            "decisions": len(decisions),
            "outcomes": len(known),
            "coverage": len(known) / len(decisions) if decisions else None,
            "defaults": defaults,
            **figures,
            "too_few": tuple(name for name, value in figures.items() if value is None),
            "deciles": deciles(probabilities, outcomes, reference.score.edges),
        }
    )


def _auc(probabilities: Sequence[float], outcomes: Sequence[bool]) -> WithInterval:
    found = auc(probabilities, outcomes)
    low, high = found.interval or (None, None)
    return WithInterval(value=found.value, low=low, high=high)


def _ks(probabilities: Sequence[float], outcomes: Sequence[bool]) -> Ks:
    defaults = sum(outcomes)
    value = kolmogorov_smirnov(probabilities, outcomes)
    return Ks(value=value, useless_ks=useless_ks(defaults, len(outcomes) - defaults))


def _with_error(estimate: Estimate) -> WithError:
    return WithError(value=estimate.value, se=estimate.se)


def _brier(probabilities: Sequence[float], outcomes: Sequence[bool]) -> WithError:
    """Mean squared error of the probabilities, and the standard error of that mean."""
    losses = [(p - y) ** 2 for p, y in zip(probabilities, outcomes, strict=True)]
    mean = fsum(losses) / len(losses)
    variance = fsum((loss - mean) ** 2 for loss in losses) / (len(losses) - 1)
    return WithError(value=mean, se=sqrt(variance / len(losses)))


def deciles(probabilities: Sequence[float], outcomes: Sequence[bool], edges: Sequence[float]) -> tuple[Decile, ...]:
    """Outcomes by the bins of the score in training, so that months are comparable."""
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(len(edges) + 1)]
    for p, y in zip(probabilities, outcomes, strict=True):
        bins[bisect_left(edges, p)].append((p, y))
    return tuple(_decile(upto, rows) for upto, rows in zip((*edges, None), bins, strict=True))


def _decile(upto: float | None, rows: Sequence[tuple[float, bool]]) -> Decile:
    defaults = sum(y for _, y in rows)
    return Decile(
        upto=upto,
        outcomes=len(rows),
        defaults=defaults,
        mean_probability=fsum(p for p, _ in rows) / len(rows) if rows else None,
        rate=rate_with_interval(defaults, len(rows)),
    )


def rate_with_interval(hits: int, trials: int) -> WithInterval | None:
    """A rate with Wilson's interval; None with fewer than 30 trials."""
    if trials < MIN_RATE:
        return None
    rate = Rate(hits, trials)
    return WithInterval(value=rate.value, low=rate.interval.low, high=rate.interval.high)
