"""Which estimator is trained, and how the champion's trees become lookup tables."""

import importlib
from collections.abc import Callable, Mapping
from math import fsum
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags

from prediction_service.scorecard import DIRECTIONS, FeatureTable, Scorecard
from prediction_service.training.data import TrainingDataError
from shared_schemas import FEATURE_NAMES

Factory = Callable[[], Any]

_CONSTRAINTS = [DIRECTIONS.get(name, 0) for name in FEATURE_NAMES]


def champion() -> HistGradientBoostingClassifier:
    """Additive and monotone: one feature a tree, so that the sum of trees is a scorecard; missing is a cell of its own."""
    return HistGradientBoostingClassifier(
        learning_rate=0.03,
        max_iter=150,
        max_depth=2,
        max_leaf_nodes=None,
        min_samples_leaf=300,
        l2_regularization=10.0,
        max_features=0.2,  # one random feature a split: all of them are used
        interaction_cst="no_interactions",
        monotonic_cst=_CONSTRAINTS,
        early_stopping=False,
        random_state=0,
    )


def other_classifier(path: str, parameters: Mapping[str, Any]) -> Factory:
    """Makes the scikit-learn classifier MODULE:CLASS; medians stand in for missing values where it takes none.

    One that can be told in which direction risk may go is told, unless `parameters` say it.
    """
    module_name, _, class_name = path.partition(":")
    try:
        made = getattr(importlib.import_module(module_name), class_name)(**parameters)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise TrainingDataError(f"--model {path} with these --params cannot be made.") from error
    if not isinstance(made, BaseEstimator) or not is_classifier(made) or not hasattr(made, "predict_proba"):
        raise TrainingDataError(f"--model {path} is no scikit-learn classifier with predict_proba.")

    directions = {"monotonic_cst": _CONSTRAINTS} if "monotonic_cst" in made.get_params(deep=False) else {}

    def factory() -> Any:
        estimator = type(made)(**(directions | dict(parameters)))
        if get_tags(estimator).input_tags.allow_nan:
            return estimator
        return make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), estimator)

    return factory


def fitted(factory: Factory, features: np.ndarray, labels: np.ndarray) -> Any:
    """A new estimator, fitted; scikit-learn checks parameters and inputs only now."""
    try:
        return factory().fit(features, labels)
    except ValueError as error:
        reason = str(error).partition("\n")[0]
        raise TrainingDataError(f"This estimator cannot be trained on these rows: {reason}") from error


def _leaf(nodes: np.ndarray, value: float) -> float:
    position = 0
    while not nodes[position]["is_leaf"]:
        node = nodes[position]
        left = node["missing_go_to_left"] if np.isnan(value) else value <= node["num_threshold"]
        position = node["left"] if left else node["right"]
    return float(nodes[position]["value"])


def scorecard_of(estimator: HistGradientBoostingClassifier, features: np.ndarray) -> Scorecard:
    """The tables that an additive boosting model is. `features` are its training rows.

    Reads the fitted trees, which scikit-learn keeps private: the caller compares the result with `predict_proba`.
    """
    base = float(estimator._baseline_prediction.ravel()[0])  # noqa: SLF001
    trees: dict[int, list[np.ndarray]] = {}
    for [predictor] in estimator._predictors:  # noqa: SLF001
        nodes = predictor.nodes
        used = set(nodes["feature_idx"][nodes["is_leaf"] == 0].tolist())
        if len(used) > 1:
            raise TrainingDataError("The model is not additive: a tree of it uses several features.")
        if used:
            trees.setdefault(used.pop(), []).append(nodes)
        else:
            base += float(nodes["value"][0])
    tables = [_table(index, trees.get(index, []), features[:, index]) for index in range(len(FEATURE_NAMES))]
    return Scorecard(base, tables)


def _table(index: int, trees: list[np.ndarray], column: np.ndarray) -> FeatureTable:
    edges = sorted({float(node["num_threshold"]) for nodes in trees for node in nodes if not node["is_leaf"]})
    # fsum rounds once, so that sums of leaves that never rise never rise either
    values = [fsum(_leaf(nodes, at) for nodes in trees) for at in [*edges, np.inf]]
    missing = fsum(_leaf(nodes, np.nan) for nodes in trees)
    absent = np.isnan(column)
    added = np.where(absent, missing, np.asarray(values)[np.searchsorted(edges, np.where(absent, 0.0, column))])
    name = FEATURE_NAMES[index]
    return FeatureTable(
        name=name,
        edges=tuple(edges),
        values=tuple(values),
        missing=missing,
        missing_rule="missing_cell" if absent.any() else "default_cell",
        monotonic=DIRECTIONS.get(name, 0),
        population_mean=float(added.mean()),
    )


def probe_rows(edges: Mapping[int, tuple[float, ...]], features: np.ndarray) -> np.ndarray:
    """Inputs at which a copy of the model could differ from it; all finite or missing.

    Both neighbours of every edge, every pattern of missing values, extremes, and quantiles (all there is without edges).
    """
    middle = np.nan_to_num(np.nanmedian(features, axis=0), nan=0.0)
    rows = [middle]
    for index in range(features.shape[1]):
        known = features[~np.isnan(features[:, index]), index]
        around = [
            side
            for edge in edges.get(index, ())
            for side in (np.nextafter(edge, -np.inf), edge, np.nextafter(edge, np.inf))
        ]
        for value in (*np.quantile(known, np.linspace(0, 1, 21)), *around, -1e9, 0.0, 1e9):
            row = middle.copy()
            row[index] = value
            rows.append(row)
    for pattern in range(1, 2 ** features.shape[1]):
        row = middle.copy()
        row[[bool(pattern >> index & 1) for index in range(features.shape[1])]] = np.nan
        rows.append(row)
    return np.unique(np.array(rows), axis=0)


def infinite_rows(features: np.ndarray) -> np.ndarray:
    """Each feature at both infinities: which trees take, and most other estimators do not."""
    middle = np.nan_to_num(np.nanmedian(features, axis=0), nan=0.0)
    rows = np.repeat(middle[None, :], 2 * len(middle), axis=0)
    for index in range(len(middle)):
        rows[2 * index : 2 * index + 2, index] = (-np.inf, np.inf)
    return rows
