"""The folded state: what one decision or outcome adds to `monitoring_counts` and `monitoring_months`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from prediction_service.monitoring.calibration import Sums, correction_sums, outcome_sums
from prediction_service.monitoring.fairness import GROUP_BINS, group_bin
from prediction_service.monitoring.reference import SCORE, Reference, Value

COUNTED_ORIGINS = frozenset({"request", "batch"})
"""Whole portfolios and reconsidered decisions do not count."""


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision of the version. `values`: of all features that were served, checked. Days are in UTC.

    `previous_day` is that of the client's counted decision before by the same version; None if this is its first.
    """

    day: date
    previous_day: date | None
    probability: float
    label: int
    values: Mapping[str, Value]


class CountKey(NamedTuple):
    """A row of `monitoring_counts`, without the version."""

    stream: str
    day: date
    previous_day: date | None
    bin: int


@dataclass(frozen=True, slots=True)
class Observed:
    """The outcome of a matured decision. `replaces` is the outcome that this one corrects, None for a first one."""

    decided_on: date
    probability: float
    defaulted: bool
    replaces: bool | None


class MonthDelta(NamedTuple):
    """What to add to a row of `monitoring_months`."""

    month: date
    sums: Sums


def bins_of(reference: Reference) -> dict[str, int]:
    """How many bins each stream of `monitoring_counts` has."""
    quantities = {quantity.name: len(quantity.counts) for quantity in reference.quantities}
    return quantities | {group.name: GROUP_BINS for group in reference.groups}


def decision_counts(reference: Reference, decided: Decided) -> list[CountKey]:
    """The rows that a decision adds one client to: none if the client's decision before was on that day or later."""
    day, previous_day = decided.day, decided.previous_day
    if previous_day is not None and previous_day >= day:
        return []
    bins = {SCORE: reference.score.bin_of(decided.probability)}
    bins |= {feature.name: feature.bin_of(decided.values.get(feature.feature)) for feature in reference.features}
    for group in reference.groups:
        if (in_group := group.holds(decided.values)) is not None:
            bins[group.name] = group_bin(in_group, decided.label)
    return [CountKey(stream, day, previous_day, index) for stream, index in bins.items()]


def month_of(day: date) -> date:
    return day.replace(day=1)


def outcome_delta(reference: Reference, observed: Observed) -> MonthDelta | None:
    """None if a correction changes nothing."""
    if observed.replaces == observed.defaulted:
        return None
    change = outcome_sums if observed.replaces is None else correction_sums
    sums = change(observed.probability, observed.defaulted, reference.mean_log_odds)
    return MonthDelta(month_of(observed.decided_on), sums)
