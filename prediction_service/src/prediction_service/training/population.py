"""Builds the training population of a version, which is the reference for monitoring."""

from collections.abc import Sequence

import numpy as np

from prediction_service.monitoring.population import Column, FeatureBasis, build_reference, fairness_groups
from prediction_service.monitoring.population import TrainingRows as Population
from prediction_service.monitoring.reference import Reference, Value
from prediction_service.scoring.scorecard import Scorecard
from prediction_service.training.data import TrainingRows
from shared_schemas import Feature


def reference_of(rows: TrainingRows, scorecard: Scorecard | None, out_of_fold: np.ndarray) -> Reference:
    """Build the reference of a version.

    Probabilities of the training rows come from the tables. Any other estimator may have memorized its rows, so its
    probabilities are out of fold.
    """
    probabilities = out_of_fold.tolist() if scorecard is None else scorecard.probabilities(rows.features.tolist())
    population = Population(
        probabilities=list(probabilities),
        source="out_of_fold" if scorecard is None else "final_model",
        defaulted=[bool(label) for label in rows.labels],
        persons=rows.persons.tolist(),
    )
    columns = [_column(feature, rows.features[:, index]) for index, feature in enumerate(rows.inputs)]
    return build_reference(population, columns, fairness_groups(map(_basis, rows.feature_set.features)))


def _column(feature: Feature, values: np.ndarray) -> Column:
    categories = feature.categories
    return Column(feature.name, [_value(value, categories) for value in values.tolist()], categories)


def _value(value: float, categories: Sequence[str] | None) -> Value:
    if np.isnan(value):
        return None
    return value if categories is None else categories[int(value)]


def _basis(feature: Feature) -> FeatureBasis:
    return FeatureBasis(feature.name, feature.type, tuple(feature.basis), feature.categories or ())
