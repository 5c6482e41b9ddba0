"""Compares champion and challenger on the same decisions: evidence of a better prediction, and the swap set."""

from collections.abc import Iterable, Sequence
from math import log, log1p
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from prediction_service.monitoring.calibration import clipped, log_sum_exp
from prediction_service.monitoring.distributions import Rate, newcombe
from prediction_service.monitoring.performance import MIN_CLASS, MIN_RATE, WithInterval, rate_with_interval
from prediction_service.monitoring.ranking import auc_difference

BETS = (0.05, 0.1, 0.2, 0.4)
LARGEST_GAIN = log(4)
LEVEL = 0.05
"""Level of error of `better`: it needs E >= 1 / LEVEL."""

AUC_MARGIN = -0.02
"""`better` needs a lower limit of the difference of AUC above this margin."""


class Compared(NamedTuple):
    """Probabilities of default by champion and challenger on the same inputs. `…_flags`: the label is 1."""

    champion: float
    challenger: float
    champion_flags: bool
    challenger_flags: bool
    defaulted: bool | None


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class Cell(_Answer):
    """A cell of the swap set: clients by the labels of both models, and their outcomes."""

    clients: int
    outcomes: int
    coverage: float | None
    defaults: int
    rate: WithInterval | None


class SwapSet(_Answer):
    """`swap_in`: only the champion flags. `swap_out`: only the challenger flags.

    `difference`: the default rate of `swap_in` minus that of `swap_out`. Flagged clients without a loan have no
    outcome, so consider the coverage of each cell.
    """

    both_pass: Cell
    both_flagged: Cell
    swap_in: Cell
    swap_out: Cell
    agreement: float | None
    difference: WithInterval | None


class Comparison(_Answer):
    """A comparison of challenger and champion. `log_e` is null without outcomes.

    `auc_difference`: challenger minus champion; null with fewer than 30 defaults or fewer than 30 others.
    """

    outcomes: int
    log_e: float | None
    auc_difference: WithInterval | None
    better: bool
    swap_set: SwapSet


def gain(champion: float, challenger: float, defaulted: bool) -> float:
    """The reduction of log loss by the challenger on one outcome, clipped to plus or minus ln 4."""
    p, q = clipped(champion), clipped(challenger)
    difference = log(q) - log(p) if defaulted else log1p(-q) - log1p(-p)
    return min(LARGEST_GAIN, max(-LARGEST_GAIN, difference))


def comparison_evidence(gains: Iterable[float]) -> float:
    """log E against "the expected log loss of the challenger is not lower": the mean of four capital processes."""
    capital = [0.0] * len(BETS)
    for found in gains:
        capital = [value + log1p(bet * found) for value, bet in zip(capital, BETS, strict=True)]
    return log_sum_exp(capital) - log(len(BETS))


def compare(decisions: Sequence[Compared], level: float = LEVEL) -> Comparison:
    """Compare the models on matured decisions, given in the order of decision."""
    known = [found for found in decisions if found.defaulted is not None]
    outcomes = [bool(found.defaulted) for found in known]
    log_e = comparison_evidence(gain(one.champion, one.challenger, y) for one, y in zip(known, outcomes, strict=True))
    difference = _auc_difference(known, outcomes)
    proven = log_e >= -log(level) and difference is not None and (difference.low or 0.0) > AUC_MARGIN
    return Comparison(
        outcomes=len(known),
        log_e=log_e if known else None,
        auc_difference=difference,
        better=proven,
        swap_set=swap_set(decisions),
    )


def _auc_difference(known: Sequence[Compared], outcomes: Sequence[bool]) -> WithInterval | None:
    if min(sum(outcomes), len(outcomes) - sum(outcomes)) < MIN_CLASS:
        return None
    found = auc_difference([one.challenger for one in known], [one.champion for one in known], outcomes)
    return WithInterval(value=found.value, low=found.interval.low, high=found.interval.high)


def swap_set(decisions: Sequence[Compared]) -> SwapSet:
    cells: dict[tuple[bool, bool], list[bool | None]] = {(a, b): [] for a in (False, True) for b in (False, True)}
    for one in decisions:
        cells[one.champion_flags, one.challenger_flags].append(one.defaulted)
    agreed = len(cells[False, False]) + len(cells[True, True])
    swap_in, swap_out = _cell(cells[True, False]), _cell(cells[False, True])
    return SwapSet(
        both_pass=_cell(cells[False, False]),
        both_flagged=_cell(cells[True, True]),
        swap_in=swap_in,
        swap_out=swap_out,
        agreement=agreed / len(decisions) if decisions else None,
        difference=_rate_difference(swap_in, swap_out),
    )


def _cell(outcomes: Sequence[bool | None]) -> Cell:
    known = [y for y in outcomes if y is not None]
    return Cell(
        clients=len(outcomes),
        outcomes=len(known),
        coverage=len(known) / len(outcomes) if outcomes else None,
        defaults=sum(known),
        rate=rate_with_interval(sum(known), len(known)),
    )


def _rate_difference(first: Cell, second: Cell) -> WithInterval | None:
    if min(first.outcomes, second.outcomes) < MIN_RATE:
        return None
    one, two = Rate(first.defaults, first.outcomes), Rate(second.defaults, second.outcomes)
    low, high = newcombe(one, two)
    return WithInterval(value=one.value - two.value, low=low, high=high)
