"""Validates two common models on the same rows, inputs and folds, to show the cost of tables and directions."""

from collections.abc import Callable, Sequence
from typing import Any

from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from prediction_service.training.data import TrainingRows
from prediction_service.training.estimators import Factory
from prediction_service.training.validation.measures import cross_validate
from shared_schemas import Feature

_MOST_CATEGORIES = 255
"""Maximum categories of one feature for the boosting. Positions in longer lists are treated as numbers."""


def compare(
    rows: TrainingRows, *, folds: int, repeats: int, seed: int, progress: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Return `name`, and mean and deviation of AUC and KS (`auc`, `ks`) over the folds, for each baseline."""
    found = []
    for name, factory in _baselines(rows.inputs).items():
        measures, _ = cross_validate(
            rows, factory, grouped=True, folds=folds, repeats=repeats, seed=seed, progress=lambda _: None
        )
        found.append({"name": name, "auc": measures["folds"]["auc"], "ks": measures["folds"]["ks"]})
        progress(f"compared with {name}")
    return found


def _baselines(inputs: Sequence[Feature]) -> dict[str, Factory]:
    categories = [place for place, feature in enumerate(inputs) if feature.categories is not None]
    numbers = [place for place, feature in enumerate(inputs) if feature.categories is None]
    short = [place for place in categories if len(inputs[place].categories or ()) <= _MOST_CATEGORIES]

    def logistic_regression() -> Any:
        filled = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
        spread = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        columns = make_column_transformer((make_pipeline(filled, StandardScaler()), numbers), (spread, categories))
        return make_pipeline(columns, LogisticRegression(max_iter=1_000))

    def unconstrained_boosting() -> Any:
        return HistGradientBoostingClassifier(categorical_features=short or None, random_state=0)

    return {"logistic regression": logistic_regression, "unconstrained boosting": unconstrained_boosting}
