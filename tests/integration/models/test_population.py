"""The population that training writes into a version."""

import json
from pathlib import Path

import numpy as np

import credit_default
from prediction_service.train import main as train
from prediction_service.training.data import read_rows
from prediction_service.versions.catalogue import reference_of
from prediction_service.versions.serving import verified
from registries import write_training_rows


def run(file: Path, models: Path, *options: str) -> int:
    quick = ["--folds", "2", "--repeats", "1", "--feature-set", str(credit_default.FILE)]
    return train([str(file), "--model-dir", str(models), *quick, *options])


def test_the_population_is_that_of_the_training_rows_as_the_service_scores_them(model_dir: Path) -> None:
    rows = read_rows(model_dir.parent / "rows.csv", credit_default.FILE)
    model, reference = verified(model_dir / "first"), reference_of(model_dir, "first")
    assert reference is not None
    assert model.scorecard is not None
    score = [reference.score.bin_of(p) for p in model.scorecard.probabilities(rows.features.tolist())]
    assert reference.score.counts == tuple(np.bincount(score, minlength=len(reference.score.counts)).tolist())
    assert reference.probabilities == "final_model"
    tenure = next(feature for feature in reference.features if feature.name == "years_on_the_job")
    assert tenure.counts[-1] == int(
        np.isnan(rows.features[:, list(model.manifest.feature_names).index(tenure.name)]).sum()
    )
    assert [group.name for group in reference.groups] == ["age_62"]
    assert reference.streams == 2 + len(model.inputs) + 1
    assert "reference.json" in model.manifest.files


def test_an_estimator_of_another_kind_keeps_the_probabilities_out_of_fold(tmp_path: Path) -> None:
    rows = write_training_rows(tmp_path / "rows.csv", 1_000)
    forest = ["--model", "sklearn.tree:DecisionTreeClassifier", "--params", '{"random_state": 1}', "--version", "tree"]
    assert run(rows, tmp_path / "models", *forest) == 0
    reference = reference_of(tmp_path / "models", "tree")
    assert reference is not None
    assert reference.probabilities == "out_of_fold"
    labels = read_rows(rows, credit_default.FILE).labels
    # A grown tree is sure of its own rows, and as often wrong about others.
    above = sum(reference.score.counts[1:])
    assert above != int(labels.sum())


def test_a_version_without_a_population_serves(model_dir: Path, tmp_path: Path) -> None:
    manifest = json.loads((model_dir / "first" / "manifest.json").read_text())
    del manifest["files"]["reference.json"]
    old = tmp_path / "first"
    old.mkdir()
    for name in manifest["files"]:
        (old / name).write_bytes((model_dir / "first" / name).read_bytes())
    (old / "manifest.json").write_text(json.dumps(manifest))
    assert verified(old).version == "first"
    assert reference_of(tmp_path, "first") is None
