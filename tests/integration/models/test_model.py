import asyncio
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

import credit_default
from credit_default import NAMES as FEATURE_NAMES
from prediction_service.scoring.scorecard import FeatureTable, Scorecard, disfavours_elderly
from prediction_service.train import main as train
from prediction_service.training.additive import AdditiveBoosting
from prediction_service.training.estimators import scorecard_of
from prediction_service.versions.artefact import FileRecord, ModelRefused, _record, load
from prediction_service.versions.folder import activate
from prediction_service.versions.serving import ServedModel, open_models
from prediction_service.versions.shadow import ShadowMetrics
from registries import write_training_rows
from shared_schemas import Feature


def table(name: str = "age", **changes: Any) -> FeatureTable:
    given_: dict[str, Any] = {
        "name": name, "edges": (30.0, 50.0), "values": (0.3, 0.1, -0.2), "missing": 0.05, "missing_rule": "missing_cell",
        "monotonic": -1, "population_mean": 0.1,
    }  # fmt: skip
    return FeatureTable(**(given_ | changes))


@pytest.mark.parametrize(
    ("value", "added"), [(29, 0.3), (30, 0.3), (30.1, 0.1), (50, 0.1), (51, -0.2), (None, 0.05), (math.nan, 0.05)]
)
def test_an_edge_belongs_to_the_interval_below_it(value: float | None, added: float) -> None:
    assert table().contribution(value) == added


@given(st.floats(-1e300, 1e300))
def test_a_probability_is_one_however_large_the_log_odds(base: float) -> None:
    assert 0 <= Scorecard(base, [table()]).probability([40]) <= 1


@given(st.one_of(st.none(), st.floats(0, 120)))
def test_contributions_add_up_to_the_difference_from_the_mean(age: float | None) -> None:
    scorecard = Scorecard(-4.0, [table(), table("other", population_mean=-0.05)])
    mean = -4.0 + 0.1 - 0.05
    assert sum(scorecard.contributions([age, 35])) == pytest.approx(scorecard.log_odds([age, 35]) - mean, abs=1e-12)


def test_a_model_must_not_score_the_elderly_worse_for_their_age() -> None:
    assert not disfavours_elderly(table())
    assert disfavours_elderly(table(values=(0.1, -0.2, 0.3), monotonic=0))
    assert disfavours_elderly(table(edges=(30.0, 70.0), values=(0.1, -0.2, -0.1), monotonic=0))


def test_the_tables_are_the_estimator(model_dir: Path, tmp_path: Path) -> None:
    artefact = load(model_dir / "first")
    assert artefact.scorecard is not None
    estimator = joblib.load(model_dir / "first" / "model.joblib")
    random = np.random.default_rng(5)
    rows = np.column_stack([random.uniform(-5, 300, 2_000) for _ in FEATURE_NAMES])
    rows[random.random(rows.shape) < 0.1] = np.nan
    expected = estimator.predict_proba(rows)[:, 1]
    differences = [abs(artefact.scorecard.probability(row) - p) for row, p in zip(rows.tolist(), expected, strict=True)]
    assert max(differences) < 1e-12


def test_a_value_whose_absence_tells_most_has_a_table_of_finite_edges() -> None:
    random = np.random.default_rng(5)
    absent = random.random(4_000) < 0.3
    rows = np.where(absent, np.nan, random.uniform(0, 100, absent.size))[:, None]
    labels = (random.random(absent.size) < np.where(absent, 0.65, 0.05)).astype(int)
    estimator = AdditiveBoosting([0], [0], [False], max_iter=40).fit(rows, labels)
    assert any(np.isinf(nodes["num_threshold"]).any() for nodes, _ in estimator.grown()[1][0].trees)
    inputs = [Feature(name="income", type="number", description="A year.")]
    scorecard = scorecard_of(estimator, inputs, rows)
    assert scorecard.tables[0].defect() is None
    expected = estimator.predict_proba(rows)[:, 1]
    said = [scorecard.probability(row) for row in rows.tolist()]
    assert max(abs(said - expected)) < 1e-12
    assert scorecard.probability([math.nan]) > 0.4


def test_a_missing_value_has_the_rule_it_was_trained_with(model_dir: Path) -> None:
    assert load(model_dir / "first").manifest.missing_rules == {
        "nb_previous_loans": "default_cell", "avg_amount_loans_previous": "missing_cell", "age": "best_cell",
        "years_on_the_job": "missing_cell", "flag_own_car": "default_cell",
    }  # fmt: skip


def spoiled(
    model_dir: Path, tmp_path: Path, spoil: Callable[[Path, dict[str, Any]], None], *, vouch: bool = True
) -> Path:
    """A copy of the version, spoiled; `vouch` renews the checksums, so that only the deeper checks can find it."""
    folder = tmp_path / "first"
    shutil.copytree(model_dir / "first", folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    spoil(folder, manifest)
    if vouch:
        for name in manifest["files"]:
            if (folder / name).exists():
                manifest["files"][name] = _record(folder / name).model_dump()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def edit_tables(change: Callable[[dict[str, Any]], None]) -> Callable[[Path, dict[str, Any]], None]:
    def spoil(folder: Path, _: dict[str, Any]) -> None:
        tables = json.loads((folder / "tables.json").read_text())
        change(tables)
        (folder / "tables.json").write_text(json.dumps(tables))

    return spoil


AGE = FEATURE_NAMES.index("age")


def _overwrite(file: Path) -> None:
    file.write_text("{}")


REFUSED: dict[str, Callable[[Path, dict[str, Any]], None]] = {
    "schema_version": lambda _, manifest: manifest.update(schema_version=3),
    "threshold": lambda _, manifest: manifest.update(threshold=1.0),
    "is that of version": lambda _, manifest: manifest.update(version="other"),
    "those of its inputs": lambda _, manifest: manifest.update(feature_names=manifest["feature_names"][::-1]),
    "names no inputs": lambda _, manifest: manifest.update(feature_names=[]),
    "define each of its inputs": lambda _, manifest: manifest.update(feature_names=["other"]),
    "age must not be an input": lambda _, manifest: manifest["features"][AGE].update(basis=["sex"]),
    "rules for missing": lambda _, manifest: manifest["missing_rules"].pop("age"),
    "its rule for a missing age": lambda _, manifest: manifest["missing_rules"].update(age="model"),
    "does not vouch for": lambda _, manifest: manifest["files"].pop("tables.json"),
    "outside of its folder": lambda _, manifest: manifest["files"].update({"../x": {"sha256": "", "size": 0}}),
    "cannot be read": lambda folder, _: (folder / "card.md").unlink(),
    "tables cannot be read": lambda folder, _: _overwrite(folder / "tables.json"),
    "edges that do not increase": edit_tables(lambda tables: tables["tables"][AGE]["edges"].reverse()),
    "not finite": edit_tables(lambda tables: tables["tables"][AGE].update(missing=math.inf)),
    "one value more": edit_tables(lambda tables: tables["tables"][AGE]["values"].pop()),
    "keep the direction": edit_tables(lambda tables: tables["tables"][AGE]["values"].reverse()),
    "62 or older": edit_tables(
        lambda tables: tables["tables"][AGE].update(edges=[61.5], values=[0.0, 0.1], monotonic=0)
    ),
    "claims not to": edit_tables(lambda tables: tables["tables"][AGE].update(missing=9.0)),
    "age does not claim the direction": edit_tables(lambda tables: tables["tables"][AGE].update(monotonic=0)),
    "job does not claim the direction": edit_tables(lambda tables: tables["tables"][AGE + 1].update(monotonic=0)),
    "on its probes": edit_tables(lambda tables: tables.update(base=tables["base"] + 1e-9)),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_a_version_that_fails_a_check_is_refused(model_dir: Path, tmp_path: Path, reason: str) -> None:
    with pytest.raises(ModelRefused, match=reason):
        load(spoiled(model_dir, tmp_path, REFUSED[reason]))


@pytest.mark.parametrize("name", ["tables.json", "model.joblib", "probes.json", "card.md"])
def test_one_changed_byte_in_any_file_is_found(model_dir: Path, tmp_path: Path, name: str) -> None:
    def flip(folder: Path, _: dict[str, Any]) -> None:
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content)

    with pytest.raises(ModelRefused, match="is not the one that the manifest vouches for"):
        load(spoiled(model_dir, tmp_path, flip, vouch=False))


def test_another_classifier_serves_from_its_verified_file(tmp_path: Path) -> None:
    rows = write_training_rows(tmp_path / "rows.csv", 800)
    options = ["--model", "sklearn.linear_model:LogisticRegression", "--params", '{"C": 0.5, "max_iter": 5000}']
    assert (
        train(
            [
                str(rows),
                "--feature-set",
                str(credit_default.FILE),
                "--model-dir",
                str(tmp_path),
                "--version",
                "lr",
                "--folds",
                "2",
                "--repeats",
                "1",
                *options,
            ]
        )
        == 0
    )
    model = ServedModel(load(tmp_path / "lr"))
    estimator = joblib.load(tmp_path / "lr" / "model.joblib")
    [probability] = asyncio.run(model.probabilities([[1, None, 40, 3, 1]]))
    assert probability == pytest.approx(estimator.predict_proba([[1, np.nan, 40, 3, 1]])[0, 1], abs=1e-12)
    assert set(model.missing_rules.values()) == {"model"}


def test_a_running_service_follows_the_current_version_and_keeps_it_when_the_next_is_broken(
    model_dir: Path, tmp_path: Path
) -> None:
    shutil.copytree(model_dir, tmp_path / "models")
    models = tmp_path / "models"
    shutil.copytree(models / "first", models / "second")
    manifest = json.loads((models / "second" / "manifest.json").read_text()) | {"version": "second"}
    (models / "second" / "manifest.json").write_text(json.dumps(manifest))
    (models / "broken").mkdir()

    async def scenario() -> None:
        async with open_models(models, ShadowMetrics(CollectorRegistry())) as served:
            assert served.champion.version == "first"
            activate(models, "second")
            await asyncio.sleep(2)  # the promise
            assert served.champion.version == "second"
            activate(models, "broken")
            await served.look()
            assert served.champion.version == "second"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "There is no file"),
        ("id,age\n1,2\n", "lacks the column"),
        (
            "id,nb_previous_loans,avg_amount_loans_previous,age,years_on_the_job,flag_own_car,status\n1,x,2,3,4,1,0\n",
            "not numbers",
        ),
        (
            "id,nb_previous_loans,avg_amount_loans_previous,age,years_on_the_job,flag_own_car,status\n1,1,2,30,4,1,7\n",
            "other than 0 and 1",
        ),
        (
            "id,nb_previous_loans,avg_amount_loans_previous,age,years_on_the_job,flag_own_car,status\n1,1,2,30,4,1,1\n",
            "too few",
        ),
    ],
)
def test_data_that_cannot_be_trained_on_is_explained_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, message: str
) -> None:
    data = tmp_path / "rows.csv"
    if content is not None:
        data.write_text(content)
    assert train([str(data), "--feature-set", str(credit_default.FILE), "--model-dir", str(tmp_path / "models")]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not (tmp_path / "models").exists()


def test_a_version_never_changes(model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = write_training_rows(tmp_path / "rows.csv", 800)
    assert (
        train(
            [str(rows), "--feature-set", str(credit_default.FILE), "--model-dir", str(model_dir), "--version", "first"]
        )
        == 1
    )
    assert "versions never change" in capsys.readouterr().err


def test_the_cost_ratio_sets_the_threshold(tmp_path: Path) -> None:
    rows = write_training_rows(tmp_path / "rows.csv", 800)
    arguments = [
        "--model-dir",
        str(tmp_path),
        "--version",
        "v",
        "--folds",
        "2",
        "--repeats",
        "1",
        "--default-parameters",
        "--cost-ratio",
        "9",
    ]
    assert train([str(rows), "--feature-set", str(credit_default.FILE), *arguments]) == 0
    assert load(tmp_path / "v").manifest.threshold == pytest.approx(0.1)


def test_the_card_says_what_the_model_is(model_dir: Path) -> None:
    card = (model_dir / "first" / "card.md").read_text()
    for words in ("| AUC |", "calibration slope", "12 CFR 1002.6(b)(2)", "missing (`missing_cell`)", "calibration.png"):
        assert words in card
    assert (model_dir / "first" / "calibration.png").read_bytes().startswith(b"\x89PNG")
    assert isinstance(load(model_dir / "first").manifest.files["card.md"], FileRecord)
