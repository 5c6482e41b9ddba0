"""Explains a decision: the contribution of each feature, and sentences for the adverse contributions."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from math import expm1, fsum, inf, nextafter
from typing import Any, NamedTuple

from prediction_service.scoring.scorecard import ELDERLY, FeatureTable, Scorecard, Values, sigmoid
from prediction_service.scoring.texts import Bounds, Texts, category_sentence, sentence, texts_of, version_of
from shared_schemas import Feature

METHOD = "exact Shapley values of an additive model against its training population, in log-odds"
MOST_REASONS = 4
"""Maximum reasons: more are not likely to help the applicant (interpretation of 12 CFR 1002.9(b)(2), paragraph 1)."""

LEAST_CONTRIBUTION = 0.01
"""Minimum contribution of a principal reason, in log-odds: 1 % of the odds."""

COMBINATIONS_KEPT = 4_096
"""Maximum combinations of cells in the cache, about 3 kB each."""


class _Cell(NamedTuple):
    """An interval of a feature's values. `reason`: its code and sentence; None if the contribution is no reason."""

    feature: str
    contribution: float
    reason: tuple[str, str] | None


class _Feature(NamedTuple):
    """The cells of a feature: `cells[i]` applies to edges[i - 1] < x <= edges[i], the last cell to a missing value."""

    name: str
    edges: tuple[float, ...]
    cells: tuple[_Cell, ...]
    categories: tuple[str, ...] | None


class _Combination(NamedTuple):
    """The explanation shared by all vectors whose values lie in the same cells. Must not be modified."""

    parts: tuple[tuple[str, float, float], ...]
    """Name, contribution and points of each feature."""

    reason_codes: list[dict[str, Any]]


class Explainer:
    """Explains the answers of one scorecard.

    The part that depends only on the cells is computed once for each combination; a portfolio has 1,000 to 2,000.
    """

    def __init__(self, scorecard: Scorecard, inputs: Sequence[Feature], bounds: Bounds = "two_decimals") -> None:
        texts = texts_of(inputs)
        self.base_log_odds = fsum((scorecard.base, *(table.population_mean for table in scorecard.tables)))
        self._reference = sigmoid(self.base_log_odds)
        self._features = tuple(
            _feature(table, feature, words, bounds)
            for table, feature, words in zip(scorecard.tables, inputs, texts, strict=True)
        )
        self._categories = tuple(feature.categories for feature in self._features)
        self._edges = tuple(feature.edges for feature in self._features)
        self._constant = {"explanation_method": METHOD, "reason_texts_version": version_of(texts)}
        self._combination = lru_cache(COMBINATIONS_KEPT)(self._combined)
        self._texts = {feature.name: words for feature, words in zip(inputs, texts, strict=True)}

    def reason_codes(self, values: Values, probability: float) -> list[dict[str, Any]]:
        """The adverse contributions, largest first, as in `explain`. The list must not be modified."""
        return self._combination(self._positions(values), probability).reason_codes

    def reason_of_state(self, name: str, state: str, values: Values, probability: float) -> dict[str, Any]:
        """The reason for a missing, failed or stale feature, independent of the size of its contribution."""
        words = self._texts[name]
        of_feature = next(
            part for part in self._combination(self._positions(values), probability).parts if part[0] == name
        )
        code, text = (words.code + "_STALE", words.stale) if state == "stale" else (words.missing_code, words.missing)
        return {"code": code, "feature": name, "contribution": of_feature[1], "points": of_feature[2], "text": text}

    def _positions(self, values: Values) -> tuple[int, ...]:
        return tuple(
            -1 if value is None else bisect_left(edges, value) for value, edges in zip(values, self._edges, strict=True)
        )

    def explain(self, stored: Mapping[str, Any], values: Values, probability: float) -> dict[str, Any]:
        """The additional keys of an explained answer.

        `stored`: the vector before its check; `values`: the input of the model; `probability`: its output.
        """
        parts, reason_codes = self._combination(self._positions(values), probability)
        return {
            "contributions": [
                {
                    "feature": name,
                    "value": stored[name],
                    "value_used": value if categories is None or value is None else categories[int(value)],
                    "contribution": contribution,
                    "points": points,
                }
                for (name, contribution, points), value, categories in zip(parts, values, self._categories, strict=True)
            ],
            "reason_codes": reason_codes,
            "base_log_odds": self.base_log_odds,
            **self._constant,
        }

    def _combined(self, positions: tuple[int, ...], probability: float) -> _Combination:
        found = [feature.cells[position] for feature, position in zip(self._features, positions, strict=True)]
        per_log_odds = self._points(sum(cell.contribution for cell in found), probability)
        parts = tuple((cell.feature, cell.contribution, cell.contribution * per_log_odds) for cell in found)
        return _Combination(parts, _reasons(found, per_log_odds))

    def _points(self, difference: float, probability: float) -> float:
        """Points of score per unit of log-odds: the mean slope of the score between the reference and the probability.

        The points of the features then add up to 1000 * (probability - reference), and keep the signs and proportions
        of the log-odds (Aumann and Shapley 1974: the straight path). This form is exact for small differences, too.
        """
        lower, upper = sorted((self._reference, probability))
        distance = abs(difference)
        return 1000 * upper * (1 - lower) * (-expm1(-distance) / distance if distance else 1.0)


def _reasons(found: Sequence[_Cell], per_log_odds: float) -> list[dict[str, Any]]:
    adverse = [cell for cell in found if cell.reason]
    adverse.sort(key=_size, reverse=True)  # stable: equal contributions stay in the order of the features
    return [
        {
            "code": cell.reason[0],
            "feature": cell.feature,
            "contribution": cell.contribution,
            "points": cell.contribution * per_log_odds,
            "text": cell.reason[1],
        }
        for cell in adverse[:MOST_REASONS]
        if cell.reason
    ]


def _size(cell: _Cell) -> float:
    return cell.contribution


def _feature(table: FeatureTable, feature: Feature, texts: Texts, written: Bounds) -> _Feature:
    if table.categories is None:
        edges, cells = _interval_cells(table, feature, texts, written)
    else:
        edges, cells = table.edges, _category_cells(table, texts)
    missing = table.missing - table.population_mean
    reason = (texts.missing_code, texts.missing) if missing > LEAST_CONTRIBUTION else None
    return _Feature(table.name, edges, (*cells, _Cell(table.name, missing, reason)), table.categories)


def _category_cells(table: FeatureTable, texts: Texts) -> list[_Cell]:
    cells = []
    for category, value in zip(table.categories or (), table.values, strict=True):
        added = value - table.population_mean
        reason = (texts.code, category_sentence(texts, category)) if added > LEAST_CONTRIBUTION else None
        cells.append(_Cell(table.name, added, reason))
    return cells


def _interval_cells(
    table: FeatureTable, feature: Feature, texts: Texts, written: Bounds
) -> tuple[tuple[float, ...], list[_Cell]]:
    """Return the edges and cells. Adjacent adverse cells get one sentence for their whole range: "between 4 and 14"."""
    edges, values, of_age = list(table.edges), list(table.values), "age" in feature.basis
    if of_age and (adult := nextafter(ELDERLY, -inf)) not in edges:
        position = bisect_left(edges, adult)
        edges.insert(position, adult)
        values.insert(position, values[position])
    bounds = [None, *edges, None]
    added = [value - table.population_mean for value in values]
    explained = [_is_reason(edge, value, of_age=of_age) for edge, value in zip([-inf, *edges], added, strict=True)]
    cells: list[_Cell] = []
    for adverse, run in groupby(range(len(values)), key=explained.__getitem__):
        positions = list(run)
        text = sentence(feature, texts, bounds[positions[0]], bounds[positions[-1] + 1], written)
        cells += [_Cell(table.name, added[i], (texts.code, text) if adverse else None) for i in positions]
    return tuple(edges), cells


def _is_reason(above: float, contribution: float, *, of_age: bool) -> bool:
    """Whether a contribution is a reason. The age of an elderly applicant never is one (12 CFR 1002.6(b)(2))."""
    elderly = of_age and above >= nextafter(ELDERLY, -inf)
    return contribution > LEAST_CONTRIBUTION and not elderly
