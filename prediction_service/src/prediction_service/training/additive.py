"""The default estimator: boosted trees that use one feature each, so that their sum is a scorecard."""

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier

from prediction_service.training.errors import TrainingDataError
from prediction_service.training.thresholds import shorten

MOST_CATEGORIES = 250
"""Maximum categories of one feature with their own value: the most frequent ones. Others are treated as missing."""


class Grown(NamedTuple):
    """The trees of one input, as arrays of nodes with the sets of categories that each node sends left.

    `codes`: the number of each category within the trees, -1 if the trees do not know it; None for a number. `fill`:
    the replacement for a missing value; None if the trees handle missing values.
    """

    trees: Sequence[tuple[np.ndarray, np.ndarray]]
    codes: np.ndarray | None
    fill: float | None

    def thresholds(self) -> list[float]:
        """The values at which the output of the trees changes, in increasing order.

        A split between missing and all other values has the threshold infinity. It is left out, because no number
        exceeds it.
        """
        split = (nodes[nodes["is_leaf"] == 0]["num_threshold"] for nodes, _ in self.trees)
        return sorted({value for values in split for value in values.tolist() if isfinite(value)})

    def leaves(self, value: float) -> Iterator[float]:
        """The output of each tree for a value: a number, the position of a category, or NaN."""
        if np.isnan(value) and self.fill is not None:
            value = self.fill
        if self.codes is not None and not np.isnan(value):
            code = self.codes[int(value)]
            value = np.nan if code < 0 else float(code)
        for nodes, left_categories in self.trees:
            yield _leaf(nodes, left_categories, value)


def _leaf(nodes: np.ndarray, left_categories: np.ndarray, value: float) -> float:
    position = 0
    while not nodes[position]["is_leaf"]:
        node = nodes[position]
        if np.isnan(value):
            left = bool(node["missing_go_to_left"])
        elif node["is_categorical"]:
            words, code = left_categories[node["bitset_idx"]], int(value)
            left = bool(int(words[code // 32]) >> (code % 32) & 1)
        else:
            left = bool(value <= node["num_threshold"])
        position = node["left"] if left else node["right"]
    return float(nodes[position]["value"])


class AdditiveBoosting(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """Gradient boosting (scikit-learn's histogram trees) in which each tree splits on only one input.

    Rows contain numbers; NaN is a missing value, and a category is its position in its list. `directions`: for each
    input 1 if the prediction must not fall with it, -1 if it must not rise, 0 if it is free. `categories`: for each
    input the length of its list, 0 for a number. `best_if_missing`: whether missing values of an input count as the
    largest known value, which has the smallest risk with direction -1.
    """

    def __init__(
        self,
        directions: Sequence[int] = (),
        categories: Sequence[int] = (),
        best_if_missing: Sequence[bool] = (),
        *,
        learning_rate: float = 0.03,
        max_iter: int = 150,
        min_samples_leaf: int = 300,
        l2_regularization: float = 10.0,
        max_features: float = 0.2,
    ) -> None:
        self.directions = directions
        self.categories = categories
        self.best_if_missing = best_if_missing
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.min_samples_leaf = min_samples_leaf
        self.l2_regularization = l2_regularization
        self.max_features = max_features

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def fit(self, features: np.ndarray, labels: np.ndarray) -> Self:
        self.classes_ = np.array([0, 1])
        self.fill_ = {
            index: float(np.nanmax(features[:, index])) for index, best in enumerate(self.best_if_missing) if best
        }
        self.codes_ = {index: _codes(features[:, index], size) for index, size in enumerate(self.categories) if size}
        self.boosting_ = HistGradientBoostingClassifier(
            learning_rate=self.learning_rate,
            max_iter=self.max_iter,
            max_depth=2,
            max_leaf_nodes=None,
            min_samples_leaf=self.min_samples_leaf,
            l2_regularization=self.l2_regularization,
            max_features=self.max_features,  # so that not only the strongest inputs are used
            interaction_cst="no_interactions",
            monotonic_cst=list(self.directions),
            categorical_features=sorted(self.codes_) or None,
            early_stopping=False,
            random_state=0,
        )
        prepared = self._prepared(features)
        self.boosting_.fit(prepared, labels)
        shorten((nodes for nodes, _ in self._trees()), [prepared[:, index] for index in self._order()])
        return self

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        return np.asarray(self.boosting_.predict_proba(self._prepared(features)))

    def predict(self, features: np.ndarray) -> np.ndarray:
        return np.asarray(self.predict_proba(features)[:, 1] >= 0.5, dtype=int)

    def _prepared(self, features: np.ndarray) -> np.ndarray:
        prepared = np.array(features, dtype=float)
        for index, fill in self.fill_.items():
            column = prepared[:, index]
            column[np.isnan(column)] = fill
        for index, codes in self.codes_.items():
            column = prepared[:, index]
            known = ~np.isnan(column)
            numbers = codes[column[known].astype(int)].astype(float)
            column[known] = np.where(numbers < 0, np.nan, numbers)
        return prepared

    def grown(self) -> tuple[float, list[Grown]]:
        """Return the base in log-odds, and for each input the trees that split on it.

        Reads the fitted trees, which are private to scikit-learn. So the caller must compare its result with
        `predict_proba`.
        """
        base = float(self.boosting_._baseline_prediction.ravel()[0])  # noqa: SLF001
        order = self._order()
        trees: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in order]
        for nodes, left_categories in self._trees():
            used = set(nodes["feature_idx"][nodes["is_leaf"] == 0].tolist())
            if len(used) > 1:
                raise TrainingDataError("The model is not additive: a tree of it uses several features.")
            if used:
                trees[order[used.pop()]].append((nodes, left_categories))
            else:
                base += float(nodes["value"][0])
        return base, [Grown(trees[index], self.codes_.get(index), self.fill_.get(index)) for index in range(len(order))]

    def _trees(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the nodes of each tree (the estimator's own array), and the sets of categories that they send left."""
        for [predictor] in self.boosting_._predictors:  # noqa: SLF001
            yield predictor.nodes, predictor.raw_left_cat_bitsets

    def _order(self) -> list[int]:
        """The order in which scikit-learn numbers the inputs within trees: inputs with categories come first."""
        return [*sorted(self.codes_), *(index for index in range(len(self.directions)) if index not in self.codes_)]


def _codes(column: np.ndarray, size: int) -> np.ndarray:
    """A number from 0 for each seen category, in the order of the list; -1 for the others."""
    seen, counts = np.unique(column[~np.isnan(column)].astype(int), return_counts=True)
    frequent = np.sort(seen[np.argsort(-counts, kind="stable")][:MOST_CATEGORIES])
    codes = np.full(size, -1)
    codes[frequent] = np.arange(len(frequent))
    return codes
