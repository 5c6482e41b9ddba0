"""The scorecard: one lookup table per feature, summed in log-odds. Exact, without numerical libraries."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import exp, isfinite
from typing import Any

Values = Sequence[float | None]
"""One value per feature, in the order of the tables; None and NaN are missing values."""

DIRECTIONS = {"rises": 1, "falls": -1, "is free": 0}
"""The direction of a table's values for each declared `risk` of a feature."""


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """The contributions of a feature to the log-odds of default.

    `values[i]` applies to edges[i - 1] < x <= edges[i], the last value to all x above the last edge. `missing_rule` is
    "missing_cell" if the feature was missing in some training rows, "best_cell" if a missing value gets the smallest
    of the values, else "default_cell". `monotonic` is -1 if the values never rise, 1 if they never fall, 0 if they are
    free. `population_mean` is the mean contribution over the training rows. With `categories`, x is the position of a
    category in that list, and values[x] is its contribution.
    """

    name: str
    edges: tuple[float, ...]
    values: tuple[float, ...]
    missing: float
    missing_rule: str
    monotonic: int
    population_mean: float
    categories: tuple[str, ...] | None = None

    def contribution(self, value: float | None) -> float:
        if value is None or value != value:  # noqa: PLR0124 -- only NaN differs from itself
            return self.missing
        return self.values[bisect_left(self.edges, value)]

    def defect(self) -> str | None:
        """The first defect of the table, or None."""
        return next(self._defects(), None)

    def _defects(self) -> Iterator[str]:
        numbers = (*self.edges, *self.values, self.missing, self.population_mean)
        if not all(isfinite(number) for number in numbers):
            yield "holds a number that is not finite"
        if len(self.values) != len(self.edges) + 1:
            yield "needs one value more than edges"
        if any(low >= high for low, high in pairwise(self.edges)):
            yield "has edges that do not increase"
        if self.monotonic not in (-1, 0, 1) or self.missing_rule not in ("missing_cell", "default_cell", "best_cell"):
            yield "claims an unknown direction or rule for missing values"
        if self.categories is not None and (self.edges != category_edges(self.categories) or self.monotonic):
            yield "does not have one value for each category"
        if self.missing_rule == "best_cell" and self.missing > min(self.values):
            yield "treats a missing value worse than the best known one, though it claims not to"
        falls, rises = any(a > b for a, b in pairwise(self.values)), any(a < b for a, b in pairwise(self.values))
        if (falls and self.monotonic == 1) or (rises and self.monotonic == -1):
            yield "does not keep the direction that it claims"
        inside = min(self.values) <= self.missing <= max(self.values)
        if self.monotonic and self.missing_rule == "default_cell" and not inside:
            yield "treats a missing value like no known one, though none was missing in training"


def category_edges(categories: Sequence[str]) -> tuple[float, ...]:
    """The edges that give each category its own cell."""
    return tuple(float(position) for position in range(len(categories) - 1))


def sigmoid(log_odds: float) -> float:
    if log_odds >= 0:
        return 1 / (1 + exp(-log_odds))
    odds = exp(log_odds)
    return odds / (1 + odds)


class Scorecard:
    """Probability of default = sigmoid(base + sum of contributions)."""

    def __init__(self, base: float, tables: Sequence[FeatureTable]) -> None:
        self.base = base
        self.tables = tuple(tables)
        self._cells = tuple((table.edges, table.values, table.missing) for table in tables)

    def log_odds(self, values: Values) -> float:
        total = self.base
        for value, (edges, contributions, missing) in zip(values, self._cells, strict=True):
            if value is None or value != value:  # noqa: PLR0124 -- only NaN differs from itself
                total += missing
            else:
                total += contributions[bisect_left(edges, value)]
        return total

    def probability(self, values: Values) -> float:
        return sigmoid(self.log_odds(values))

    def probabilities(self, rows: Sequence[Values]) -> list[float]:
        """The probability of each row, bit for bit that of `probability`.

        Computed feature by feature, which halves the time for hundreds of rows.
        """
        if len(rows) == 1:
            return [self.probability(rows[0])]
        totals = [self.base] * len(rows)
        for column, (edges, contributions, missing) in zip(zip(*rows, strict=True), self._cells, strict=bool(rows)):
            totals = [
                total + (missing if value is None or value != value else contributions[bisect_left(edges, value)])  # noqa: PLR0124 -- only NaN differs from itself
                for total, value in zip(totals, column, strict=True)
            ]
        return [sigmoid(total) for total in totals]

    def contributions(self, values: Values) -> list[float]:
        """The contribution of each feature in log-odds, relative to its mean over the training rows.

        For an additive model these are its exact Shapley values against that population (Lundberg and Lee 2017, section 2.4).
        """
        return [
            table.contribution(value) - table.population_mean for table, value in zip(self.tables, values, strict=True)
        ]

    def as_json(self) -> dict[str, Any]:
        return {"base": self.base, "tables": [_table_as_json(table) for table in self.tables]}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Scorecard":
        """Read a document of `as_json`. Raises KeyError, TypeError or ValueError for any other document."""
        return cls(float(document["base"]), [_table_from_json(table) for table in document["tables"]])


def _table_as_json(table: FeatureTable) -> dict[str, Any]:
    document = asdict(table)
    del document["categories" if table.categories is None else "edges"]
    return document


def _table_from_json(table: Mapping[str, Any]) -> FeatureTable:
    categories = tuple(str(category) for category in table["categories"]) if "categories" in table else None
    edges = tuple(float(edge) for edge in table["edges"]) if categories is None else category_edges(categories)
    return FeatureTable(
        name=str(table["name"]),
        edges=edges,
        values=tuple(float(value) for value in table["values"]),
        missing=float(table["missing"]),
        missing_rule=str(table["missing_rule"]),
        monotonic=int(table["monotonic"]),
        population_mean=float(table["population_mean"]),
        categories=categories,
    )


ELDERLY = 62
"""Age in years from which an applicant is elderly in the sense of 12 CFR 1002.2(o)."""

YOUNGER, OLDER = range(18, ELDERLY), range(ELDERLY, 101)
"""All ages of adults that pass the quality check. Ages are completed years, so a comparison over these is complete."""


def disfavours_elderly(age: FeatureTable) -> bool:
    """Whether the table scores some age of 62 or older worse than the best younger adult age.

    12 CFR 1002.6(b)(2): the age of an elderly applicant may not be assigned a negative factor or value.
    """
    younger = min(age.contribution(years) for years in YOUNGER)
    return any(age.contribution(years) > younger for years in OLDER)


def disfavours_unknown_age(age: FeatureTable) -> bool:
    """Whether a missing age is scored worse than some known age. It may be that of an elderly applicant."""
    return age.missing > min(age.contribution(years) for years in (*YOUNGER, *OLDER))


def disfavours_every_unknown_age(age: FeatureTable) -> bool:
    """Whether a missing age is scored worse than every known age. This is the check of the first release."""
    return age.missing > max(age.contribution(years) for years in (*YOUNGER, *OLDER))
