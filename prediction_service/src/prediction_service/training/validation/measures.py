"""Measures of a model by cross-validation, with splits by person and by row."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score, roc_curve
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from prediction_service.training.data import TrainingRows
from prediction_service.training.errors import TrainingDataError
from prediction_service.training.estimators import Factory, fitted

Progress = Callable[[str], None]
_SMALLEST = 1e-9
"""Minimum distance of out-of-fold probabilities from 0 and 1, where log loss and log-odds are infinite."""


def ks(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """The Kolmogorov-Smirnov statistic: the largest distance between the score distributions of the two classes."""
    false_positive, true_positive, _ = roc_curve(labels, probabilities)
    return float(np.max(true_positive - false_positive))


def calibration_slope(labels: np.ndarray, probabilities: np.ndarray) -> tuple[float, float] | None:
    """The slope of the logistic regression of the label on the log-odds (1 is calibrated), and its standard error.

    Cox 1958, solved by Newton's method. None if there is no slope: all log-odds equal, or the classes separated.
    """
    log_odds = np.log(probabilities / (1 - probabilities))
    if np.ptp(log_odds) < 1e-6:
        return None
    inputs = np.column_stack([np.ones_like(log_odds), log_odds])
    weights = np.array([0.0, 1.0])
    for _ in range(50):
        fit = 1 / (1 + np.exp(-np.clip(inputs @ weights, -500, 500)))
        information = inputs.T @ (inputs * (fit * (1 - fit))[:, None])
        if np.linalg.cond(information) > 1e12:
            return None
        step = np.linalg.solve(information, inputs.T @ (labels - fit))
        weights += step
        if np.abs(step).max() < 1e-10:
            return float(weights[1]), float(np.sqrt(np.linalg.inv(information)[1, 1]))
    return None


_MEASURES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "auc": roc_auc_score,
    "ks": ks,
    "pr_auc": average_precision_score,
    "brier": brier_score_loss,
    "log_loss": log_loss,
}


def interval(events: int, rows: int) -> tuple[float, float]:
    """The 95 % interval of a rate (Wilson 1927). It is valid for few events, where the normal one reaches below 0."""
    z, rate = 1.959964, events / rows
    middle = (rate + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z / (1 + z * z / rows) * np.sqrt(rate * (1 - rate) / rows + z * z / (4 * rows * rows))
    return float(max(middle - half, 0.0)), float(min(middle + half, 1.0))


def deciles(labels: np.ndarray, probabilities: np.ndarray) -> list[dict[str, float]]:
    """Ten equal groups by predicted risk, lowest first: predicted rate, observed rate and its 95 % interval."""
    table = []
    for group in np.array_split(np.argsort(probabilities, kind="stable"), 10):
        events = int(labels[group].sum())
        low, high = interval(events, len(group))
        table.append(
            {
                "rows": len(group),
                "defaults": events,
                "predicted": float(probabilities[group].mean()),
                "observed": events / len(group),
                "observed_low": low,
                "observed_high": high,
            }
        )
    return table


def _mean_slope(slopes: list[tuple[float, float]]) -> dict[str, float]:
    return {"mean": float(np.mean([slope for slope, _ in slopes])), "se": float(np.mean([se for _, se in slopes]))}


def _summary(labels: np.ndarray, folds: list[dict[str, float]], rounds: list[np.ndarray]) -> dict[str, Any]:
    measures = {}
    for name in _MEASURES:
        found = [fold[name] for fold in folds]
        measures[name] = {"mean": float(np.mean(found)), "sd": float(np.std(found))}
    pooled = {name: float(np.mean([measure(labels, p) for p in rounds])) for name, measure in _MEASURES.items()}
    slopes = [slope for p in rounds if (slope := calibration_slope(labels, p)) is not None]
    return {
        "folds": measures,
        "pooled": pooled | {"mean_probability": float(np.mean(rounds))},
        "calibration_slope": _mean_slope(slopes) if len(slopes) == len(rounds) else None,
    }


def check_splits(rows: TrainingRows, folds: int) -> None:
    """Raises TrainingDataError if a fold, or the rows to train on for it, would have only one class."""
    for label, kind in ((1, "defaults"), (0, "rows without default")):
        persons = len(np.unique(rows.persons[rows.labels == label]))
        if persons < folds:
            raise TrainingDataError(f"The {kind} are of {persons} persons: too few for {folds} folds.")


def splits(
    rows: TrainingRows, folds: int, seed: int, *, grouped: bool = True
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the positions to train on and to test on. `grouped` keeps each person on one side."""
    several = grouped and len(np.unique(rows.persons)) < len(rows.persons)
    kind = StratifiedGroupKFold if several else StratifiedKFold  # the same for one row per person, 100 times faster
    splitter = kind(folds, shuffle=True, random_state=seed)
    yield from splitter.split(rows.features, rows.labels, rows.persons if several else None)


def cross_validate(
    rows: TrainingRows, factory: Factory, *, grouped: bool, folds: int, repeats: int, seed: int, progress: Progress
) -> tuple[dict[str, Any], np.ndarray]:
    """Return measures, and the out-of-fold probabilities averaged over the repeats.

    `grouped` keeps each person on one side of every split. "folds" has the mean and the deviation of each measure over
    folds x repeats, without folds of only one class. "pooled" has the mean over repeats of the measure on all rows.
    """
    by_fold: list[dict[str, float]] = []
    rounds: list[np.ndarray] = []
    for repeat in range(repeats):
        out_of_fold = np.empty(len(rows.labels))
        for train, test in splits(rows, folds, seed + repeat, grouped=grouped):
            estimator = fitted(factory, rows.features[train], rows.labels[train])
            probabilities = np.clip(estimator.predict_proba(rows.features[test])[:, 1], _SMALLEST, 1 - _SMALLEST)
            out_of_fold[test] = probabilities
            if 0 < rows.labels[test].sum() < len(test):
                by_fold.append({name: float(m(rows.labels[test], probabilities)) for name, m in _MEASURES.items()})
        rounds.append(out_of_fold)
        progress(f"validated {'by person' if grouped else 'by row'}: round {repeat + 1} of {repeats}")
    average = np.mean(rounds, axis=0)
    return _summary(rows.labels, by_fold, rounds) | {"deciles": deciles(rows.labels, average)}, average


def validate(
    rows: TrainingRows, factory: Factory, *, folds: int, repeats: int, seed: int, progress: Progress
) -> tuple[dict[str, Any], np.ndarray]:
    """Return measures by person, by row and of the base rate alone, and the out-of-fold probabilities by person."""
    options: dict[str, Any] = {"folds": folds, "repeats": repeats, "seed": seed, "progress": progress}
    check_splits(rows, folds)
    grouped, out_of_fold = cross_validate(rows, factory, grouped=True, **options)
    plain, _ = cross_validate(rows, factory, grouped=False, **options)
    rate = float(rows.labels.mean())
    everyone = np.full(len(rows.labels), rate)
    base = {
        "auc": 0.5,
        "ks": 0.0,
        "pr_auc": rate,
        "brier": float(brier_score_loss(rows.labels, everyone)),
        "log_loss": float(log_loss(rows.labels, everyone)),
    }
    rounds = f"{folds} folds, {repeats} round(s), seed {seed}"
    return {"grouped": grouped, "plain": plain, "base_rate": base, "rounds": rounds}, out_of_fold


def flagged(labels: np.ndarray, probabilities: np.ndarray, threshold: float) -> dict[str, float]:
    """The share of rows and the share of defaults whose probability reaches the threshold."""
    reached = probabilities >= threshold
    return {"share": float(reached.mean()), "defaults": float(labels[reached].sum() / labels.sum())}
