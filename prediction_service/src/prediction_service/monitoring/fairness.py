"""Fairness by group: adverse impact ratio and difference of log-odds with intervals, and evidence for alarms."""

from collections.abc import Iterable, Sequence
from datetime import date
from math import sqrt
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from prediction_service.monitoring.distributions import Z95, Rate, ratio_interval
from prediction_service.monitoring.evidence import Evidence, Favourable, impact_evidence, strongest
from prediction_service.monitoring.performance import WithInterval
from prediction_service.monitoring.stability import Alarm, State
from prediction_service.monitoring.windows import Window

MIN_CLIENTS = 30
"""Minimum clients on each side of a comparison."""

GROUP_BINS = 4


class Moments(NamedTuple):
    """The number of clients on one side, with the sum and the sum of squares of their log-odds."""

    clients: int
    total: float
    squares: float


def group_bin(in_group: bool, label: int) -> int:
    """The bin of a decision in a group's stream: group x label."""
    return (0 if in_group else 2) + label


def sides(counts: Sequence[int]) -> tuple[Favourable, Favourable]:
    """The group and the others, from the counts of a group's stream."""
    passed, flagged, others_passed, others_flagged = counts
    return Favourable(passed + flagged, passed), Favourable(others_passed + others_flagged, others_passed)


def strongest_impact(windows: Iterable[Window], design_effect: float) -> Evidence:
    """The largest evidence for a ratio below four fifths, over the start days. `design_effect`: that of the score."""
    return strongest((window.start, impact_evidence(*sides(window.counts), design_effect)) for window in windows)


def impact_alarm(name: str, evidence: Evidence, log_threshold: float) -> Alarm | None:
    """The alarm, or None below the threshold. Its severity is always `small`, because people must judge the ratio."""
    if evidence.since is None or evidence.log_e < log_threshold:
        return None
    return Alarm(
        stream=name,
        since=evidence.since,
        log_e=evidence.log_e,
        log_threshold=log_threshold,
        size=None,
        severity="small",
        largest=None,
    )


def adverse_impact_ratio(group: Favourable, others: Favourable, design_effect: float) -> WithInterval | None:
    """The favourable rate of the group divided by that of the others.

    None with fewer than 30 clients on a side, or if no other client has a favourable decision.
    """
    if min(group.clients, others.clients) < MIN_CLIENTS or others.favourable == 0:
        return None
    one, two = (Rate(side.favourable / design_effect, side.clients / design_effect) for side in (group, others))
    low, high = ratio_interval(one, two)
    return WithInterval(value=one.value / two.value, low=low, high=high)


def standardized_mean_difference(group: Moments, others: Moments, design_effect: float) -> WithInterval | None:
    """Mean log-odds of the group minus that of the others, divided by the pooled standard deviation.

    A positive value means a riskier group. None with fewer than 30 clients on a side, or if all log-odds are equal.
    """
    if min(group.clients, others.clients) < MIN_CLIENTS:
        return None
    pooled = (_spread(group) + _spread(others)) / (group.clients + others.clients - 2)
    if pooled <= 0:
        return None
    value = (group.total / group.clients - others.total / others.clients) / sqrt(pooled)
    n1, n2 = group.clients / design_effect, others.clients / design_effect
    half = Z95 * sqrt((n1 + n2) / (n1 * n2) + value * value / (2 * (n1 + n2)))
    return WithInterval(value=value, low=value - half, high=value + half)


def _spread(side: Moments) -> float:
    return max(0.0, side.squares - side.total * side.total / side.clients)


class GroupFairness(BaseModel):
    """Fairness of a group compared with all other clients whose value is known, over the days shown."""

    model_config = ConfigDict(frozen=True)

    group: str
    clients: int
    others: int
    air: WithInterval | None
    smd: WithInterval | None
    log_e: float | None
    since: date | None
    state: State
    too_few: bool


class Shown(NamedTuple):
    """A group's window over the days shown: counts by group x label, and the moments of both sides, if known."""

    counts: Sequence[int]
    moments: tuple[Moments, Moments] | None


def group_fairness(
    name: str, shown: Shown, evidence: Evidence, *, design_effect: float, alarmed: bool
) -> GroupFairness:
    group, others = sides(shown.counts)
    smd = standardized_mean_difference(*shown.moments, design_effect) if shown.moments else None
    return GroupFairness(
        group=name,
        clients=int(group.clients),
        others=int(others.clients),
        air=adverse_impact_ratio(group, others, design_effect),
        smd=smd,
        log_e=evidence.log_e if evidence.since else None,
        since=evidence.since,
        state="alarm" if alarmed else "quiet",
        too_few=min(group.clients, others.clients) < MIN_CLIENTS,
    )
