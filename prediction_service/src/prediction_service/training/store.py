"""Writes the files of a version, and compares the tables with the estimator that they come from."""

import json
import platform
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import matplotlib as mpl
import numpy as np
import sklearn

from prediction_service.scoring.scorecard import Scorecard
from prediction_service.training.card import write_card
from prediction_service.training.data import TrainingRows
from prediction_service.training.errors import TrainingDataError
from prediction_service.training.estimators import infinite_rows, probe_rows, scorecard_of
from prediction_service.training.population import reference_of
from prediction_service.versions.artefact import SCHEMA_VERSION, TOLERANCE, Manifest, record_files


class Learnt(NamedTuple):
    """The fitted estimator, and the out-of-fold probability of each row."""

    estimator: Any
    out_of_fold: np.ndarray


def write_version(folder: Path, rows: TrainingRows, learnt: Learnt, facts: dict[str, Any]) -> Manifest:
    """Write all files of a version, the manifest last. `facts`: the other fields of the manifest. Returns the manifest.

    Raises TrainingDataError if the tables differ from the estimator.
    """
    estimator = learnt.estimator
    joblib.dump(estimator, folder / "model.joblib", compress=3)
    scorecard = None
    names = tuple(feature.name for feature in rows.inputs)
    rules = dict.fromkeys(names, "model")
    edges: dict[int, tuple[float, ...]] = {}
    if facts["kind"] == "tables":
        scorecard = scorecard_of(estimator, rows.inputs, rows.features)
        rules = {table.name: table.missing_rule for table in scorecard.tables}
        edges = {index: table.edges for index, table in enumerate(scorecard.tables)}
        (folder / "tables.json").write_text(json.dumps(scorecard.as_json(), indent=1), encoding="utf-8")
    probes = probe_rows(rows.inputs, edges, rows.features)
    if scorecard:
        inputs = np.vstack([rows.features, probes, infinite_rows(rows.inputs, rows.features)])
        facts["metrics"]["largest_difference"] = largest_difference(scorecard, estimator, inputs)
    _write_probes(folder / "probes.json", estimator, probes)
    reference = reference_of(rows, scorecard, learnt.out_of_fold)
    (folder / "reference.json").write_text(reference.model_dump_json(), encoding="utf-8")
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        feature_set=rows.feature_set.name,
        feature_set_sha256=rows.feature_set.digest,
        features=rows.feature_set.features,
        feature_names=names,
        left_out=rows.left_out,
        missing_rules=rules,
        bounds_in_reasons="exact",
        libraries=_libraries(),
        files={},
        **facts,
    )
    write_card(folder, manifest, scorecard)
    manifest = manifest.model_copy(update={"files": record_files(folder)})
    (folder / "manifest.json").write_text(manifest.model_dump_json(indent=1, exclude_none=True), encoding="utf-8")
    return manifest


def _libraries() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "scikit-learn": sklearn.__version__,
        "numpy": np.__version__,
        "joblib": joblib.__version__,
        "matplotlib": mpl.__version__,
    }


def largest_difference(scorecard: Scorecard, estimator: Any, inputs: np.ndarray) -> float:
    """The largest difference between tables and `predict_proba`. Raises TrainingDataError if it exceeds rounding."""
    found = np.array(scorecard.probabilities(inputs.tolist()))
    worst = float(np.abs(found - estimator.predict_proba(inputs)[:, 1]).max())
    if not worst <= TOLERANCE["tables"]:
        raise TrainingDataError(
            f"The tables differ from predict_proba by {worst:.1e}: this scikit-learn stores its trees in another way."
        )
    return worst


def _write_probes(file: Path, estimator: Any, inputs: np.ndarray) -> None:
    expected = estimator.predict_proba(inputs)[:, 1]
    probes = [
        {"values": [None if np.isnan(value) else value for value in row], "probability": float(probability)}
        for row, probability in zip(inputs.tolist(), expected, strict=True)
    ]
    file.write_text(json.dumps(probes, allow_nan=False), encoding="utf-8")
