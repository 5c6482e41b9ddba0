"""Finds, for each actionable input, the smallest change with a more favourable decision, and verifies it by scoring."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from math import ceil, floor, inf, nextafter
from typing import Any, NamedTuple

from prediction_service.policy.rules import Outcome, ServedPolicy
from prediction_service.scoring.decision import Vector
from prediction_service.scoring.scorecard import FeatureTable, Scorecard
from prediction_service.versions.serving import ServedModel
from shared_schemas import Feature

SEVERITY: Mapping[str, int] = {"approve": 0, "refer": 1, "decline": 2}


class Variation(NamedTuple):
    """A change of one feature, and its decision. `to` and `decision` are None if no change of this feature suffices."""

    feature: Feature
    stored: Any
    to: Any
    decision: Outcome | None


class Search(NamedTuple):
    """The search for variations of one decision."""

    model: ServedModel
    policy: ServedPolicy
    vector: Vector
    decided_at: datetime
    decision: Outcome

    def variations(self, scorecard: Scorecard) -> list[Variation]:
        """Return one variation for each actionable input, in order; none for an approval."""
        if self.decision == "approve":
            return []
        found = zip(self.model.inputs, scorecard.tables, strict=True)
        return [self._of(feature, table) for feature, table in found if feature.actionable]

    def _of(self, feature: Feature, table: FeatureTable) -> Variation:
        stored = self.vector[feature.name]
        for value in _candidates(feature, table, self._usable(feature)):
            decision = self.decision_with(feature.name, value)
            if SEVERITY[decision] < SEVERITY[self.decision]:
                return Variation(feature, stored, value, decision)
        return Variation(feature, stored, None, None)

    def _usable(self, feature: Feature) -> Any:
        """The stored value, or None if the model could not use it."""
        unusable = self.model.quality.check(self.vector, self.decided_at).missing
        return None if feature.name in unusable else self.vector[feature.name]

    def decision_with(self, name: str, value: Any) -> Outcome:
        """The decision with this value, recorded at the time of the decision, and all other values unchanged."""
        times = {**(self.vector.get("feature_timestamps") or {}), name: self.decided_at}
        varied = {**self.vector, name: value, "feature_timestamps": times}
        quality = self.model.quality.check(varied, self.decided_at)
        assert self.model.scorecard is not None  # noqa: S101 -- `variations` requires a scorecard
        probability = self.model.scorecard.probability(quality.values)
        return self.policy.rules.judge(probability, self.model.threshold, quality).decision


def _candidates(feature: Feature, table: FeatureTable, stored: Any) -> Sequence[Any]:
    """Return one value of each cell, the nearest to the stored value first.

    Categories and missing values have no distance. For them, the values that change the log-odds least come first.
    """
    if feature.categories is not None:
        values = list(zip(feature.categories, table.values, strict=True))
        now = table.missing if stored is None else dict(values)[stored]
        return [value for value, added in sorted(values, key=lambda each: abs(each[1] - now)) if value != stored]
    cells = [(low, high) for low, high in _cells(feature, table) if low <= high]
    if stored is None:
        nearest = [low if low > -inf else high for low, high in cells if low > -inf or high < inf]
        nearest.sort(key=lambda value: abs(table.contribution(value) - table.missing))
    else:
        nearest = sorted((min(max(stored, low), high) for low, high in cells), key=lambda value: abs(value - stored))
    return [int(value) if feature.whole else float(value) for value in nearest if value != stored]


def _cells(feature: Feature, table: FeatureTable) -> Iterator[tuple[float, float]]:
    """The smallest and the largest allowed value of each cell. If a cell has no allowed value, low > high."""
    least, most = _range(feature)
    for below, upto in pairwise((-inf, *table.edges, inf)):
        if feature.whole:
            low, high = (below if below == -inf else floor(below) + 1), (upto if upto == inf else floor(upto))
        else:
            low, high = nextafter(below, inf) if below > -inf else below, upto
        yield max(low, least), min(high, most)


def _range(feature: Feature) -> tuple[float, float]:
    if feature.type == "flag":
        return 0, 1
    least = -inf if feature.minimum is None else feature.minimum
    most = inf if feature.maximum is None else feature.maximum
    above, below = feature.exclusive_minimum, feature.exclusive_maximum
    if feature.whole:
        least = max(ceil(least) if least > -inf else least, -inf if above is None else floor(above) + 1)
        most = min(floor(most) if most < inf else most, inf if below is None else ceil(below) - 1)
        return least, most
    least = max(least, -inf if above is None else nextafter(above, inf))
    return least, min(most, inf if below is None else nextafter(below, -inf))


def cell_of(feature: Feature, table: FeatureTable, value: float) -> tuple[float, float]:
    """The smallest and the largest allowed value of the cell that contains this allowed value."""
    return next((low, high) for low, high in _cells(feature, table) if low <= value <= high)


def edge_below(table: FeatureTable, value: float) -> float | None:
    """The edge whose next larger float is this value, or None."""
    position = bisect_left(table.edges, value)
    return table.edges[position - 1] if position and nextafter(table.edges[position - 1], inf) == value else None
