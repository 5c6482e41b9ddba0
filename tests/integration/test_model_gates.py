"""From generated loans to a served model: what every release of training must reach, on 12,000 clients."""

import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import credit_default
from db_init.__main__ import main as db_init
from db_init.settings import Settings
from prediction_service.scoring.scorecard import DIRECTIONS
from prediction_service.train import main as train
from prediction_service.versions.serving import ServedModel, verified


def trained(settings: Settings, folder: Path, signal: int) -> ServedModel:
    """The version that comes of the sample with seed 7, its effects scaled by `signal`; 1 is realistic."""
    os.environ["DB_INIT_DATABASE_URL"] = settings.database_url.get_secret_value()
    loans, rows = folder / "loans.parquet", folder / "rows.parquet"
    sample = ["sample", "--clients", "12000", "--seed", "7", "--signal", str(signal), "--out", str(loans)]
    for command in (sample, ["load", str(loans)], ["export-training", str(rows), "--rows", "last"]):
        assert db_init(command) == 0
    assert (
        train(
            [
                str(rows),
                "--feature-set",
                str(credit_default.FILE),
                "--model-dir",
                str(folder / "models"),
                "--version",
                "v",
                "--repeats",
                "1",
            ]
        )
        == 0
    )
    return verified(folder / "models" / "v")


def metrics_of(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "models" / "v" / "manifest.json").read_text())["metrics"])


def distance_from_the_rate(metrics: dict[str, Any]) -> float:
    """Of the mean out-of-fold probability: calibration in the large."""
    return abs(float(metrics["grouped"]["pooled"]["mean_probability"]) - float(metrics["base_rate"]["pr_auc"]))


def test_a_strong_signal_is_found_and_calibrated(settings: Settings, tmp_path: Path) -> None:
    trained(settings, tmp_path, signal=3)
    metrics = metrics_of(tmp_path)
    assert metrics["grouped"]["folds"]["auc"]["mean"] >= 0.64
    assert metrics["grouped"]["pooled"]["log_loss"] < metrics["base_rate"]["log_loss"]
    assert distance_from_the_rate(metrics) <= 0.002


def test_a_realistic_signal_gives_exact_monotone_and_calibrated_tables(settings: Settings, tmp_path: Path) -> None:
    model = trained(settings, tmp_path, signal=1)
    metrics = metrics_of(tmp_path)
    assert metrics["largest_difference"] <= 1e-12
    assert distance_from_the_rate(metrics) <= 0.002
    assert model.scorecard is not None
    for table in model.scorecard.tables:
        if table.name in DIRECTIONS:
            assert all(DIRECTIONS[table.name] * (after - before) >= 0 for before, after in pairwise(table.values))
    assert any(len(table.values) > 1 for table in model.scorecard.tables)
