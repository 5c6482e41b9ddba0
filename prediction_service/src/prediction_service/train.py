"""Trains a model version: `python -m prediction_service.train DATA --model-dir DIR`."""

import argparse
import hashlib
import json
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

# Imports take seconds: Ctrl-C during an import ends the process without a traceback.
if __name__ == "__main__" and (on_interrupt := signal.getsignal(signal.SIGINT)) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import numpy as np

from prediction_service.training.data import TrainingRows, read_rows
from prediction_service.training.errors import TrainingDataError
from prediction_service.training.estimators import Factory, champion, fitted, other_classifier
from prediction_service.training.store import Learnt, write_version
from prediction_service.training.validation.baselines import compare
from prediction_service.training.validation.fairness import by_group
from prediction_service.training.validation.grid import choose
from prediction_service.training.validation.measures import check_splits, flagged, validate
from prediction_service.versions.artefact import ModelRefused
from prediction_service.versions.folder import activate, is_version_name, new_version
from prediction_service.versions.serving import verified

SCORECARD = "scorecard"
_EPILOG = """\
Examples:
  python -m prediction_service.train rows.parquet --model-dir models
  python -m prediction_service.train rows.parquet --model-dir models --cost-ratio 50 --version 2026-q3 --no-activate
  python -m prediction_service.train rows.csv --feature-set lender.toml --model-dir models \\
      --model sklearn.ensemble:RandomForestClassifier --params '{"n_estimators": 50, "min_samples_leaf": 200}'

Progress goes to stderr, the result to stdout. Exit code 0: stored; 1: nothing stored, no files left behind; 2: usage.
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m prediction_service.train",
        description="Train, validate and store a model version, and make it the one that decides.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "data", type=Path, help="rows to learn from: CSV or Parquet with client_id, the features, the outcome"
    )
    parser.add_argument(
        "--feature-set",
        type=Path,
        metavar="FILE",
        help="TOML file of the feature set (Parquet files that db_init exported contain it)",
    )
    parser.add_argument(
        "--model-dir", type=Path, required=True, help="registry folder: one folder per version, and `champion`"
    )
    parser.add_argument("--version", help="name of the version (default: the time and a digest of data and options)")
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
    parser.add_argument("--seed", type=int, default=20240117, help="seed of the splits (default 20240117)")
    parser.add_argument(
        "--default-parameters",
        action="store_true",
        help="train the scorecard with its default parameters; try no others",
    )
    parser.add_argument("--no-activate", action="store_true", help="store the version, but leave `champion` as it is")
    return parser


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = _parser()
    arguments = parser.parse_args(given)
    if arguments.version is not None and not is_version_name(arguments.version):
        parser.error(
            "--version takes 1 to 64 letters, digits, dots, dashes and underscores, and no name of the registry, such as 'champion'"
        )
    if arguments.folds < 2 or arguments.repeats < 1:
        parser.error("--folds takes at least 2, --repeats at least 1")
    if not 0 <= arguments.seed < 2**31:
        parser.error("--seed takes a number from 0 to 2147483647")
    if arguments.cost_ratio is not None and not (arguments.cost_ratio > 0 and 0 < 1 / (1 + arguments.cost_ratio) < 1):
        parser.error("--cost-ratio takes a finite number above 0")
    try:
        arguments.params = json.loads(arguments.params)
    except ValueError:
        arguments.params = None
    if not isinstance(arguments.params, dict):
        parser.error("--params takes a JSON object")
    if arguments.params and arguments.model == SCORECARD:
        parser.error(f"--params goes with --model MODULE:CLASS: the parameters of '{SCORECARD}' are chosen from a grid")
    return arguments


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _threshold(arguments: argparse.Namespace, out_of_fold: np.ndarray) -> tuple[float, str]:
    if arguments.cost_ratio is not None:
        return 1 / (1 + arguments.cost_ratio), f"1 / (1 + R) for a cost ratio R of {arguments.cost_ratio:g}"
    return float(np.quantile(out_of_fold, 0.8)), "the riskiest fifth: 80th percentile of out-of-fold probabilities"


def _summary(rows: TrainingRows) -> dict[str, Any]:
    return {
        "rows": len(rows.labels),
        "clients": rows.clients,
        "persons": len(np.unique(rows.persons)),
        "defaults": int(rows.labels.sum()),
        "default_rate": float(rows.labels.mean()),
        "failed_values": rows.failed,
        "period": rows.period,
        "sha256": rows.sha256,
    }


def _factory(arguments: argparse.Namespace, rows: TrainingRows) -> tuple[Factory, list[dict[str, Any]]]:
    """Return the factory of the estimator, and the results of each entry of the grid (empty without a grid)."""
    if arguments.model != SCORECARD:
        return other_classifier(arguments.model, arguments.params, rows.inputs), []
    if arguments.default_parameters:
        return partial(champion, rows.inputs), []
    grid = choose(rows, folds=arguments.folds, seed=arguments.seed, progress=_progress)
    [chosen] = [tried["parameters"] for tried in grid if tried["chosen"]]
    return partial(champion, rows.inputs, **chosen), grid


def _version(arguments: argparse.Namespace, rows: TrainingRows, created_at: datetime) -> str:
    options = {
        name: value for name, value in vars(arguments).items() if name not in ("data", "model_dir", "feature_set")
    }
    digest = hashlib.sha256(
        f"{rows.sha256}{rows.feature_set.digest}{json.dumps(options, sort_keys=True)}".encode()
    ).hexdigest()[:8]
    version: str = arguments.version or f"{created_at:%Y%m%dT%H%M%S}-{digest}"
    if arguments.model_dir.exists() and not arguments.model_dir.is_dir():
        raise TrainingDataError(f"{arguments.model_dir} is no folder.")
    if (arguments.model_dir / version).exists():
        raise TrainingDataError(f"There is a version {version} already: versions never change. Name another.")
    return version


def _tell(rows: TrainingRows) -> None:
    _progress(f"read {len(rows.labels):,} rows of {rows.clients:,} clients, {int(rows.labels.sum()):,} defaults")
    for reason in rows.left_out.values():
        _progress(f"left out: {reason}")
    for name, count in rows.failed.items():
        _progress(f"{name}: {count:,} values are out of their range and count as missing")


def train(arguments: argparse.Namespace) -> None:
    """Train a version. Raises TrainingDataError, ModelRefused or OSError; then no files are left behind."""
    rows = read_rows(arguments.data, arguments.feature_set)
    created_at = datetime.now(UTC)
    version = _version(arguments, rows, created_at)
    tables = arguments.model == SCORECARD
    _tell(rows)
    check_splits(rows, arguments.folds)
    factory, grid = _factory(arguments, rows)
    rounds: dict[str, Any] = {
        "folds": arguments.folds, "repeats": arguments.repeats, "seed": arguments.seed, "progress": _progress
    }  # fmt: skip
    metrics, out_of_fold = validate(rows, factory, **rounds)
    metrics["grid"] = grid
    metrics["baselines"] = compare(rows, **rounds) if grid else []
    threshold, policy = _threshold(arguments, out_of_fold)
    estimator = fitted(factory, rows.features, rows.labels)
    probabilities = estimator.predict_proba(rows.features)[:, 1]
    metrics["fairness"] = by_group(rows, out_of_fold, threshold)
    metrics["flagged"] = flagged(rows.labels, out_of_fold, threshold)
    metrics["flagged_in_training"] = flagged(rows.labels, probabilities, threshold)
    metrics["distinct_probabilities"] = len(np.unique(probabilities))
    facts = {
        "version": version,
        "kind": "tables" if tables else "joblib",
        "estimator": type(estimator).__name__ if tables else arguments.model,
        "created_at": created_at,
        "threshold": threshold,
        "threshold_policy": policy,
        "metrics": metrics,
        "training": _summary(rows),
    }
    with new_version(arguments.model_dir, version) as folder:
        write_version(folder, rows, Learnt(estimator, out_of_fold), facts)
        verified(folder)  # a folder that the service would refuse does not become a version
    if not arguments.no_activate:
        activate(arguments.model_dir, version)
    _report(arguments.model_dir / version, metrics, threshold, activated=not arguments.no_activate)


def _report(folder: Path, metrics: dict[str, Any], threshold: float, *, activated: bool) -> None:
    print(f"version    {folder.name}{' (champion)' if activated else ''}")
    print(f"card       {folder / 'card.md'}")
    for split, title in (("grouped", "by person"), ("plain", "by row")):
        folds, pooled, slope = (metrics[split][part] for part in ("folds", "pooled", "calibration_slope"))
        print(
            f"{title:<10} AUC {folds['auc']['mean']:.4f} ± {folds['auc']['sd']:.4f}, KS {folds['ks']['mean']:.4f} ± "
            f"{folds['ks']['sd']:.4f} (all folds together {pooled['auc']:.4f}, {pooled['ks']:.4f}), calibration slope "
            + (f"{slope['mean']:.2f} (se {slope['se']:.2f})" if slope else "none: it cannot be estimated")
        )
    for baseline in metrics["baselines"]:
        print(f"baseline   {baseline['name']}: AUC {baseline['auc']['mean']:.4f}, KS {baseline['ks']['mean']:.4f}")
    for tried in metrics["grid"]:
        if tried["chosen"]:
            print(f"parameters {json.dumps(tried['parameters']) if tried['parameters'] else 'the default ones'}")
    print(f"threshold  {threshold:.6f}, flags {100 * metrics['flagged']['share']:.1f} % of the rows")
    if metrics["distinct_probabilities"] == 1:
        print("warning    every client gets the same probability: too few rows, or no feature predicts defaults")
    if "largest_difference" in metrics:
        print(f"tables     differ from predict_proba by at most {metrics['largest_difference']:.1e} on every row")


def main(given: Sequence[str] | None = None) -> int:
    arguments = _arguments(given)
    try:
        train(arguments)
    except (TrainingDataError, ModelRefused) as error:
        print(f"No model: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"No model: {error.filename or arguments.model_dir}: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("No model: interrupted.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, on_interrupt)
    sys.exit(main())
