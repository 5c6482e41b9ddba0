"""Evidence that a stream has changed, as the natural logarithm of an e-value, and the thresholds for alarms."""

from collections.abc import Iterable, Sequence
from datetime import date
from math import inf, lgamma, log, pi, sqrt
from typing import NamedTuple

from prediction_service.monitoring.windows import START_DAYS, Window

ALPHA = 0.05
"""Expected false alarms per year over all streams together, if nothing changes."""

START_MONTHS = 12
PRIOR_CLIENTS = 300
FOUR_FIFTHS = 0.8


class Evidence(NamedTuple):
    """The largest log e-value over the starts, and the start that has it. -inf without any start.

    Starts between two days with decisions have equal values: the latest of them is a day with decisions.
    """

    log_e: float
    since: date | None


def daily_threshold(streams: int, alpha: float = ALPHA) -> float:
    """The threshold of log E for a stream that starts an e-process every day: log(365 M / alpha)."""
    return log(START_DAYS * streams / alpha)


def monthly_threshold(streams: int, alpha: float = ALPHA) -> float:
    """The threshold of log E for a stream that starts an e-process every month: log(12 M / alpha)."""
    return log(START_MONTHS * streams / alpha)


class StabilityTest:
    """The Bayes factor of "another distribution" against "the distribution of the reference, which is itself a sample".

    Counts are divided by the design effect d. The null is Dirichlet with a = 1/2 + r/d. The alternative has the same
    shares with the weight of at most 300 clients, and at most an eighth of the reference's weight.
    """

    def __init__(self, reference: Sequence[int], design_effect: float) -> None:
        self._effect = design_effect
        null = [0.5 + count / design_effect for count in reference]
        self._null_total = sum(null)
        self._other_total = min(float(PRIOR_CLIENTS), self._null_total / 8)
        shrink = self._other_total / self._null_total
        self._cells = [(a, a * shrink) for a in null]
        self._constant = (
            sum(lgamma(a) - lgamma(b) for a, b in self._cells) + lgamma(self._other_total) - lgamma(self._null_total)
        )

    def log_e(self, window: Sequence[float]) -> float:
        effect, total = self._effect, sum(window) / self._effect
        cells = sum(
            lgamma(b + count / effect) - lgamma(a + count / effect)
            for (a, b), count in zip(self._cells, window, strict=True)
        )
        return self._constant + cells + lgamma(self._null_total + total) - lgamma(self._other_total + total)

    def strongest(self, windows: Iterable[Window]) -> Evidence:
        """The largest evidence over the start days; the latest of equals."""
        return strongest((window.start, self.log_e(window.counts)) for window in windows)


def strongest(evidences: Iterable[tuple[date, float]]) -> Evidence:
    best = Evidence(-inf, None)
    for start, log_e in evidences:
        if log_e >= best.log_e:
            best = Evidence(log_e, start)
    return best


class Favourable(NamedTuple):
    """The number of clients on one side of a comparison, and the number of favourable decisions (label 0)."""

    clients: float
    favourable: float


def impact_evidence(group: Favourable, others: Favourable, design_effect: float) -> float:
    """log E against the null that the group's favourable rate is at least four fifths of the others' rate.

    E is the mixture of the binomials over Jeffreys' prior on each side, over the largest likelihood under the null.
    """
    sides = [(side.clients / design_effect, side.favourable / design_effect) for side in (group, others)]
    mixture = sum(lgamma(x + 0.5) + lgamma(n - x + 0.5) - lgamma(n + 1) - log(pi) for n, x in sides)
    return mixture - _largest_likelihood(*sides)


def _largest_likelihood(group: tuple[float, float], others: tuple[float, float]) -> float:
    (n1, x1), (n2, x2) = group, others
    if n1 == 0 or n2 == 0 or x1 * n2 >= FOUR_FIFTHS * x2 * n1:
        return _log_likelihood(n1, x1, x1 / n1 if n1 else 0.0) + _log_likelihood(n2, x2, x2 / n2 if n2 else 0.0)
    rate = _rate_on_the_border(group, others)
    return _log_likelihood(n1, x1, FOUR_FIFTHS * rate) + _log_likelihood(n2, x2, rate)


def _rate_on_the_border(group: tuple[float, float], others: tuple[float, float]) -> float:
    """The others' rate of largest likelihood if the group's rate is exactly 0.8 of it (Miettinen and Nurminen 1985)."""
    (n1, x1), (n2, x2) = group, others
    hits = x1 + x2
    a = FOUR_FIFTHS * (n1 + n2)
    b = FOUR_FIFTHS * (n1 + x2) + x1 + n2
    return min(1.0, 2 * hits / (b + sqrt(b * b - 4 * a * hits)))


def _log_likelihood(trials: float, hits: float, rate: float) -> float:
    return (hits * log(rate) if hits else 0.0) + ((trials - hits) * log(1 - rate) if trials > hits else 0.0)
