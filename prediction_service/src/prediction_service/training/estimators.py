"""Makes the estimator, converts the trees of an additive one into a scorecard, and makes probes."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from math import fsum
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils import get_tags

from prediction_service.scoring.scorecard import DIRECTIONS, FeatureTable, Scorecard, category_edges
from prediction_service.training.additive import AdditiveBoosting, Grown
from prediction_service.training.errors import TrainingDataError
from shared_schemas import Feature

Factory = Callable[[], Any]


def directions(inputs: Sequence[Feature]) -> list[int]:
    """The direction of risk with each input: 1 up, -1 down, 0 free. It is -1 for age (12 CFR 1002.6(b)(2))."""
    return [-1 if "age" in feature.basis else DIRECTIONS[feature.risk] for feature in inputs]


def champion(inputs: Sequence[Feature], **parameters: Any) -> AdditiveBoosting:
    """The default estimator: additive, so that it is a scorecard, and monotone. Missing values have their own cell."""
    return AdditiveBoosting(
        directions=directions(inputs),
        categories=[len(feature.categories or ()) for feature in inputs],
        best_if_missing=["age" in feature.basis for feature in inputs],
        **parameters,
    )


def other_classifier(path: str, parameters: Mapping[str, Any], inputs: Sequence[Feature]) -> Factory:
    """Return a factory of the scikit-learn classifier MODULE:CLASS. Raises TrainingDataError.

    If the classifier accepts no missing values, medians replace them. Directions of risk and categories are passed to
    the classifier if it has such parameters and `parameters` does not set them. Without a parameter for categories, it
    gets one column per category.
    """
    module_name, _, class_name = path.partition(":")
    try:
        made = getattr(importlib.import_module(module_name), class_name)(**parameters)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise TrainingDataError(f"--model {path} with these --params cannot be made.") from error
    if not isinstance(made, BaseEstimator) or not is_classifier(made) or not hasattr(made, "predict_proba"):
        raise TrainingDataError(f"--model {path} is no scikit-learn classifier with predict_proba.")

    known = made.get_params(deep=False)
    categories = [index for index, feature in enumerate(inputs) if feature.categories is not None]
    takes_categories = "categorical_features" in known
    told: dict[str, Any] = {"monotonic_cst": directions(inputs)} if "monotonic_cst" in known else {}
    if takes_categories and categories:
        told["categorical_features"] = categories
    numbers = [index for index in range(len(inputs)) if index not in categories]

    def factory() -> Any:
        estimator = type(made)(**(told | dict(parameters)))
        missing = get_tags(estimator).input_tags.allow_nan
        if missing and (takes_categories or not categories):
            return estimator
        fill = "passthrough" if missing else SimpleImputer(strategy="median", keep_empty_features=True)
        spread = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        return make_pipeline(make_column_transformer((fill, numbers), (spread, categories)), estimator)

    return factory


def fitted(factory: Factory, features: np.ndarray, labels: np.ndarray) -> Any:
    """Fit a new estimator. Raises TrainingDataError, because scikit-learn checks parameters and inputs only now."""
    try:
        return factory().fit(features, labels)
    except ValueError as error:
        reason = str(error).partition("\n")[0]
        raise TrainingDataError(f"This estimator cannot be trained on these rows: {reason}") from error


def scorecard_of(estimator: AdditiveBoosting, inputs: Sequence[Feature], features: np.ndarray) -> Scorecard:
    """Convert an additive model into a scorecard. `features` are its training rows."""
    base, grown = estimator.grown()
    columns = zip(inputs, grown, features.T, strict=True)
    return Scorecard(base, [_table(feature, trees, column) for feature, trees, column in columns])


def _table(feature: Feature, grown: Grown, column: np.ndarray) -> FeatureTable:
    if feature.categories is None:
        edges = tuple(grown.thresholds())
        at = [*edges, np.inf]
    else:
        edges = category_edges(feature.categories)
        at = [float(position) for position in range(len(feature.categories))]
    # fsum rounds only once, so that sums of monotone leaves stay monotone.
    values = [fsum(grown.leaves(value)) for value in at]
    missing = fsum(grown.leaves(np.nan))
    absent = np.isnan(column)
    added = np.where(absent, missing, np.asarray(values)[np.searchsorted(edges, np.where(absent, 0.0, column))])
    rule = "best_cell" if "age" in feature.basis else "missing_cell" if absent.any() else "default_cell"
    return FeatureTable(
        name=feature.name,
        edges=edges,
        values=tuple(values),
        missing=missing,
        missing_rule=rule,
        monotonic=0 if feature.categories is not None else directions([feature])[0],
        population_mean=float(added.mean()),
        categories=feature.categories,
    )


_PATTERNS = 200


def _middle(inputs: Sequence[Feature], features: np.ndarray) -> np.ndarray:
    """A row with the median of each number and the first category of each list."""
    middle = np.nan_to_num(np.nanmedian(features, axis=0), nan=0.0)
    middle[[feature.categories is not None for feature in inputs]] = 0.0
    return np.asarray(middle)


def probe_rows(inputs: Sequence[Feature], edges: Mapping[int, tuple[float, ...]], features: np.ndarray) -> np.ndarray:
    """Return inputs at which a wrong copy of the model would differ. All values are finite or missing.

    They are: every category; every edge and its two neighbours; extremes; quantiles; each feature missing alone; all
    features missing; 200 random patterns of missing values.
    """
    middle = _middle(inputs, features)
    rows = [middle]
    for index, feature in enumerate(inputs):
        if feature.categories is not None:
            for position in range(len(feature.categories)):
                row = middle.copy()
                row[index] = position
                rows.append(row)
            continue
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
    random = np.random.default_rng(_PATTERNS)
    alone = np.eye(len(inputs), dtype=bool)
    patterns = [*alone, np.ones(len(inputs), dtype=bool), *(random.random((_PATTERNS, len(inputs))) < 0.5)]
    rows += [np.where(pattern, np.nan, middle) for pattern in patterns]
    return np.unique(np.array(rows), axis=0)


def infinite_rows(inputs: Sequence[Feature], features: np.ndarray) -> np.ndarray:
    """Return rows with each number at both infinities. Trees accept them, most other estimators do not."""
    numbers = [index for index, feature in enumerate(inputs) if feature.categories is None]
    rows = np.repeat(_middle(inputs, features)[None, :], 2 * len(numbers), axis=0)
    for position, index in enumerate(numbers):
        rows[2 * position : 2 * position + 2, index] = (-np.inf, np.inf)
    return rows
