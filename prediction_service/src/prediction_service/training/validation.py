"""How well a kind of model does on rows that it has not seen, with and without the person on both sides."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score, roc_curve
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from prediction_service.training.data import TrainingRows
from prediction_service.training.estimators import Factory

Progress = Callable[[str], None]


def ks(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Kolmogorov-Smirnov: the largest distance between the score distributions of the two classes."""
    false_positive, true_positive, _ = roc_curve(labels, probabilities)
    return float(np.max(true_positive - false_positive))


def calibration_slope(labels: np.ndarray, probabilities: np.ndarray) -> tuple[float, float]:
    """Slope of the logistic regression of the label on the log-odds (1 is calibrated), and its standard error.

    Cox 1958; solved by Newton's method.
    """
    log_odds = np.log(probabilities / (1 - probabilities))
    inputs = np.column_stack([np.ones_like(log_odds), log_odds])
    weights = np.array([0.0, 1.0])
    information = np.eye(2)
    for _ in range(50):
        fitted = 1 / (1 + np.exp(-inputs @ weights))
        information = inputs.T @ (inputs * (fitted * (1 - fitted))[:, None])
        step = np.linalg.solve(information, inputs.T @ (labels - fitted))
        weights += step
        if np.abs(step).max() < 1e-10:
            break
    return float(weights[1]), float(np.sqrt(np.linalg.inv(information)[1, 1]))


_MEASURES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "auc": roc_auc_score,
    "ks": ks,
    "pr_auc": average_precision_score,
    "brier": brier_score_loss,
    "log_loss": log_loss,
}


def deciles(labels: np.ndarray, probabilities: np.ndarray) -> list[dict[str, float]]:
    """Ten equal groups by predicted risk, lowest first: what was predicted, what happened."""
    groups = np.array_split(np.argsort(probabilities, kind="stable"), 10)
    return [
        {
            "rows": len(group),
            "predicted": float(probabilities[group].mean()),
            "observed": float(labels[group].mean()),
            "observed_se": float(np.sqrt(labels[group].mean() * (1 - labels[group].mean()) / len(group))),
        }
        for group in groups
    ]


def _summary(labels: np.ndarray, folds: list[dict[str, float]], rounds: list[np.ndarray]) -> dict[str, Any]:
    measures: dict[str, Any] = {
        name: {
            "mean": float(np.mean([fold[name] for fold in folds])),
            "sd": float(np.std([fold[name] for fold in folds])),
        }
        for name in _MEASURES
    }
    slopes = [calibration_slope(labels, out_of_fold) for out_of_fold in rounds]
    pooled = {
        name: float(np.mean([measure(labels, out_of_fold) for out_of_fold in rounds]))
        for name, measure in _MEASURES.items()
    }
    slope = {"mean": float(np.mean([s for s, _ in slopes])), "se": float(np.mean([se for _, se in slopes]))}
    return {"folds": measures, "pooled": pooled, "calibration_slope": slope}


def cross_validate(
    rows: TrainingRows, factory: Factory, *, grouped: bool, folds: int, repeats: int, seed: int, progress: Progress
) -> tuple[dict[str, Any], np.ndarray]:
    """Measures, and the out-of-fold probabilities averaged over the repeats.

    `grouped` keeps each person on one side of every split; fold deviations are over folds x repeats.
    """
    by_fold: list[dict[str, float]] = []
    rounds: list[np.ndarray] = []
    for repeat in range(repeats):
        kind = StratifiedGroupKFold if grouped else StratifiedKFold
        splitter = kind(folds, shuffle=True, random_state=seed + repeat)
        splits = splitter.split(rows.features, rows.labels, rows.persons if grouped else None)
        out_of_fold = np.empty(len(rows.labels))
        for train, test in splits:
            estimator = factory().fit(rows.features[train], rows.labels[train])
            out_of_fold[test] = np.clip(estimator.predict_proba(rows.features[test])[:, 1], 1e-9, 1 - 1e-9)
            by_fold.append(
                {name: float(measure(rows.labels[test], out_of_fold[test])) for name, measure in _MEASURES.items()}
            )
        rounds.append(out_of_fold)
        progress(f"validated {'by person' if grouped else 'by row'}: round {repeat + 1} of {repeats}")
    average = np.mean(rounds, axis=0)
    return _summary(rows.labels, by_fold, rounds) | {"deciles": deciles(rows.labels, average)}, average
