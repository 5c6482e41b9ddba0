"""Tests whether outcomes prove that a version predicts better than the champion."""

import asyncio
from math import log
from pathlib import Path

from decision_log import open_database
from prediction_service.clock import clock_of
from prediction_service.monitor.outcomes import Models, Outcomes, both_since, comparison, spell
from prediction_service.monitor.process import source_of
from prediction_service.monitoring.comparison import AUC_MARGIN, Comparison
from prediction_service.monitoring.performance import MIN_CLASS
from prediction_service.settings import Settings
from prediction_service.versions.serving import verified


async def compared(settings: Settings, champion: str, version: str, level: float) -> Comparison:
    """Compare a version with the champion on its matured decisions. Raises LogUnavailable and ModelRefused."""
    models = await asyncio.to_thread(_models, settings.model_dir, champion, version)
    async with open_database(source_of(settings), 1) as database:
        matured = spell(clock_of(settings)(), settings.outcome_horizon_days)
        found = await Outcomes(database).of(champion, matured, both_since(models))
    return await comparison(found, models, level)


def _models(model_dir: Path, champion: str, version: str) -> Models:
    return verified(model_dir / champion), verified(model_dir / version)


def lacking(found: Comparison, level: float) -> str | None:
    """Why it is not proven that the version is better, as a sentence; None if it is proven."""
    if found.better:
        return None
    if found.log_e is None:
        return "no matured decision that both versions could have made has an outcome yet"
    needed = -log(level)
    if found.log_e < needed:
        return f"log E is {found.log_e:.2f} after {found.outcomes:,} outcomes, and has to reach {needed:.2f}"
    if found.auc_difference is None:
        return f"there are fewer than {MIN_CLASS} defaults or others among {found.outcomes:,} outcomes"
    return (
        f"its AUC may be lower by {-(found.auc_difference.low or 0.0):.3f}: the limit is {-AUC_MARGIN:g} "
        f"(difference {found.auc_difference.value:+.3f})"
    )
