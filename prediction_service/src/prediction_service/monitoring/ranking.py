"""Measures of ranking: AUC with its error, differences of AUC, KS, and the expected AUC without outcomes."""

from collections.abc import Sequence
from itertools import groupby
from math import exp, fsum, log, sqrt
from operator import itemgetter
from typing import NamedTuple

from prediction_service.monitoring.distributions import Z95, Interval


class Placements(NamedTuple):
    """For each default the share of others below it, for each other the share of defaults above it. Ties count half."""

    defaults: list[float]
    others: list[float]


class Auc(NamedTuple):
    """An AUC with its standard error. `interval` is None for the values 0 and 1, because their logit does not exist."""

    value: float
    se: float
    interval: Interval | None


class Difference(NamedTuple):
    value: float
    se: float

    @property
    def interval(self) -> Interval:
        return Interval(self.value - Z95 * self.se, self.value + Z95 * self.se)


def placements(probabilities: Sequence[float], defaulted: Sequence[bool]) -> Placements:
    """The placements in the order of the rows, with one sort (Sun and Xu 2014). Needs one default and one other."""
    order = sorted(range(len(probabilities)), key=probabilities.__getitem__)
    bad, good = sum(defaulted), len(defaulted) - sum(defaulted)
    places = [0.0] * len(order)
    bad_below = good_below = 0
    for _, tied in groupby(order, key=probabilities.__getitem__):
        rows = list(tied)
        bad_here = sum(defaulted[row] for row in rows)
        good_here = len(rows) - bad_here
        for row in rows:
            places[row] = (
                (good_below + good_here / 2) / good if defaulted[row] else (bad - bad_below - bad_here / 2) / bad
            )
        bad_below, good_below = bad_below + bad_here, good_below + good_here
    return Placements(
        [place for place, y in zip(places, defaulted, strict=True) if y],
        [place for place, y in zip(places, defaulted, strict=True) if not y],
    )


def auc(probabilities: Sequence[float], defaulted: Sequence[bool]) -> Auc:
    """The AUC, with standard error by DeLong (1988) and interval on the logit scale. Ties count half.

    Needs two defaults and two others.
    """
    found = placements(probabilities, defaulted)
    value = fsum(found.defaults) / len(found.defaults)
    se = sqrt(_variance(found.defaults) / len(found.defaults) + _variance(found.others) / len(found.others))
    return Auc(value, se, _logit_interval(value, se))


def _logit_interval(value: float, se: float) -> Interval | None:
    if not 0 < value < 1:
        return None
    logit, half = log(value / (1 - value)), Z95 * se / (value * (1 - value))
    return Interval(1 / (1 + exp(half - logit)), 1 / (1 + exp(-half - logit)))


def _variance(values: Sequence[float]) -> float:
    mean = fsum(values) / len(values)
    return fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


def auc_difference(first: Sequence[float], second: Sequence[float], defaulted: Sequence[bool]) -> Difference:
    """AUC of the first minus that of the second on the same rows, with DeLong's standard error for paired scores."""
    one, two = placements(first, defaulted), placements(second, defaulted)
    defaults = [a - b for a, b in zip(one.defaults, two.defaults, strict=True)]
    others = [a - b for a, b in zip(one.others, two.others, strict=True)]
    se = sqrt(_variance(defaults) / len(defaults) + _variance(others) / len(others))
    return Difference(fsum(defaults) / len(defaults), se)


def kolmogorov_smirnov(probabilities: Sequence[float], defaulted: Sequence[bool]) -> float:
    """The largest distance between the cumulative distributions of defaults and others."""
    bad, good = sum(defaulted), len(defaulted) - sum(defaulted)
    bad_below = good_below = 0
    largest = 0.0
    rows = sorted(zip(probabilities, defaulted, strict=True), key=itemgetter(0))
    for _, tied in groupby(rows, key=itemgetter(0)):
        labels = [y for _, y in tied]
        bad_below += sum(labels)
        good_below += len(labels) - sum(labels)
        largest = max(largest, abs(bad_below / bad - good_below / good))
    return largest


def useless_ks(defaults: int, others: int) -> float:
    """The mean KS of a score without any information.

    The factor sqrt(pi / 2) ln 2 = 0.8687 is the mean of Kolmogorov's distribution.
    """
    return 0.8687 * sqrt(1 / defaults + 1 / others)


def expected_auc(probabilities: Sequence[float]) -> float | None:
    """The AUC if the probabilities are true, over pairs of different decisions. None if no pair can be compared."""
    total = fsum(probabilities)
    pairs = total * (len(probabilities) - total) - fsum(p * (1 - p) for p in probabilities)
    if pairs <= 0:
        return None
    won, goods_below = 0.0, 0.0
    for p, tied in groupby(sorted(probabilities)):
        size = sum(1 for _ in tied)
        won += size * p * (goods_below + (size - 1) * (1 - p) / 2)
        goods_below += size * (1 - p)
    return won / pairs
