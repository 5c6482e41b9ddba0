"""Quantiles of the chi-square distribution, and confidence intervals for rates."""

from math import exp, isfinite, lgamma, log, sqrt
from statistics import NormalDist
from typing import NamedTuple

Z95 = NormalDist().inv_cdf(0.975)
_EPSILON = 1e-16
_TINY = 1e-300


class Interval(NamedTuple):
    """Limits of a two-sided 95 % confidence interval."""

    low: float
    high: float


def regularized_gamma(a: float, x: float) -> float:
    """P(a, x), the lower incomplete gamma function divided by gamma(a).

    Computed by series (DLMF 8.11.4) or continued fraction (DLMF 8.9.2).
    """
    if x <= 0:
        return 0.0
    front = exp(a * log(x) - x - lgamma(a))
    return front * _series(a, x) if x < a + 1 else 1 - front * _continued_fraction(a, x)


def _series(a: float, x: float) -> float:
    term = total = 1 / a
    step = a
    while term > total * _EPSILON:
        step += 1
        term *= x / step
        total += term
    return total


def _continued_fraction(a: float, x: float) -> float:
    """The continued fraction by the modified method of Lentz (Thompson and Barnett 1986)."""
    b = x + 1 - a
    c = 1 / _TINY
    d = value = 1 / b
    step = 1
    while True:
        factor = -step * (step - a)
        b += 2
        d = 1 / ((factor * d + b) or _TINY)
        c = (b + factor / c) or _TINY
        change = c * d
        value *= change
        if abs(change - 1) < 4 * _EPSILON:
            return value
        step += 1


def chi2_quantile(probability: float, degrees: float) -> float:
    """The quantile of the chi-square distribution, by Newton steps inside a bracket. Raises ValueError."""
    if not (0 < probability < 1 and degrees > 0 and isfinite(degrees)):
        raise ValueError("a quantile needs a probability inside (0, 1) and positive degrees of freedom")
    half = degrees / 2
    low, high = 0.0, half + 1
    while regularized_gamma(half, high) < probability:
        low, high = high, 2 * high
    x = (low + high) / 2
    for _ in range(200):
        error = regularized_gamma(half, x) - probability
        low, high = (x, high) if error < 0 else (low, x)
        new = x - error / exp((half - 1) * log(x) - x - lgamma(half))
        new = new if low < new < high else (low + high) / 2
        if abs(new - x) <= 1e-14 * x:
            break
        x = new
    return 2 * x


def wilson(hits: float, trials: float) -> Interval:
    """The score interval of a rate (Wilson 1927). Counts divided by a design effect may be fractions."""
    rate = hits / trials
    square = Z95 * Z95
    middle = (hits + square / 2) / (trials + square)
    half = Z95 * sqrt(trials) / (trials + square) * sqrt(rate * (1 - rate) + square / (4 * trials))
    return Interval(
        max(0.0, middle - half) if hits > 0 else 0.0,
        min(1.0, middle + half) if hits < trials else 1.0,
    )


class Rate(NamedTuple):
    """A rate of hits among trials. There is at least one trial."""

    hits: float
    trials: float

    @property
    def value(self) -> float:
        return self.hits / self.trials

    @property
    def interval(self) -> Interval:
        return wilson(self.hits, self.trials)


def newcombe(first: Rate, second: Rate) -> Interval:
    """The interval of first - second for independent rates, from both Wilson intervals (Newcombe 1998, method 10)."""
    (low1, high1), (low2, high2) = first.interval, second.interval
    difference = first.value - second.value
    return Interval(
        difference - sqrt((first.value - low1) ** 2 + (high2 - second.value) ** 2),
        difference + sqrt((high1 - first.value) ** 2 + (second.value - low2) ** 2),
    )


def ratio_interval(first: Rate, second: Rate) -> tuple[float, float | None]:
    """The interval of first / second for independent rates: MOVER-R (Donner and Zou 2012) on Wilson limits.

    The upper limit is None if the second rate may be zero.
    """
    (low1, high1), (low2, high2) = first.interval, second.interval
    p1, p2 = first.value, second.value
    product = p1 * p2
    lower_root = product * product - low1 * high2 * (2 * p1 - low1) * (2 * p2 - high2)
    low = low1 * (2 * p1 - low1) / (product + sqrt(max(0.0, lower_root))) if low1 > 0 else 0.0
    if low2 <= 0:
        return low, None
    upper_root = product * product - high1 * low2 * (2 * p1 - high1) * (2 * p2 - low2)
    return low, (product + sqrt(max(0.0, upper_root))) / (low2 * (2 * p2 - low2))
