"""Chooses the parameters of the default estimator from a small grid, by grouped cross-validation."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.metrics import log_loss

from prediction_service.training.data import TrainingRows
from prediction_service.training.estimators import champion, fitted
from prediction_service.training.validation.measures import splits

GRID: tuple[dict[str, Any], ...] = (
    {},  # the estimator's defaults, found on the first data of the project
    {"min_samples_leaf": 100},
    {"learning_rate": 0.06, "max_iter": 200, "min_samples_leaf": 50},
    {"learning_rate": 0.06, "max_iter": 200, "min_samples_leaf": 20, "l2_regularization": 3.0},
    {"learning_rate": 0.1, "max_iter": 200, "min_samples_leaf": 20, "l2_regularization": 1.0, "max_features": 0.3},
)
MOST_FOLDS = 3
_SEED_OFFSET = 1_000
"""Gives other splits than those of the later validation, so that the choice does not influence it."""


def choose(rows: TrainingRows, *, folds: int, seed: int, progress: Callable[[str], None]) -> list[dict[str, Any]]:
    """Return the results of each entry of the grid: `parameters`, `log_loss`, `se`, and whether it is `chosen`.

    The smallest log loss wins. But a later entry replaces an earlier one only if it is better by more than the standard
    error of their difference, so that noise changes nothing.
    """
    chosen_splits = list(splits(rows, min(folds, MOST_FOLDS), seed + _SEED_OFFSET))
    losses = []
    for position, parameters in enumerate(GRID, 1):
        losses.append(np.array([_loss(rows, parameters, train, test) for train, test in chosen_splits]))
        progress(f"tried parameters {position} of {len(GRID)}")
    best = _best(losses)
    return [
        {
            "parameters": parameters,
            "log_loss": float(found.mean()),
            "se": float(found.std(ddof=1) / np.sqrt(len(found))),
            "chosen": position == best,
        }
        for position, (parameters, found) in enumerate(zip(GRID, losses, strict=True))
    ]


def _best(losses: list[np.ndarray]) -> int:
    best = 0
    for position, found in enumerate(losses):
        gain = losses[best] - found
        if gain.mean() > gain.std(ddof=1) / np.sqrt(len(gain)):
            best = position
    return best


def _loss(rows: TrainingRows, parameters: dict[str, Any], train: np.ndarray, test: np.ndarray) -> float:
    estimator = fitted(lambda: champion(rows.inputs, **parameters), rows.features[train], rows.labels[train])
    return float(log_loss(rows.labels[test], estimator.predict_proba(rows.features[test])[:, 1], labels=[0, 1]))
