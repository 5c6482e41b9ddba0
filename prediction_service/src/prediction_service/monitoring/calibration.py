"""Calibration of probabilities of default: evidence of a change from months of outcomes, and calibration regression."""

from collections.abc import Iterable, Sequence
from datetime import date
from math import exp, fsum, log, log1p, sqrt
from typing import NamedTuple

from prediction_service.monitoring.evidence import Evidence, strongest

SHIFTS = tuple(k / 10 for k in range(-10, 11))
SLOPES = (-0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
POINTS = tuple((a, b) for b in SLOPES for a in SHIFTS)
"""Alternatives on the grid log-odds q = m + a + b (log-odds p - m), in the order of a month's sums."""

TOLERATED = tuple(index for index, (a, b) in enumerate(POINTS) if abs(a) <= 0.1 and abs(b - 1) <= 0.25)
START_MONTHS = 24
MIN_COVERAGE = 0.95
"""Minimum share of matured decisions with an outcome. Below it, missing outcomes may explain the evidence."""

CLOSEST = 1e-6
"""Minimum distance of probabilities from 0 and 1, where log-odds are infinite."""

_LOG_WEIGHTS = tuple(
    log((1 / len(SHIFTS) if b == 1 else 0) + (1 / len(SLOPES) if a == 0 else 0) + 1 / len(POINTS)) - log(3)
    for a, b in POINTS
)

Sums = tuple[float, ...]
"""Log-likelihood of outcomes at each of the 189 points of the grid."""


class Month(NamedTuple):
    """The sums of outcomes by the month of their decision. `month`: its first day."""

    month: date
    sums: Sums


def clipped(probability: float) -> float:
    return min(1 - CLOSEST, max(CLOSEST, probability))


def log_odds(probability: float) -> float:
    p = clipped(probability)
    return log(p) - log1p(-p)


def outcome_sums(probability: float, defaulted: bool, mean_log_odds: float) -> Sums:
    """The contribution of one outcome to the sums of its month."""
    distance = log_odds(probability) - mean_log_odds
    terms = [mean_log_odds + a + b * distance for a, b in POINTS]
    return tuple(z - log1p(exp(z)) for z in terms) if defaulted else tuple(-log1p(exp(z)) for z in terms)


def added(parts: Iterable[Sums]) -> Sums:
    return tuple(fsum(values) for values in zip(*parts, strict=True))


def calibration_evidence(sums: Sums, outcome_design_effect: float) -> float:
    """log E against all tolerated points at once: a shift of at most 0.1 and a slope of 0.75 to 1.25 are harmless."""
    scaled = [value / outcome_design_effect for value in sums]
    return log_sum_exp([w + value for w, value in zip(_LOG_WEIGHTS, scaled, strict=True)]) - max(
        scaled[index] for index in TOLERATED
    )


def log_sum_exp(values: Sequence[float]) -> float:
    largest = max(values)
    return largest + log(fsum(exp(value - largest) for value in values))


def strongest_month(months: Sequence[Month], outcome_design_effect: float) -> Evidence:
    """The largest evidence over windows that start in one of the last 24 months and end with the newest one."""
    if not months:
        return strongest(())
    ordered = sorted(months, key=lambda found: found.month, reverse=True)
    newest = _number(ordered[0].month)
    total: Sums = (0.0,) * len(POINTS)
    found: list[tuple[date, float]] = []
    for month, sums in ordered:
        if newest - _number(month) >= START_MONTHS:
            break
        total = tuple(a + b for a, b in zip(total, sums, strict=True))
        found.append((month, calibration_evidence(total, outcome_design_effect)))
    return strongest(reversed(found))


def _number(month: date) -> int:
    return 12 * month.year + month.month


class Estimate(NamedTuple):
    value: float
    se: float


class Regression(NamedTuple):
    """Logistic regression of outcomes on log-odds - m. m is subtracted from `intercept`: calibrated means (0, 1)."""

    intercept: Estimate
    slope: Estimate


def calibration_regression(
    probabilities: Sequence[float], defaulted: Sequence[bool], mean_log_odds: float
) -> Regression | None:
    """Fit by Newton steps. None without a finite maximum: all probabilities equal, or outcomes perfectly separated."""
    x = [log_odds(p) - mean_log_odds for p in probabilities]
    defaults, others = sum(defaulted), len(defaulted) - sum(defaulted)
    if not defaults or not others:
        return None
    intercept, slope = log(defaults / others), 0.0
    for _ in range(50):
        score, (aa, ab, bb) = _derivatives(x, defaulted, (intercept, slope))
        determinant = aa * bb - ab * ab
        if determinant <= 1e-12 * aa * bb:
            return None
        step = (bb * score[0] - ab * score[1]) / determinant, (aa * score[1] - ab * score[0]) / determinant
        scale = min(1.0, 5 / max(abs(step[0]), abs(step[1]), 1e-9))
        intercept, slope = intercept + scale * step[0], slope + scale * step[1]
        if max(abs(intercept), abs(slope)) > 1e3:
            return None
        if max(abs(step[0]), abs(step[1])) < 1e-10:
            errors = sqrt(bb / determinant), sqrt(aa / determinant)
            return Regression(Estimate(intercept - mean_log_odds, errors[0]), Estimate(slope, errors[1]))
    return None


def _derivatives(
    x: Sequence[float], defaulted: Sequence[bool], at: tuple[float, float]
) -> tuple[tuple[float, float], tuple[float, float, float]]:
    """Score vector and information matrix of the logistic log-likelihood."""
    score_a = score_b = aa = ab = bb = 0.0
    for value, y in zip(x, defaulted, strict=True):
        z = at[0] + at[1] * value
        q = 1 / (1 + exp(-z)) if z > -700 else 0.0
        weight = q * (1 - q)
        score_a += y - q
        score_b += (y - q) * value
        aa += weight
        ab += weight * value
        bb += weight * value * value
    return (score_a, score_b), (aa, ab, bb)
