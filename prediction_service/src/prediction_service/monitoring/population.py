"""Builds the reference of a version from its training rows."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from prediction_service.monitoring.calibration import log_odds
from prediction_service.monitoring.reference import (
    SCORE,
    Group,
    Histogram,
    Quantity,
    Reference,
    Value,
    feature_stream,
)

FEW_VALUES = 10
"""Maximum distinct values of a quantity with one bin for each value."""

MAX_HISTOGRAM = 1_000
ELDERLY = 62
"""Age in years from which a client is elderly (12 CFR 1002.2(o))."""


class Column(NamedTuple):
    """Checked values of a feature, one per training row. `categories` is None for numbers and flags."""

    name: str
    values: Sequence[Value]
    categories: tuple[str, ...] | None = None


class FeatureBasis(NamedTuple):
    """The parts of a feature's definition that determine its fairness groups. The model need not use the feature."""

    name: str
    type: Literal["integer", "number", "flag", "category"]
    basis: tuple[str, ...]
    categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrainingRows:
    """The training rows, one client per row. `persons` is None if unknown; then each client is a separate person.

    `probabilities` are those of the final model for kind `tables`, and out-of-fold ones for kind `joblib`.
    """

    probabilities: Sequence[float]
    source: Literal["final_model", "out_of_fold"]
    defaulted: Sequence[bool]
    persons: Sequence[Hashable] | None = None


def build_reference(rows: TrainingRows, features: Sequence[Column], groups: Sequence[Group]) -> Reference:
    """Build the reference. Raises ValueError without rows, for columns of unequal length, or repeated stream names."""
    if not rows.probabilities:
        raise ValueError("there are no training rows")
    persons = rows.persons if rows.persons is not None else range(len(rows.probabilities))
    taken = [group.name for group in groups]
    streams = [column._replace(name=feature_stream(column.name, taken)) for column in features]
    score, *others = (_quantity(column, persons) for column in (Column(SCORE, rows.probabilities), *streams))
    odds = [log_odds(p) for p in rows.probabilities]
    return Reference(
        probabilities=rows.source,
        score=score,
        features=tuple(others),
        groups=tuple(groups),
        mean_log_odds=sum(odds) / len(odds),
        outcome_design_effect=outcome_design_effect(rows.probabilities, rows.defaulted, persons),
        streams=2 + len(others) + len(groups),
        histogram=_histogram(rows.probabilities),
    )


def fairness_groups(features: Iterable[FeatureBasis]) -> tuple[Group, ...]:
    """Return the fairness groups of all features with a basis.

    A numeric age has one group: 62 or older. Other features have one group per category, or one for flag = 1. The group
    of the first age is `age_62`; that of a further age has the name of its feature.
    """
    groups = [group for feature in features for group in _groups_of(feature)]
    ages = [group for group in groups if group.at_least is not None]
    further = {id(group): f"{group.feature}_{ELDERLY}" for group in ages[1:]}
    return tuple(group.model_copy(update={"name": further.get(id(group), group.name)}) for group in groups)


def _groups_of(feature: FeatureBasis) -> Iterable[Group]:
    if not feature.basis:
        return
    if feature.type == "category":
        for category in feature.categories:
            yield Group(name=f"{feature.name}={category}", feature=feature.name, equals=category)
    elif "age" in feature.basis and feature.type != "flag":
        yield Group(name=f"age_{ELDERLY}", feature=feature.name, at_least=ELDERLY)
    elif feature.type == "flag":
        yield Group(name=f"{feature.name}=1", feature=feature.name, equals=1)


def edges_of(values: Sequence[Value]) -> tuple[float, ...]:
    """Return all distinct values if there are at most ten, else the deciles.

    Decile k is the smallest value that k/10 of the rows do not exceed.
    """
    known = sorted(float(value) for value in values if isinstance(value, (int, float)) and value == value)  # noqa: PLR0124 -- not NaN
    distinct = sorted(set(known))
    if len(distinct) <= FEW_VALUES:
        return tuple(distinct)
    return tuple(sorted({known[-(-k * len(known) // 10) - 1] for k in range(1, 10)}))


def _quantity(column: Column, persons: Sequence[Hashable]) -> Quantity:
    edges = () if column.categories is not None else edges_of(column.values)
    bins = len(column.categories) + 1 if column.categories is not None else len(edges) + 2
    empty = Quantity(name=column.name, edges=edges, categories=column.categories, counts=(1,) * bins, design_effect=1)
    found = [empty.bin_of(value) for value in column.values]
    tally = Counter(found)
    counts = tuple(tally[index] for index in range(bins))
    effect = design_effect(found, persons)
    return empty.model_copy(update={"counts": counts, "design_effect": effect})


def design_effect(bins: Sequence[int], persons: Sequence[Hashable]) -> float:
    """The design effect of counts by bin if persons have several clients, at least 1.

    First-order correction of Rao and Scott (1981): sum_k sum_i (n_ik - m_i p_k)^2 / (N p_k) / (K - 1), over the bins in
    use.
    """
    cells = Counter(zip(persons, bins, strict=True))
    sizes, totals = Counter(persons), Counter(bins)
    if len(totals) < 2:
        return 1.0
    clients = len(bins)
    size_squares = sum(size * size for size in sizes.values())
    squares: Counter[int] = Counter()
    products: Counter[int] = Counter()
    for (person, k), count in cells.items():
        squares[k] += count * count
        products[k] += count * sizes[person]
    variance = 0.0
    for k, total in totals.items():
        share = total / clients
        variance += (squares[k] - 2 * share * products[k] + share * share * size_squares) / total
    return max(1.0, variance / (len(totals) - 1))


def outcome_design_effect(
    probabilities: Sequence[float], defaulted: Sequence[bool], persons: Sequence[Hashable]
) -> float:
    """Variance of the outcomes summed by person, divided by that of independent outcomes, at least 1."""
    residuals: dict[Hashable, float] = {}
    for p, y, person in zip(probabilities, defaulted, persons, strict=True):
        residuals[person] = residuals.get(person, 0.0) + (y - p)
    independent = sum(p * (1 - p) for p in probabilities)
    return max(1.0, sum(residual**2 for residual in residuals.values()) / independent) if independent > 0 else 1.0


def _histogram(probabilities: Sequence[float]) -> Histogram:
    ordered = sorted(probabilities)
    upto = sorted(set(ordered))
    if len(upto) > MAX_HISTOGRAM:
        upto = sorted({ordered[-(-k * len(ordered) // MAX_HISTOGRAM) - 1] for k in range(1, MAX_HISTOGRAM + 1)})
    tally = Counter(bisect_left(upto, p) for p in ordered)
    return Histogram(upto=tuple(upto), clients=tuple(tally[index] for index in range(len(upto))))
