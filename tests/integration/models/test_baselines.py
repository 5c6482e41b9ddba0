"""What the champion's restrictions cost is said: two common models stand beside it, on its rows, inputs and folds."""

import csv
import json
from pathlib import Path

import numpy as np

from prediction_service.train import main as train

SET = """
name = "pairs"
[[feature]]
name = "left"
type = "number"
description = "A number."
[[feature]]
name = "right"
type = "number"
description = "A number."
[[feature]]
name = "place"
type = "category"
categories = [{places}]
description = "One of 300 places: more than the boosting takes as categories."
"""


def _write(folder: Path, rows: int = 700) -> tuple[Path, Path]:
    """Who is risky is known from both numbers together, and from neither alone."""
    random = np.random.default_rng(5)
    features, data = folder / "pairs.toml", folder / "rows.csv"
    features.write_text(SET.format(places=", ".join(f'"place {place}"' for place in range(300))), encoding="utf-8")
    with data.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["id", "left", "right", "place", "status"])
        for client_id in range(1, rows + 1):
            left, right = random.uniform(-1, 1, 2)
            bad = random.random() < (0.8 if left * right > 0 else 0.05)
            writer.writerow(
                [client_id, left, "" if client_id % 50 == 0 else right, f"place {client_id % 300}", int(bad)]
            )
    return features, data


def test_an_interaction_that_tables_cannot_hold_shows_beside_them(tmp_path: Path) -> None:
    features, data = _write(tmp_path)
    options = ["--feature-set", str(features), "--model-dir", str(tmp_path / "models"), "--version", "one"]
    assert train([str(data), *options, "--folds", "3", "--repeats", "1"]) == 0
    metrics = json.loads((tmp_path / "models" / "one" / "manifest.json").read_text())["metrics"]
    logistic, boosting = metrics["baselines"]
    assert (logistic["name"], boosting["name"]) == ("logistic regression", "unconstrained boosting")
    assert logistic["auc"]["mean"] < 0.62
    assert metrics["grouped"]["folds"]["auc"]["mean"] < 0.62
    assert boosting["auc"]["mean"] > 0.75
    card = (tmp_path / "models" / "one" / "card.md").read_text()
    assert f"| unconstrained boosting | {boosting['auc']['mean']:.4f} ± {boosting['auc']['sd']:.4f} |" in card
    assert sum(tried["chosen"] for tried in metrics["grid"]) == 1
