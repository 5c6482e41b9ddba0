"""The training population of a model version (`reference.json`), as the reference for its decisions."""

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

SCORE, CALIBRATION = "score", "calibration"
MISSING = "missing"
_FEATURE = "feature:"
MIN_ADOPTED = 1_000
"""Minimum clients of a window that becomes a reference."""


def feature_stream(feature: str, groups: Collection[str] = ()) -> str:
    """The stream of a feature: its name, or `feature:NAME` if another stream has this name."""
    return f"{_FEATURE}{feature}" if feature in (SCORE, CALIBRATION, *groups) else feature


Value = float | str | bool | None
"""A checked value of a feature; None is a missing, failed or stale value."""

Finite = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Quantity(_Part):
    """The distribution of the score or a feature in training: clients by bin. `name` is the name of its stream.

    Numbers have the bins (previous edge, edge], one above the last edge, and one for missing values. Categories have
    one bin each, and one for missing values. `design_effect`: the variance of the counts, divided by that of
    independent clients.
    """

    name: str = Field(min_length=1)
    edges: tuple[Finite, ...] = ()
    categories: tuple[str, ...] | None = None
    counts: tuple[Count, ...]
    design_effect: Finite = Field(ge=1)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if any(low >= high for low, high in pairwise(self.edges)):
            raise ValueError("edges do not increase")
        if self.categories is not None and (self.edges or len(set(self.categories)) < len(self.categories)):
            raise ValueError("categories repeat, or there are edges, too")
        if len(self.counts) != len(self.labels):
            raise ValueError("needs one count per bin")
        if not any(self.counts):
            raise ValueError("counts no client")
        return self

    @property
    def feature(self) -> str:
        """The name of the feature that is counted."""
        return self.name.removeprefix(_FEATURE)

    @property
    def clients(self) -> int:
        return sum(self.counts)

    @property
    def labels(self) -> tuple[str, ...]:
        """The label of each bin, for people."""
        if self.categories is not None:
            return (*self.categories, MISSING)
        above = (f"above {self.edges[-1]:g}",) if self.edges else ("known",)
        return (*(f"up to {edge:g}" for edge in self.edges), *above, MISSING)

    @property
    def uppers(self) -> tuple[float | None, ...]:
        """The upper edge of each bin; None for categories, the bin above the last edge, and missing values."""
        return (*self.edges, *(None,) * (len(self.labels) - len(self.edges)))

    def bin_of(self, value: Value) -> int:
        """The bin of a checked value. Unknown categories, and values of another type, count as missing."""
        last = len(self.counts) - 1
        if self.categories is not None:
            return self.categories.index(value) if isinstance(value, str) and value in self.categories else last
        if value is None or isinstance(value, str) or value != value:  # noqa: PLR0124 -- only NaN differs from itself
            return last
        return bisect_left(self.edges, value)

    def adopted(self, window: Sequence[int]) -> "Quantity":
        """The same bins with a window of decisions as the reference. Raises ValueError under 1,000 clients."""
        if sum(window) < MIN_ADOPTED:
            raise ValueError(f"a reference needs {MIN_ADOPTED} clients")
        return Quantity.model_validate({**self.model_dump(), "counts": tuple(window)})


class Group(_Part):
    """A fairness group. It is compared with all other clients whose value is known."""

    name: str
    feature: str
    at_least: Finite | None = None
    equals: Finite | str | None = None

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if (self.at_least is None) == (self.equals is None):
            raise ValueError("needs one of at_least and equals")
        return self

    def holds(self, values: Mapping[str, Value]) -> bool | None:
        """Whether the client belongs to the group; None if its value is not known."""
        value = values.get(self.feature)
        if value is None or value != value:  # noqa: PLR0124 -- only NaN differs from itself
            return None
        if self.at_least is None:
            return value == self.equals
        return None if isinstance(value, str) else value >= self.at_least


class Place(NamedTuple):
    """The place of a probability in the training population: the shares below it, and at or below it."""

    below: float
    at_or_below: float


class Histogram(_Part):
    """Training clients by probability of default.

    One bin for each distinct probability if there are at most 1,000, else one for each thousandth of the population.
    """

    upto: tuple[Finite, ...]
    clients: tuple[Count, ...]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.upto or len(self.upto) != len(self.clients) or not any(self.clients):
            raise ValueError("needs clients for each probability")
        if any(low >= high for low, high in pairwise(self.upto)):
            raise ValueError("probabilities do not increase")
        return self

    def place(self, probability: float) -> Place:
        """The shares of the population in bins below that of this probability, and in bins up to it."""
        sums = list(accumulate(self.clients, initial=0))
        index = bisect_left(self.upto, probability)
        return Place(sums[index] / sums[-1], sums[min(index + 1, len(self.upto))] / sums[-1])


class Reference(_Part):
    """The content of `reference.json`. `streams`: the number of streams that share the limit of false alarms."""

    schema_version: Literal[1] = 1
    probabilities: Literal["final_model", "out_of_fold"]
    score: Quantity
    features: tuple[Quantity, ...]
    groups: tuple[Group, ...] = ()
    mean_log_odds: Finite
    outcome_design_effect: Finite = Field(ge=1)
    streams: int
    histogram: Histogram

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        names = self.stream_names
        if len(set(names)) < len(names):
            raise ValueError("names of streams repeat")
        if self.score.name != SCORE:
            raise ValueError("the first quantity is not the score")
        if self.streams != len(names):
            raise ValueError("streams is not the number of its streams")
        totals = {quantity.clients for quantity in self.quantities} | {sum(self.histogram.clients)}
        if len(totals) > 1:
            raise ValueError("quantities count different populations")
        return self

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        return (self.score, *self.features)

    @property
    def stream_names(self) -> tuple[str, ...]:
        return (
            *(quantity.name for quantity in self.quantities),
            CALIBRATION,
            *(group.name for group in self.groups),
        )
