"""Trains a model version: `python -m prediction_service.train DATA --model-dir DIR`."""

import argparse
import hashlib
import json
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import sklearn
from sklearn.metrics import brier_score_loss, log_loss

from prediction_service.artefact import (
    SCHEMA_VERSION,
    TOLERANCE,
    Manifest,
    ModelRefused,
    load,
    record_files,
)
from prediction_service.registry import activate, is_version_name, new_version
from prediction_service.scorecard import Scorecard
from prediction_service.training.card import write_card
from prediction_service.training.data import TrainingDataError, TrainingRows, read_rows
from prediction_service.training.estimators import champion, other_classifier, probe_rows, scorecard_of
from prediction_service.training.validation import cross_validate
from shared_schemas import FEATURE_NAMES, feature_definitions

SCORECARD = "scorecard"


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m prediction_service.train",
        description="Train, validate and store a model version, and make it the current one.",
    )
    parser.add_argument(
        "data", type=Path, help="rows to learn from: CSV or Parquet with client_id (or id), the five features, status"
    )
    parser.add_argument(
        "--model-dir", type=Path, required=True, help="registry folder: one folder a version, and `current`"
    )
    parser.add_argument("--version", help="name of the version (default: the time and a digest of the data)")
    parser.add_argument(
        "--cost-ratio",
        type=float,
        metavar="R",
        help="cost of a default over the profit of a good loan: threshold 1 / (1 + R); default: the riskiest fifth",
    )
    parser.add_argument(
        "--model", default=SCORECARD, help=f"'{SCORECARD}' (default), or MODULE:CLASS of a scikit-learn classifier"
    )
    parser.add_argument("--params", default="{}", help="JSON object of that class's parameters")
    parser.add_argument("--folds", type=int, default=5, help="folds of each validation round (default 5)")
    parser.add_argument("--repeats", type=int, default=4, help="validation rounds (default 4)")
    parser.add_argument("--seed", type=int, default=20240117, help="seed of the splits")
    parser.add_argument("--no-activate", action="store_true", help="store the version, but leave `current` as it is")
    arguments = parser.parse_args(given)
    if arguments.version is not None and not is_version_name(arguments.version):
        parser.error("--version takes 1 to 64 letters, digits, dots, dashes and underscores")
    if arguments.folds < 2 or arguments.repeats < 1:
        parser.error("--folds takes at least 2, --repeats at least 1")
    if arguments.cost_ratio is not None and not arguments.cost_ratio > 0:
        parser.error("--cost-ratio takes a number above 0")
    try:
        arguments.params = dict(json.loads(arguments.params))
    except (ValueError, TypeError):
        parser.error("--params takes a JSON object")
    return arguments


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _validate(rows: TrainingRows, factory: Any, arguments: argparse.Namespace) -> tuple[dict[str, Any], np.ndarray]:
    options = {"folds": arguments.folds, "repeats": arguments.repeats, "seed": arguments.seed, "progress": _progress}
    grouped, out_of_fold = cross_validate(rows, factory, grouped=True, **options)
    plain, _ = cross_validate(rows, factory, grouped=False, **options)
    rate = np.full(len(rows.labels), rows.labels.mean())
    base = {
        "auc": 0.5,
        "ks": 0.0,
        "pr_auc": float(rows.labels.mean()),
        "brier": float(brier_score_loss(rows.labels, rate)),
        "log_loss": float(log_loss(rows.labels, rate)),
    }
    rounds = f"{arguments.folds}-fold, {arguments.repeats} round(s)"
    return {"grouped": grouped, "plain": plain, "base_rate": base, "rounds": rounds}, out_of_fold


def _threshold(arguments: argparse.Namespace, out_of_fold: np.ndarray) -> tuple[float, str]:
    if arguments.cost_ratio is not None:
        return 1 / (1 + arguments.cost_ratio), f"1 / (1 + R) for a cost ratio R of {arguments.cost_ratio:g}"
    return float(np.quantile(out_of_fold, 0.8)), "the riskiest fifth: 80th percentile of out-of-fold probabilities"


def _check_parity(scorecard: Scorecard, estimator: Any, inputs: np.ndarray) -> float:
    expected = estimator.predict_proba(inputs)[:, 1]
    worst = max(abs(scorecard.probability(row) - float(p)) for row, p in zip(inputs.tolist(), expected, strict=True))
    if worst > TOLERANCE["tables"]:
        raise TrainingDataError(
            f"The tables differ from predict_proba by {worst:.1e}: this scikit-learn keeps its trees otherwise."
        )
    return float(worst)


def _write_probes(file: Path, estimator: Any, inputs: np.ndarray) -> None:
    expected = estimator.predict_proba(inputs)[:, 1]
    probes = [
        {"values": [None if np.isnan(value) else value for value in row], "probability": float(probability)}
        for row, probability in zip(inputs.tolist(), expected, strict=True)
    ]
    file.write_text(json.dumps(probes), encoding="utf-8")


def _store(folder: Path, rows: TrainingRows, estimator: Any, facts: dict[str, Any]) -> None:
    """Fill the folder of a version; the manifest comes last."""
    joblib.dump(estimator, folder / "model.joblib", compress=3)
    scorecard = None
    rules = dict.fromkeys(FEATURE_NAMES, "model")
    edges: dict[int, tuple[float, ...]] = {}
    if facts["kind"] == "tables":
        scorecard = scorecard_of(estimator, rows.features)
        rules = {table.name: table.missing_rule for table in scorecard.tables}
        edges = {index: table.edges for index, table in enumerate(scorecard.tables)}
        (folder / "tables.json").write_text(json.dumps(scorecard.as_json(), indent=1), encoding="utf-8")
        facts["metrics"]["largest_difference"] = _check_parity(scorecard, estimator, rows.features)
    inputs = probe_rows(edges, rows.features)
    if scorecard:
        _check_parity(scorecard, estimator, inputs)
    _write_probes(folder / "probes.json", estimator, inputs)
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        feature_names=FEATURE_NAMES,
        definitions_version=feature_definitions().version,
        missing_rules=rules,
        libraries={
            "python": platform.python_version(),
            "scikit-learn": sklearn.__version__,
            "numpy": np.__version__,
            "joblib": joblib.__version__,
        },
        files={},
        **facts,
    )
    write_card(folder, manifest, scorecard)
    vouched = manifest.model_copy(update={"files": record_files(folder)})
    (folder / "manifest.json").write_text(vouched.model_dump_json(indent=1), encoding="utf-8")


def train(arguments: argparse.Namespace) -> None:
    """Raises TrainingDataError or ModelRefused, and leaves nothing behind then."""
    rows = read_rows(arguments.data)
    created_at = datetime.now(UTC)
    digest = hashlib.sha256(f"{rows.sha256}{created_at.isoformat()}".encode()).hexdigest()[:8]
    version = arguments.version or f"{created_at:%Y%m%dT%H%M%S}-{digest}"
    if (arguments.model_dir / version).exists():
        raise TrainingDataError(f"There is a version {version} already: versions never change. Name another.")
    tables = arguments.model == SCORECARD
    factory = champion if tables else other_classifier(arguments.model, arguments.params)
    _progress(f"read {len(rows.labels):,} rows of {rows.clients:,} clients, {int(rows.labels.sum()):,} defaults")
    metrics, out_of_fold = _validate(rows, factory, arguments)
    threshold, policy = _threshold(arguments, out_of_fold)
    flagged = out_of_fold >= threshold
    metrics["flagged"] = {
        "share": float(flagged.mean()),
        "defaults": float(rows.labels[flagged].sum() / rows.labels.sum()),
    }
    estimator = factory().fit(rows.features, rows.labels)
    facts = {
        "version": version,
        "kind": "tables" if tables else "joblib",
        "estimator": type(estimator).__name__ if tables else arguments.model,
        "created_at": created_at,
        "threshold": threshold,
        "threshold_policy": policy,
        "metrics": metrics,
        "training": {
            "rows": len(rows.labels),
            "clients": rows.clients,
            "persons": len(np.unique(rows.persons)),
            "defaults": int(rows.labels.sum()),
            "default_rate": float(rows.labels.mean()),
            "sha256": rows.sha256,
        },
    }
    with new_version(arguments.model_dir, version) as folder:
        _store(folder, rows, estimator, facts)
        load(folder)  # what the service would refuse does not become a version
    if not arguments.no_activate:
        activate(arguments.model_dir, version)
    _report(arguments.model_dir / version, metrics, threshold, int(flagged.sum()), activated=not arguments.no_activate)


def _report(folder: Path, metrics: dict[str, Any], threshold: float, flagged: int, *, activated: bool) -> None:
    print(f"version    {folder.name}{' (current)' if activated else ''}")
    print(f"card       {folder / 'card.md'}")
    for split, title in (("grouped", "by person"), ("plain", "by row")):
        folds, slope = metrics[split]["folds"], metrics[split]["calibration_slope"]
        print(
            f"{title:<10} AUC {folds['auc']['mean']:.4f} ± {folds['auc']['sd']:.4f}, KS {folds['ks']['mean']:.4f} ± "
            f"{folds['ks']['sd']:.4f}, calibration slope {slope['mean']:.2f} (se {slope['se']:.2f})"
        )
    print(f"threshold  {threshold:.6f}, flags {flagged:,} rows")
    if "largest_difference" in metrics:
        print(f"tables     differ from predict_proba by at most {metrics['largest_difference']:.1e} on every row")


def main(given: Sequence[str] | None = None) -> int:
    arguments = _arguments(given)
    try:
        train(arguments)
    except (TrainingDataError, ModelRefused) as error:
        print(f"No model: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("No model: interrupted.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
