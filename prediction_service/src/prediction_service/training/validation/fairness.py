"""Fairness figures for the model card, out of fold, by the groups that the law names."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from prediction_service.scoring.scorecard import ELDERLY
from prediction_service.training.data import TrainingRows

_LEAST = 30


def by_group(rows: TrainingRows, probabilities: np.ndarray, threshold: float) -> list[dict[str, Any]]:
    """Return for each group `group`, `rows`, `favourable`, `air`, `smd` and `auc`.

    `favourable`: the share of rows below the threshold. `air`: the adverse impact ratio, that share divided by the
    share of all others whose value is known. `smd`: the standardized mean difference of the log-odds. Figures are None
    with fewer than 30 rows on a side, `auc` also without both outcomes.
    """
    return [_figures(rows, probabilities, threshold, name, group, known) for name, group, known in _groups(rows)]


def _groups(rows: TrainingRows) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield the name of each group, which rows belong to it, and for which rows this is known."""
    columns = {feature.name: rows.features[:, index] for index, feature in enumerate(rows.inputs)} | rows.others
    for feature in rows.feature_set.features:
        if not feature.basis:
            continue
        column = columns[feature.name]
        known = ~np.isnan(column)
        if feature.categories is not None:
            for position, category in enumerate(feature.categories):
                yield f"{feature.name}={category}", column == position, known
        elif feature.type == "flag":
            yield f"{feature.name}=1", column == 1, known
        elif "age" in feature.basis:
            yield f"{feature.name}>={ELDERLY}", column >= ELDERLY, known


def _figures(
    rows: TrainingRows, probabilities: np.ndarray, threshold: float, name: str, group: np.ndarray, known: np.ndarray
) -> dict[str, Any]:
    others = known & ~group
    figures: dict[str, Any] = {
        "group": name,
        "rows": int(group.sum()),
        "favourable": None,
        "air": None,
        "smd": None,
        "auc": None,
    }
    if min(group.sum(), others.sum()) < _LEAST:
        return figures
    passed = probabilities < threshold
    log_odds = np.log(probabilities / (1 - probabilities))
    spread = np.sqrt((log_odds[group].var(ddof=1) + log_odds[others].var(ddof=1)) / 2)
    figures["favourable"] = float(passed[group].mean())
    figures["air"] = float(passed[group].mean() / passed[others].mean()) if passed[others].any() else None
    figures["smd"] = float((log_odds[group].mean() - log_odds[others].mean()) / spread) if spread else 0.0
    if 0 < rows.labels[group].sum() < group.sum():
        figures["auc"] = float(roc_auc_score(rows.labels[group], probabilities[group]))
    return figures
