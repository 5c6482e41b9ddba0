"""Registries of small trained models, and the rows to train them on."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

import credit_default
from credit_default import NAMES as FEATURE_NAMES
from prediction_service.train import main as train


def write_training_rows(file: Path, rows: int = 3_000, seed: int = 1) -> Path:
    """Rows in which risk falls with age, and tenure and amounts are missing at times."""
    random = np.random.default_rng(seed)
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["id", *FEATURE_NAMES, "status"])
        for client_id in range(1, rows + 1):
            age = int(random.integers(20, 70))
            nb = int(random.integers(0, 40))
            amount = round(float(random.uniform(100, 200)), 3) if nb else ""
            tenure = int(random.integers(0, min(age - 18, 30) + 1)) if random.random() > 0.2 else ""
            bad = random.random() < 0.35 - 0.004 * age
            writer.writerow([client_id * 7, nb, amount, age, tenure, int(random.integers(0, 2)), int(bad)])
    return file


def train_registry(folder: Path) -> Path:
    """A registry in the folder with one trained version, "first"."""
    rows = write_training_rows(folder / "rows.csv")
    models = folder / "models"
    options = ["--feature-set", str(credit_default.FILE), "--folds", "2", "--repeats", "1", "--default-parameters"]
    assert train([str(rows), "--model-dir", str(models), "--version", "first", *options]) == 0
    return models


def copy_version(registry: Path, name: str, source: str = "first", **changes: Any) -> Path:
    """A version under another name, as if it had been trained so, its manifest changed."""
    folder = Path(shutil.copytree(registry / source, registry / name))
    manifest = json.loads((folder / "manifest.json").read_text()) | {"version": name} | changes
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder
