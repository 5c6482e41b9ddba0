"""The rows of `monitoring_counts` in which a decision counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from prediction_service.monitoring.fairness import group_bin
from prediction_service.monitoring.reference import SCORE, Reference, Value

COUNTED_ORIGINS = frozenset({"request", "batch"})
"""Origins of decisions that count. Portfolio runs and reconsidered decisions do not count."""


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision of the version. `values`: the checked values of all served features. Days are in UTC.

    `previous_day`: the day of the client's previous counted decision by the same version; None for its first.
    """

    day: date
    previous_day: date | None
    probability: float
    label: int
    values: Mapping[str, Value]


class CountKey(NamedTuple):
    """The key of a row in `monitoring_counts`, without the version."""

    stream: str
    day: date
    previous_day: date | None
    bin: int


def decision_counts(reference: Reference, decided: Decided) -> list[CountKey]:
    """The rows to which a decision adds one client; none if the client's previous decision was on that day or later."""
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
