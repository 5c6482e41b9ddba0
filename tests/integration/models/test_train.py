import json
import re
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

import credit_default
from credit_default import NAMES as FEATURE_NAMES
from prediction_service.scoring.scorecard import Scorecard
from prediction_service.train import main as train
from prediction_service.training.data import TrainingRows, persons_of, read_rows
from prediction_service.training.errors import TrainingDataError
from prediction_service.training.estimators import champion, infinite_rows, probe_rows, scorecard_of
from prediction_service.training.store import largest_difference
from prediction_service.training.thresholds import shortest_between
from prediction_service.training.validation.measures import calibration_slope, cross_validate, deciles, interval, ks
from prediction_service.versions.artefact import ModelRefused, load
from prediction_service.versions.folder import activate, champion_version
from registries import write_training_rows
from shared_schemas import Feature

HEADER = ",".join(["id", *FEATURE_NAMES, "status"])
INPUTS = credit_default.SET.features
QUICK = ["--folds", "2", "--repeats", "1", "--default-parameters"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_training_rows(tmp_path_factory.mktemp("data") / "rows.csv", 1_500)


def run(file: Path, models: Path, *options: str) -> int:
    return train([str(file), "--feature-set", str(credit_default.FILE), "--model-dir", str(models), *QUICK, *options])


# The tables


def random_rows(rows: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    features = np.column_stack(
        [random.integers(0, 60, rows), random.uniform(100, 200, rows), random.integers(18, 80, rows),
         random.integers(0, 40, rows), random.integers(0, 2, rows)]
    ).astype(float)  # fmt: skip
    features[random.random((rows, 5)) < [0, 0.1, 0, 0.2, 0]] = np.nan
    return features


@pytest.fixture(scope="module", params=[1, 2, 3])
def trained(request: pytest.FixtureRequest) -> tuple[Any, Scorecard, np.ndarray]:
    features = random_rows(4_000, request.param)
    random = np.random.default_rng(request.param)
    risk = 0.15 * (features[:, 2] < 35) + 0.1 * np.isnan(features[:, 3]) + 0.1 * (features[:, 0] < 20) + 0.05
    labels = (random.random(4_000) < risk).astype(int)
    estimator = champion(INPUTS).fit(features, labels)
    return estimator, scorecard_of(estimator, INPUTS, features), features


def test_tables_give_the_probability_of_the_trees_everywhere(trained: tuple[Any, Scorecard, np.ndarray]) -> None:
    estimator, scorecard, features = trained
    edges = {index: table.edges for index, table in enumerate(scorecard.tables)}
    inputs = np.vstack([features, probe_rows(INPUTS, edges, features), infinite_rows(INPUTS, features)])
    assert largest_difference(scorecard, estimator, inputs) < 1e-12
    assert sum(map(len, edges.values())) > 10


def test_probes_hold_both_neighbours_of_every_edge_and_every_pattern_of_missing_values(
    trained: tuple[Any, Scorecard, np.ndarray],
) -> None:
    _, scorecard, features = trained
    probes = probe_rows(INPUTS, {index: table.edges for index, table in enumerate(scorecard.tables)}, features)
    for index, table in enumerate(scorecard.tables):
        for edge in table.edges:
            for side in (np.nextafter(edge, -np.inf), edge, np.nextafter(edge, np.inf)):
                assert side in probes[:, index]
        assert {-1e9, 1e9} <= set(probes[:, index])
    patterns = {tuple(pattern) for pattern in np.isnan(probes).tolist()}
    assert {(True,) * 5, *(tuple(i == j for j in range(5)) for i in range(5))} <= patterns
    assert len(patterns) == 2 ** len(FEATURE_NAMES)  # 200 random ones hold each of 32


def test_means_are_those_of_the_training_rows(trained: tuple[Any, Scorecard, np.ndarray]) -> None:
    _, scorecard, features = trained
    rows = features.tolist()
    total = np.mean([scorecard.contributions(row) for row in rows], axis=0)
    assert total == pytest.approx(np.zeros(5), abs=1e-12)


def test_edges_are_short_decimals_between_the_values_that_they_part(trained: tuple[Any, Scorecard, np.ndarray]) -> None:
    _, scorecard, features = trained
    table, amounts = scorecard.tables[1], features[:, 1]
    assert len(table.edges) > 2
    for edge in table.edges:
        below, above = np.nanmax(amounts[amounts <= edge]), np.nanmin(amounts[amounts > edge])
        assert edge == shortest_between(below, above)
    assert max(len(repr(edge)) for edge in table.edges) <= len("123.4567")  # 4,000 values of 100 to 200
    for whole in (0, 2, 3, 4):
        assert all((2 * edge).is_integer() for edge in scorecard.tables[whole].edges)


def test_short_thresholds_leave_every_training_row_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = [Feature(name=name, type="number", description="Number.") for name in ("rate", "change")]
    inputs = (*numbers, Feature(name="purpose", type="category", categories=("a", "b", "c"), description="Purpose."))
    random = np.random.default_rng(5)
    features = np.column_stack(
        [random.normal(0, 1e-4, 4_000), random.normal(0, 1, 4_000), random.integers(0, 3, 4_000)]
    )
    labels = (random.random(4_000) < 0.1 + 0.2 * (features[:, 0] > 0) + 0.1 * (features[:, 1] > 1)).astype(int)
    short = champion(inputs).fit(features, labels)
    monkeypatch.setattr("prediction_service.training.additive.shorten", lambda trees, columns: None)
    long = champion(inputs).fit(features, labels)
    assert np.array_equal(short.predict_proba(features), long.predict_proba(features))
    edges = [scorecard_of(estimator, inputs, features).tables[0].edges for estimator in (short, long)]
    assert len(edges[0]) == len(edges[1]) > 2
    assert sum(len(repr(edge)) for edge in edges[0]) < sum(len(repr(edge)) for edge in edges[1]) / 2


def test_risk_never_rises_with_age_tenure_and_car(trained: tuple[Any, Scorecard, np.ndarray]) -> None:
    _, scorecard, _ = trained
    assert {table.name: table.monotonic for table in scorecard.tables} == {
        "nb_previous_loans": 0, "avg_amount_loans_previous": 0, "age": -1, "years_on_the_job": -1, "flag_own_car": -1,
    }  # fmt: skip
    assert [table.defect() for table in scorecard.tables] == [None] * 5


def test_a_model_that_is_not_additive_has_no_tables() -> None:
    features = random_rows(3_000, 4)
    labels = np.random.default_rng(4).random(3_000) < np.where((features[:, 0] > 30) ^ (features[:, 2] > 50), 0.6, 0.1)
    estimator = champion(INPUTS).fit(features, labels)
    estimator.boosting_ = HistGradientBoostingClassifier(max_depth=2, max_iter=20, random_state=0).fit(features, labels)
    with pytest.raises(TrainingDataError, match="not additive"):
        scorecard_of(estimator, INPUTS, features)


def test_tables_that_differ_from_the_trees_are_not_stored(trained: tuple[Any, Scorecard, np.ndarray]) -> None:
    estimator, scorecard, features = trained
    with pytest.raises(TrainingDataError, match="differ from predict_proba"):
        largest_difference(Scorecard(scorecard.base + 1e-10, scorecard.tables), estimator, features)


# Reading


def write(file: Path, *lines: str, header: str = HEADER, rows: int = 300) -> Path:
    """`rows` good rows, an eighth of them defaults, and these lines after them."""
    random = np.random.default_rng(2)
    good = [
        f"{client * 9},{random.integers(0, 30)},{100 + client / 7:.3f},{random.integers(20, 70)},{client % 15},{client % 2},"
        f"{int(client % 8 == 0)}"
        for client in range(1, rows + 1)
    ]
    file.write_text("\n".join([header, *good, *lines, ""]))
    return file


def test_a_byte_order_mark_and_crlf_change_nothing(tmp_path: Path) -> None:
    plain = write(tmp_path / "rows.csv")
    odd = tmp_path / "odd.csv"
    odd.write_bytes(b"\xef\xbb\xbf" + plain.read_bytes().replace(b"\n", b"\r\n"))
    assert np.array_equal(
        read_rows(odd, credit_default.FILE).features, read_rows(plain, credit_default.FILE).features, equal_nan=True
    )


def test_parquet_reads_like_csv_and_knows_its_period(tmp_path: Path) -> None:
    csv = read_rows(write(tmp_path / "rows.csv"), credit_default.FILE)
    table = pa.csv.read_csv(tmp_path / "rows.csv").rename_columns(["client_id", *FEATURE_NAMES, "status"])
    moments = np.datetime64("2020-01-01T12:00", "us") + np.arange(table.num_rows).astype("m8[D]")
    with_time = table.append_column("event_timestamp", pa.array(moments, pa.timestamp("us", "UTC")))
    pa.parquet.write_table(with_time, tmp_path / "rows.parquet")
    parquet = read_rows(tmp_path / "rows.parquet", credit_default.FILE)
    assert np.array_equal(parquet.features, csv.features, equal_nan=True)
    assert np.array_equal(parquet.persons, csv.persons)
    assert (csv.period, parquet.period) == (None, ("2020-01-01", "2020-10-26"))


def test_values_that_the_service_would_take_as_missing_are_missing_in_training_too(tmp_path: Path) -> None:
    bad = ["900001,-1,120,40,3,1,0", "900002,3,-0.5,40,3,1,0", "900003,3,120,0,3,1,0", "900004,3,120,101,3,1,0",
           "900005,3,120,40.5,3,1,0", "900006,3,120,40,101,1,0", "900007,3,120,40,3,2,0", "900008,3,1e400,40,3,1,0"]  # fmt: skip
    rows = read_rows(write(tmp_path / "rows.csv", *bad), credit_default.FILE)
    assert rows.failed == {
        "nb_previous_loans": 1, "avg_amount_loans_previous": 2, "age": 3, "years_on_the_job": 1, "flag_own_car": 1,
    }  # fmt: skip
    assert np.isnan(rows.features[-8:]).sum(axis=1).tolist() == [1] * 8


def test_rows_without_a_status_are_left_out(tmp_path: Path) -> None:
    rows = read_rows(write(tmp_path / "rows.csv", "900001,1,120,40,3,1,", "900002,1,120,40,3,1,1"), credit_default.FILE)
    assert (len(rows.labels), rows.labels[-1], rows.clients) == (301, 1, 301)


GOOD = "1,1,120,40,3,1,0"

BAD_FILES: dict[str, tuple[str, str]] = {
    "nothing in it": ("", "is empty"),
    "only a header": (HEADER + "\n", "0 rows with a status"),
    "too few rows": ("\n".join([HEADER, *[GOOD] * 60]), "60 rows with a status, 0 of them defaults: too few"),
    "one class": ("\n".join([HEADER, *[GOOD] * 600]), "0 of them defaults: too few"),
    "only defaults": ("\n".join([HEADER, *["1,1,120,40,3,1,1"] * 600]), "600 of them defaults: too few"),
    "no id and no age": (HEADER.replace("id,", "").replace("age,", "") + "\n1,2,3,4,5", "client_id (or id), age"),
    "another delimiter": (f"{HEADER}\n{GOOD}".replace(",", ";"), "lacks the column(s)"),
    "a cut line": (f"{HEADER}\n{GOOD}\n2,1", "cannot be read as CSV"),
    "text for a number": (f"{HEADER}\n{GOOD}\n2,1,much,40,3,1,0", "avg_amount_loans_previous holds values"),
    "Y for a flag": (f"{HEADER}\n2,1,120,40,3,Y,0", "flag_own_car holds values"),
    "another label": (f"{HEADER}\n{GOOD}\n1,1,120,40,3,1,2", "other than 0 and 1"),
    "one column twice": (HEADER + ",age\n" + GOOD + ",4", "several columns age"),
}


@pytest.mark.parametrize("what", BAD_FILES)
def test_a_file_that_cannot_be_trained_on_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    content, message = BAD_FILES[what]
    (tmp_path / "rows.csv").write_text(content)
    assert run(tmp_path / "rows.csv", tmp_path / "models") == 1
    out, error = capsys.readouterr()
    assert (out, error.count("\n")) == ("", 1)
    assert message in error
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x7,1,120,40,3,1,0", "id holds values that are not 64-bit integers"),
        ("99999999999999999999,1,120,40,3,1,0", "id holds values that are not 64-bit integers"),
        (",1,120,40,3,1,0", "id lacks 1 of its values"),
    ],
)
def test_an_id_that_is_none_is_refused(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(TrainingDataError, match=message):
        read_rows(write(tmp_path / "rows.csv", line), credit_default.FILE)


def test_a_feature_without_usable_values_is_left_out_and_why_is_said(tmp_path: Path) -> None:
    file = write(tmp_path / "rows.csv")
    lines = [line.split(",") for line in file.read_text().splitlines()]
    file.write_text("\n".join([",".join(lines[0]), *[",".join([*p[:4], "-3", *p[5:]]) for p in lines[1:]]]))
    rows = read_rows(file, credit_default.FILE)
    assert rows.left_out.keys() == {"years_on_the_job"}
    assert "years_on_the_job has 0 values in its allowed range" in rows.left_out["years_on_the_job"]
    assert rows.features.shape[1] == len(rows.inputs) == 4


def test_rows_of_an_unknown_set_are_refused_and_parquet_carries_its_own(tmp_path: Path) -> None:
    file = write(tmp_path / "rows.csv")
    with pytest.raises(TrainingDataError, match="--feature-set"):
        read_rows(file)
    table = pa.csv.read_csv(file).replace_schema_metadata({"feature_set": credit_default.SET.canonical()})
    pa.parquet.write_table(table, tmp_path / "rows.parquet")
    assert read_rows(tmp_path / "rows.parquet").feature_set == credit_default.SET


@pytest.mark.parametrize("name", ["absent.csv", "folder.csv", "absent.parquet", "text.parquet"])
def test_a_file_that_is_none_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "text.parquet").write_text(HEADER)
    assert run(tmp_path / name, tmp_path / "models") == 1
    assert re.fullmatch(rf"No model: .*{re.escape(name)}.*\n", capsys.readouterr().err)


# Persons


def people(*rows: tuple[int, float, float, float]) -> list[int]:
    clients = np.array([row[0] for row in rows])
    traits = np.array([[age, tenure, car] for _, age, tenure, car in rows], dtype=float)
    _, numbers = np.unique(persons_of(clients, traits), return_inverse=True)
    return [int(number) for number in numbers]


def test_neighbouring_ids_with_equal_traits_are_one_person() -> None:
    nan = float("nan")
    assert people((10, 40, 3, 1), (15, 40, 3, 1), (21, 40, 3, 1)) == [0, 0, 1]  # at most five apart
    assert people((10, 40, 3, 1), (11, 41, 3, 1), (12, 41, 4, 1), (13, 41, 4, 0)) == [0, 1, 2, 3]
    assert people((10, 60, nan, 1), (11, 60, nan, 1), (12, 60, 0, 1)) == [0, 0, 1]


def test_rows_of_a_client_are_one_person_wherever_they_stand_and_whatever_they_say() -> None:
    assert people((10, 40, 3, 1), (99, 30, 1, 0), (10, 41, 4, 1)) == [0, 1, 0]


def twins(rows: int = 600) -> TrainingRows:
    """Persons of three clients each, whose label is noise but equal: only a model that has seen the twin can know it."""
    random = np.random.default_rng(3)
    persons = np.repeat(np.arange(rows // 3), 3)
    features = np.repeat(random.uniform(20, 60, (rows // 3, 5)), 3, axis=0)
    labels = np.repeat(random.random(rows // 3) < 0.3, 3).astype(int)
    return TrainingRows(credit_default.SET, INPUTS, {}, features, {}, labels, persons, rows, "", {}, None)


def test_validation_by_person_does_not_reward_remembering_the_twin() -> None:
    from sklearn.neighbors import KNeighborsClassifier  # noqa: PLC0415

    options: dict[str, Any] = {"folds": 5, "repeats": 1, "seed": 1, "progress": lambda line: None}
    remembering = lambda: KNeighborsClassifier(n_neighbors=1)  # noqa: E731
    by_row, _ = cross_validate(twins(), remembering, grouped=False, **options)
    by_person, _ = cross_validate(twins(), remembering, grouped=True, **options)
    assert by_row["folds"]["auc"]["mean"] > 0.9
    assert abs(by_person["folds"]["auc"]["mean"] - 0.5) < 0.1


def test_validation_is_repeatable_and_its_seed_matters() -> None:
    options: dict[str, Any] = {"folds": 3, "repeats": 2, "grouped": True, "progress": lambda line: None}
    measures = [cross_validate(twins(), LogisticRegression, seed=seed, **options)[0] for seed in (1, 1, 2)]
    assert measures[0] == measures[1]
    assert measures[0]["folds"] != measures[2]["folds"]


def test_too_few_persons_for_the_folds_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"{client},5,120,40,3,1,1" for client in range(10_001, 10_031)]
    rows += [f"{client * 9},5,120,{20 + client % 40},3,1,0" for client in range(1, 300)]
    (tmp_path / "rows.csv").write_text("\n".join([HEADER, *rows]))
    assert run(tmp_path / "rows.csv", tmp_path / "models") == 1
    assert "The defaults are of 1 persons: too few for 2 folds" in capsys.readouterr().err


# Measures


def test_ks_is_the_largest_distance_of_the_two_distributions() -> None:
    assert ks(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.3, 0.4])) == 1
    assert ks(np.array([0, 1, 0, 1]), np.array([0.1, 0.1, 0.2, 0.2])) == 0
    assert ks(np.array([0, 0, 1, 0, 1, 1]), np.array([1, 2, 3, 4, 5, 6]) / 10) == pytest.approx(2 / 3)


def test_the_calibration_slope_is_that_of_an_unpenalised_regression() -> None:
    random = np.random.default_rng(1)
    log_odds = random.normal(-1, 1, 4_000)
    labels = (random.random(4_000) < 1 / (1 + np.exp(-0.5 * log_odds))).astype(int)
    found = calibration_slope(labels, 1 / (1 + np.exp(-log_odds)))
    reference = LogisticRegression(C=np.inf, tol=1e-12, max_iter=1_000).fit(log_odds[:, None], labels).coef_[0, 0]
    assert found is not None
    assert found[0] == pytest.approx(reference, abs=1e-6)
    assert abs(found[0] - 0.5) < 3 * found[1]
    assert found[1] == pytest.approx(0.036, abs=0.006)


@pytest.mark.parametrize("probabilities", [[0.1] * 6, [0.1, 0.1, 0.1, 0.9, 0.9, 0.9]])
def test_there_is_no_slope_where_all_are_equal_or_the_classes_apart(probabilities: list[float]) -> None:
    assert calibration_slope(np.array([0, 0, 0, 1, 1, 1]), np.array(probabilities)) is None


@pytest.mark.parametrize(
    ("events", "rows", "low", "high"), [(0, 100, 0.0, 0.0370), (10, 100, 0.0552, 0.1744), (100, 100, 0.9630, 1.0)]
)
def test_the_interval_is_wilsons(events: int, rows: int, low: float, high: float) -> None:
    assert interval(events, rows) == pytest.approx((low, high), abs=5e-5)


def test_deciles_hold_every_row_once_and_rise_in_what_was_predicted() -> None:
    random = np.random.default_rng(6)
    probabilities = random.random(1_003)
    labels = (random.random(1_003) < probabilities).astype(int)
    table = deciles(labels, probabilities)
    assert (sum(group["rows"] for group in table), sum(group["defaults"] for group in table)) == (1_003, labels.sum())
    assert [group["predicted"] for group in table] == sorted(group["predicted"] for group in table)
    assert all(group["observed_low"] <= group["observed"] <= group["observed_high"] for group in table)


# The command


def test_a_version_says_that_its_sentences_name_the_edges_themselves(model_dir: Path) -> None:
    assert json.loads((model_dir / "first" / "manifest.json").read_text())["bounds_in_reasons"] == "exact"


def test_training_finds_the_signal_is_calibrated_and_says_so(model_dir: Path) -> None:
    metrics = load(model_dir / "first").manifest.metrics
    assert metrics["grouped"]["pooled"]["auc"] > 0.55
    assert metrics["grouped"]["pooled"]["log_loss"] < metrics["base_rate"]["log_loss"]
    assert metrics["grouped"]["pooled"]["mean_probability"] == pytest.approx(metrics["base_rate"]["pr_auc"], abs=0.005)
    assert metrics["flagged"]["share"] == pytest.approx(0.2, abs=0.01)
    assert metrics["largest_difference"] < 1e-12


def test_the_manifest_holds_no_client_and_no_row(model_dir: Path) -> None:
    manifest = (model_dir / "first" / "manifest.json").read_text()
    training = json.loads(manifest)["training"]
    assert set(training) == {
        "rows", "clients", "persons", "defaults", "default_rate", "failed_values", "period", "sha256",
    }  # fmt: skip
    assert training["rows"] == training["clients"] == 3_000


def test_the_same_data_and_options_train_the_same_model(data: Path, tmp_path: Path) -> None:
    assert run(data, tmp_path, "--version", "one") == run(data, tmp_path, "--version", "two") == 0
    for name in ("tables.json", "probes.json", "calibration.png"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    one, two = load(tmp_path / "one").manifest, load(tmp_path / "two").manifest
    assert (one.metrics, one.threshold) == (two.metrics, two.threshold)
    assert champion_version(tmp_path) == "two"


def test_a_version_without_a_name_is_called_after_its_time_and_content(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(data, tmp_path) == 0
    name = champion_version(tmp_path)
    assert name is not None
    assert re.fullmatch(r"\d{8}T\d{6}-[0-9a-f]{8}", name)
    out, progress = capsys.readouterr()
    assert out.startswith(f"version    {name} (champion)\n")
    assert "by person  AUC 0." in out
    assert "validated by person: round 1 of 1" in progress


def test_no_activate_leaves_the_champion_version(data: Path, tmp_path: Path) -> None:
    activate(tmp_path, "before")
    assert run(data, tmp_path, "--version", "next", "--no-activate") == 0
    assert champion_version(tmp_path) == "before"
    assert load(tmp_path / "next").manifest.version == "next"


def test_a_model_that_learnt_against_the_elderly_is_refused_where_the_feature_is_of_basis_age(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    ages = random.integers(20, 80, 2_000)
    bad = random.random(2_000) < np.where(ages > 64, 0.5, 0.1)
    rows = [f"{client * 9},5,120,{age},3,1,{int(b)}" for client, (age, b) in enumerate(zip(ages, bad, strict=True), 1)]
    (tmp_path / "rows.csv").write_text("\n".join([HEADER, *rows]))
    free = tmp_path / "free.toml"
    free.write_text(credit_default.FILE.read_text().replace('basis = ["age"]', "").replace('risk = "falls"', ""))
    options = ["--feature-set", str(free), "--model-dir", str(tmp_path / "models"), *QUICK]
    assert train([str(tmp_path / "rows.csv"), *options, "--version", "free"]) == 0
    manifest = json.loads((tmp_path / "models" / "free" / "manifest.json").read_text())
    manifest["features"] = json.loads(credit_default.SET.canonical())["feature"]
    (tmp_path / "models" / "free" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelRefused, match="62 or older"):
        load(tmp_path / "models" / "free")


@pytest.mark.parametrize(
    "options",
    [
        ["--version", "../up"], ["--version", "champion"], ["--folds", "1"], ["--repeats", "0"], ["--cost-ratio", "0"],
        ["--cost-ratio", "nan"], ["--cost-ratio", "inf"], ["--cost-ratio", "1e-300"], ["--seed", "-1"],
        ["--params", "x", "--model", "a:B"], ["--params", "[1]", "--model", "a:B"], ["--params", '{"max_iter": 1}'],
    ],
)  # fmt: skip
def test_an_option_that_makes_no_sense_is_a_usage_error(data: Path, tmp_path: Path, options: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(data, tmp_path / "models", *options)
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    ("model", "params", "message"),
    [
        ("sklearn", "{}", "cannot be made"),
        ("no_such_module:X", "{}", "cannot be made"),
        ("sklearn.linear_model:NoSuch", "{}", "cannot be made"),
        ("sklearn.linear_model:LogisticRegression", '{"no_such": 1}', "cannot be made"),
        ("sklearn.linear_model:Ridge", "{}", "no scikit-learn classifier"),
        ("sklearn.svm:LinearSVC", "{}", "no scikit-learn classifier with predict_proba"),
        ("sklearn.linear_model:LogisticRegression", '{"C": -1}', "cannot be trained on these rows"),
    ],
)
def test_a_classifier_that_cannot_be_trained_is_one_clear_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], model: str, params: str, message: str
) -> None:
    assert run(data, tmp_path / "models", "--model", model, "--params", params) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not (tmp_path / "models").exists()


def test_a_classifier_that_takes_missing_values_gets_them(data: Path, tmp_path: Path) -> None:
    options = ["--model", "sklearn.tree:DecisionTreeClassifier", "--params", '{"max_depth": 3}']
    assert run(data, tmp_path, "--version", "tree", *options) == 0
    estimator = joblib.load(tmp_path / "tree" / "model.joblib")
    assert isinstance(estimator, BaseEstimator)
    assert isinstance(estimator, ClassifierMixin)  # and no pipeline with medians
    assert load(tmp_path / "tree").manifest.estimator == "sklearn.tree:DecisionTreeClassifier"


def test_a_registry_that_cannot_be_written_is_one_clear_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "models").write_text("a file")
    assert run(data, tmp_path / "models") == 1
    assert capsys.readouterr().err == f"No model: {tmp_path / 'models'} is no folder.\n"


def test_few_rows_train_a_model_that_admits_to_know_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(write(tmp_path / "rows.csv", rows=120), tmp_path / "models", "--version", "v") == 0
    assert "every client gets the same probability" in capsys.readouterr().out
    assert load(tmp_path / "models" / "v").manifest.metrics["distinct_probabilities"] == 1


@pytest.fixture
def card(model_dir: Path) -> str:
    return (model_dir / "first" / "card.md").read_text()


def test_the_card_shows_every_cell_of_the_scorecard(model_dir: Path, card: str) -> None:
    scorecard = load(model_dir / "first").scorecard
    assert scorecard is not None
    cells = [value for table in scorecard.tables for value in (*table.values, table.missing)]
    assert f"{len(cells)} cells." in card
    for table in scorecard.tables:
        assert card.count(f"| {table.name} |") == len(table.values) + 2  # and one that says what it means


def test_the_card_says_how_weak_the_score_is(card: str) -> None:
    assert "a tie-breaker, not a decision engine" in card
    assert re.search(r"its AUC is 0\.\d{3} ± 0\.\d{3}", card)


def test_the_card_has_ten_deciles_and_both_splits(card: str) -> None:
    assert len(re.findall(r"^\| \d+ \| 300 \|", card, re.MULTILINE)) == 10
    for name in ("AUC", "KS", "PR AUC", "Brier", "log loss"):
        assert re.search(
            rf"^\| {name} \| 0\.\d+ ± 0\.\d+ \| 0\.\d+ \| 0\.\d+ ± 0\.\d+ \| 0\.\d+ \| 0\.\d+ \|$", card, re.MULTILINE
        )


def test_the_plots_stand_beside_the_card_and_are_vouched_for(model_dir: Path, card: str) -> None:
    for name in re.findall(r"\]\((\w+\.png)\)", card):
        assert (model_dir / "first" / name).stat().st_size > 10_000
        assert name in load(model_dir / "first").manifest.files
    assert card.count(".png)") == 2
