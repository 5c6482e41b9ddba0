import asyncio
import json
import math
import os
import shutil
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

import credit_default
from credit_default import NAMES as FEATURE_NAMES
from prediction_service.train import main as train
from prediction_service.versions.artefact import Artefact, ModelRefused, load, record_files, vouched_content
from prediction_service.versions.folder import (
    activate,
    champion_version,
    give_role,
    is_version_name,
    new_version,
    promotions,
    version_in_role,
)
from prediction_service.versions.pickled import PickledModel
from registries import write_training_rows
from service_kit.problems import DeadlineExceeded, Overloaded


def manifest_of(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "manifest.json").read_text()))


def vouch(folder: Path, **changes: Any) -> None:
    """Make the manifest fit the files again, so that only the checks behind the checksums can find what is wrong."""
    files = {name: record.model_dump() for name, record in record_files(folder).items()}
    (folder / "manifest.json").write_text(json.dumps(manifest_of(folder) | {"files": files} | changes))


@pytest.fixture
def version(model_dir: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(model_dir / "first", tmp_path / "first"))


@pytest.mark.parametrize("text", ["1", "2026-q3", "20261123T001500-3fa91c2b", "a" * 64, "v1.2_3"])
def test_a_version_may_be_called(text: str) -> None:
    assert is_version_name(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        ".hidden",
        "-rf",
        "a/b",
        "a b",
        "a" * 65,
        "ä",
        "v\n",
        "champion",
        "current",
        "promotions",
        "policy.toml",
    ],
)
def test_a_version_may_not_be_called(text: str) -> None:
    assert not is_version_name(text)


@pytest.mark.parametrize("content", [None, b"", b"../elsewhere", b"\xff\xfe", b"a b", b"champion"])
def test_a_champion_file_that_names_no_version_is_none(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "champion").write_bytes(content)
    assert champion_version(tmp_path) is None


def test_the_champion_of_a_folder_of_an_older_release_is_read_and_a_promotion_leaves_one_truth(tmp_path: Path) -> None:
    (tmp_path / "current").write_text("old\n")
    assert champion_version(tmp_path) == "old"
    activate(tmp_path, "new")
    assert champion_version(tmp_path) == "new"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["champion", "promotions"]
    assert [(promotion.before, promotion.version) for promotion in promotions(tmp_path)] == [("old", "new")]


def test_a_champion_file_that_cannot_be_used_does_not_make_an_older_one_decide(tmp_path: Path) -> None:
    (tmp_path / "current").write_text("old\n")
    (tmp_path / "champion").write_text("no such/name\n")
    assert champion_version(tmp_path) is None


def test_a_champion_file_that_is_a_folder_is_none(tmp_path: Path) -> None:
    (tmp_path / "champion").mkdir()
    assert champion_version(tmp_path) is None


def test_readers_see_the_old_name_or_the_new_one_while_it_changes(tmp_path: Path) -> None:
    names = ["one", "another-and-longer"]
    activate(tmp_path, names[0])
    stop = threading.Event()
    seen: set[str | None] = set()

    def read() -> None:
        while not stop.is_set():
            seen.add(champion_version(tmp_path))

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(300):
        activate(tmp_path, names[turn % 2])
    stop.set()
    reader.join()
    assert seen <= set(names)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["champion", "promotions"]


def test_a_version_appears_when_it_is_whole_and_not_before(tmp_path: Path) -> None:
    with new_version(tmp_path, "v") as folder:
        (folder / "manifest.json").write_text("{}")
        assert folder.name == "v"
        assert not (tmp_path / "v").exists()
    assert (tmp_path / "v" / "manifest.json").read_text() == "{}"
    assert [entry.name for entry in tmp_path.iterdir()] == ["v"]


def test_a_version_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with new_version(tmp_path, "v") as folder:
            (folder / "tables.json").write_text("{}")
            raise ModelRefused

    with pytest.raises(ModelRefused):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_version_is_never_written_over(tmp_path: Path) -> None:
    with new_version(tmp_path, "v") as folder:
        (folder / "a").write_text("first")
    with pytest.raises(OSError, match="not empty"), new_version(tmp_path, "v") as folder:
        (folder / "a").write_text("second")
    assert (tmp_path / "v" / "a").read_text() == "first"
    assert [entry.name for entry in tmp_path.iterdir()] == ["v"]


def test_what_is_checked_is_what_is_read(version: Path) -> None:
    manifest = load(version).manifest
    assert vouched_content(version, manifest, "tables.json") == (version / "tables.json").read_bytes()
    (version / "tables.json").write_bytes(b"x" * manifest.files["tables.json"].size)
    with pytest.raises(ModelRefused, match=r"tables\.json is not the one"):
        vouched_content(version, manifest, "tables.json")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_file_that_is_none_is_refused_and_not_waited_for(version: Path, make: Callable[[Path], None]) -> None:
    (version / "tables.json").unlink()
    make(version / "tables.json")
    with pytest.raises(ModelRefused, match="no such file"):
        load(version)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"null", b'{"schema_version": 1}', b"\xff", b"[" * 100_000])
def test_a_manifest_that_is_none_is_refused(version: Path, content: bytes) -> None:
    (version / "manifest.json").write_bytes(content)
    with pytest.raises(ModelRefused, match="manifest is not valid"):
        load(version)


def test_a_missing_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="manifest cannot be read"):
        load(tmp_path / "none")


@pytest.mark.parametrize("threshold", [0, 1, -0.1, math.nan, math.inf, None])
def test_a_threshold_outside_of_0_to_1_is_refused(version: Path, threshold: float | None) -> None:
    vouch(version, threshold=threshold)
    with pytest.raises(ModelRefused, match=r"not valid \(threshold\)"):
        load(version)


def test_an_unknown_rule_for_missing_values_is_refused(version: Path) -> None:
    vouch(version, missing_rules=manifest_of(version)["missing_rules"] | {"age": "median"})
    with pytest.raises(ModelRefused, match=r"missing_rules\.age"):
        load(version)


@pytest.mark.parametrize("name", ["../tables.json", "/etc/passwd", "a/b", "..", ".hidden"])
def test_a_file_outside_of_the_folder_is_refused_unread(version: Path, name: str) -> None:
    manifest = manifest_of(version)
    manifest["files"][name] = {"sha256": "0" * 64, "size": 0}
    (version / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelRefused, match="outside of its folder"):
        load(version)


DOCUMENTS = [
    "[]",
    "null",
    "1",
    "{",
    '{"base": 0}',
    '{"base": "x", "tables": []}',
    '{"base": 0, "tables": [1]}',
    "[" * 100_000,
]


@pytest.mark.parametrize("document", [*DOCUMENTS, f'{{"base": {"9" * 400}, "tables": []}}'])
def test_tables_of_another_form_are_refused(version: Path, document: str) -> None:
    (version / "tables.json").write_text(document)
    vouch(version)
    with pytest.raises(ModelRefused, match="tables cannot be read"):
        load(version)


@pytest.mark.parametrize("base", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_a_base_that_is_not_finite_is_refused(version: Path, base: str) -> None:
    tables = json.loads((version / "tables.json").read_text())
    (version / "tables.json").write_text(json.dumps(tables | {"base": "BASE"}).replace('"BASE"', base))
    vouch(version)
    with pytest.raises(ModelRefused, match="base is not finite"):
        load(version)


def test_tables_in_another_order_are_refused(version: Path) -> None:
    tables = json.loads((version / "tables.json").read_text())
    tables["tables"].reverse()
    (version / "tables.json").write_text(json.dumps(tables))
    vouch(version)
    with pytest.raises(ModelRefused, match="in their order"):
        load(version)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ("[]", "has no probes"),
        ("{}", "has no probes"),
        ("[1]", "probes cannot be read"),
        ('[{"values": [1, 2], "probability": 0.1}]', "probes cannot be read"),
        ('[{"values": [1, 2, 3, 4, "x"], "probability": 0.1}]', "probes cannot be read"),
        ('[{"values": [1, 2, 3, 4, 1], "probability": 0.9}]', "differs from the trained estimator"),
        ('[{"values": [1, 2, 3, 4, 1], "probability": NaN}]', "differs from the trained estimator"),
    ],
)
def test_probes_that_prove_nothing_are_refused(version: Path, document: str, reason: str) -> None:
    (version / "probes.json").write_text(document)
    vouch(version)
    with pytest.raises(ModelRefused, match=reason):
        load(version)


def test_one_probe_off_among_many_is_found_also_when_it_is_not_a_number(version: Path) -> None:
    probes = json.loads((version / "probes.json").read_text())
    probes[len(probes) // 2]["probability"] = math.nan
    (version / "probes.json").write_text(json.dumps(probes))
    vouch(version)
    with pytest.raises(ModelRefused, match="on its probes"):
        load(version)


@pytest.mark.parametrize(("shift", "refused"), [(9e-13, False), (1.2e-12, True)])
def test_the_tolerance_of_a_probe_is_1e_12(version: Path, shift: float, *, refused: bool) -> None:
    probes = json.loads((version / "probes.json").read_text())
    probes[0]["probability"] += shift
    (version / "probes.json").write_text(json.dumps(probes))
    vouch(version)
    if refused:
        with pytest.raises(ModelRefused, match="on its probes"):
            load(version)
    else:
        load(version)


@pytest.mark.parametrize("feature", range(len(FEATURE_NAMES)))
def test_a_change_of_any_cell_is_found_by_the_probes(version: Path, feature: int) -> None:
    original = json.loads((version / "tables.json").read_text())
    cells = len(original["tables"][feature]["values"])
    for cell in [*range(cells), "missing"]:
        tables = json.loads(json.dumps(original))
        table = tables["tables"][feature]
        if isinstance(cell, int):
            table["values"][cell] -= 1e-9
        else:
            table["missing"] -= 1e-9
        tables["tables"][feature] = table
        (version / "tables.json").write_text(json.dumps(tables))
        vouch(version)
        with pytest.raises(ModelRefused, match=r"on its probes|12 CFR|direction|like no known one|claims not to"):
            load(version)


def test_a_threshold_of_a_tree_that_moves_by_one_ulp_is_found_by_the_probes(version: Path) -> None:
    original = json.loads((version / "tables.json").read_text())
    for feature, table in enumerate(original["tables"]):
        for position, edge in enumerate(table["edges"]):
            tables = json.loads(json.dumps(original))
            tables["tables"][feature]["edges"][position] = math.nextafter(edge, math.inf)
            (version / "tables.json").write_text(json.dumps(tables))
            vouch(version)
            with pytest.raises(ModelRefused, match="on its probes"):
                load(version)


class Bomb:
    """Unpickling it leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return (os.mkdir, (str(self.mark),))


@pytest.fixture(scope="module")
def forest_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with a random forest, "forest", trained on rows with missing values."""
    folder = tmp_path_factory.mktemp("forest")
    rows = write_training_rows(folder / "rows.csv", 400)
    params = json.dumps({"n_estimators": 5, "min_samples_leaf": 20, "random_state": 1})
    options = [
        "--model",
        "sklearn.ensemble:RandomForestClassifier",
        "--params",
        params,
        "--folds",
        "2",
        "--repeats",
        "1",
    ]
    assert (
        train(
            [
                str(rows),
                "--feature-set",
                str(credit_default.FILE),
                "--model-dir",
                str(folder),
                "--version",
                "forest",
                *options,
            ]
        )
        == 0
    )
    return folder


@pytest.fixture
def forest(forest_dir: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(forest_dir / "forest", tmp_path / "forest"))


def pickled(folder: Path) -> PickledModel:
    artefact: Artefact = load(folder)
    assert artefact.scorecard is None
    return PickledModel(artefact)


def test_a_pickled_estimator_predicts_as_it_was_trained(forest: Path) -> None:
    rows = [(1, None, 40, 3, 1), (20, 130.5, None, None, None)]
    found = pickled(forest)._predict(rows)
    inputs = np.array([[np.nan if value is None else value for value in row] for row in rows], dtype=float)
    assert found == pytest.approx(joblib.load(forest / "model.joblib").predict_proba(inputs)[:, 1], abs=1e-12)


class Held:
    """An estimator that predicts when `go` is set, and notes how many rows it was asked for at once."""

    def __init__(self, estimator: Any) -> None:
        self.go, self.turns = threading.Event(), list[int]()
        self._estimator = estimator

    def predict_proba(self, inputs: Any) -> Any:
        self.turns.append(len(inputs))
        assert self.go.wait(30)
        return self._estimator.predict_proba(inputs)


ROW = (1, None, 40, 3, 1)


def test_a_pickled_estimator_that_takes_too_long_is_a_deadline_exceeded(forest: Path) -> None:
    model = pickled(forest)
    held = model._estimator = Held(model._estimator)

    async def main() -> None:
        now = asyncio.get_running_loop().time()
        late = [asyncio.create_task(model.probabilities([ROW], now + 0.05)) for _ in range(3)]
        kept = asyncio.create_task(model.probabilities([ROW], now + 60))
        failures = await asyncio.gather(*late, return_exceptions=True)  # the loop goes on while the thread predicts
        assert {type(failure) for failure in failures} == {DeadlineExceeded}
        held.go.set()
        assert await kept == held._estimator.predict_proba(np.array([ROW], dtype=float))[:, 1].tolist()

    asyncio.run(main())


def test_more_rows_than_may_wait_for_a_pickled_estimator_are_refused_and_the_others_share_a_turn(forest: Path) -> None:
    model = pickled(forest)
    held = model._estimator = Held(model._estimator)

    async def main() -> None:
        calls = [asyncio.create_task(model.probabilities([ROW], math.inf))]
        while not held.turns:  # noqa: ASYNC110 -- a thread sets them
            await asyncio.sleep(0.01)
        sizes = (900, 1_000, 99)
        calls += [asyncio.create_task(model.probabilities([(n, *ROW[1:])] * n, math.inf)) for n in sizes]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await model.probabilities([ROW], math.inf)
        held.go.set()
        assert [len(found) for found in await asyncio.gather(*calls)] == [1, *sizes]
        assert held.turns == [1, sum(sizes)]
        assert len(await model.probabilities([ROW] * 5_000, math.inf)) == 5_000  # where no other waits

    asyncio.run(main())


def test_a_file_with_another_checksum_is_never_unpickled(forest: Path, tmp_path: Path) -> None:
    artefact = load(forest)
    joblib.dump(Bomb(tmp_path / "executed"), forest / "model.joblib")
    with pytest.raises(ModelRefused, match=r"model\.joblib is not the one"):
        load(forest)
    with pytest.raises(ModelRefused, match=r"model\.joblib is not the one"):  # changed between the check and its use
        PickledModel(artefact)
    assert not (tmp_path / "executed").exists()


def test_loading_tables_never_unpickles(version: Path, tmp_path: Path) -> None:
    joblib.dump(Bomb(tmp_path / "executed"), version / "model.joblib")
    vouch(version)
    load(version)
    assert not (tmp_path / "executed").exists()


def test_a_pickle_that_cannot_be_read_is_refused(forest: Path) -> None:
    (forest / "model.joblib").write_bytes(b"no pickle")
    vouch(forest)
    with pytest.raises(ModelRefused, match="cannot be unpickled"):
        pickled(forest)


def test_another_scikit_learn_is_refused(forest: Path) -> None:
    vouch(forest, libraries=manifest_of(forest)["libraries"] | {"scikit-learn": "0.1"})
    with pytest.raises(ModelRefused, match=r"trained with scikit-learn 0\.1"):
        pickled(forest)


def test_an_estimator_that_predicts_otherwise_is_refused(forest: Path) -> None:
    probes = json.loads((forest / "probes.json").read_text())
    probes[-1]["probability"] += 1e-6
    (forest / "probes.json").write_text(json.dumps(probes))
    vouch(forest)
    with pytest.raises(ModelRefused, match="on its probes"):
        pickled(forest)


def test_an_estimator_may_not_claim_the_rules_of_tables(forest: Path) -> None:
    vouch(forest, missing_rules=dict.fromkeys(FEATURE_NAMES, "missing_cell"))
    with pytest.raises(ModelRefused, match="rules for missing values are those of tables"):
        load(forest)


def write_rows_by_age(file: Path, risk: Callable[[int], float]) -> Path:
    random = np.random.default_rng(3)
    lines = [",".join(["id", *FEATURE_NAMES, "status"])]
    for client_id in range(7, 7 * 1_500, 7):
        age = int(random.integers(20, 90))
        lines.append(f"{client_id},{random.integers(0, 9)},120,{age},3,1,{int(random.random() < risk(age))}")
    file.write_text("\n".join(lines))
    return file


@pytest.mark.parametrize(
    ("params", "risk", "code"),
    [
        ({"max_depth": 3}, lambda age: 0.5 - 0.005 * age, 0),
        ({"max_depth": 3}, lambda age: 0.1 + 0.4 * (age > 70), 0),  # told the direction, it cannot learn that
        ({"max_depth": 3, "monotonic_cst": None}, lambda age: 0.1 + 0.4 * (age > 70), 1),
        ({"max_depth": 3, "monotonic_cst": None}, lambda age: 0.5 - 0.4 * (40 < age < 50), 1),
    ],
)
def test_an_estimator_that_disfavours_the_elderly_becomes_no_version(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], params: dict[str, Any], risk: Callable[[int], float], code: int
) -> None:
    rows = write_rows_by_age(tmp_path / "rows.csv", risk)
    options = ["--model", "sklearn.tree:DecisionTreeClassifier", "--params", json.dumps(params), "--version", "tree"]
    assert (
        train(
            [
                str(rows),
                "--feature-set",
                str(credit_default.FILE),
                "--model-dir",
                str(tmp_path / "m"),
                "--folds",
                "2",
                "--repeats",
                "1",
                *options,
            ]
        )
        == code
    )
    assert ("62 or older" in capsys.readouterr().err) is bool(code)
    assert (tmp_path / "m" / "tree").exists() is not bool(code)


class Awkward:
    """Unpickling it, or asking it, raises what nobody expects."""

    def __init__(self, *, late: bool) -> None:
        self.late = late

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.late = state["late"]
        if not self.late:
            raise ZeroDivisionError

    def predict_proba(self, _: Any) -> Any:
        raise ZeroDivisionError


@pytest.mark.parametrize(("late", "message"), [(False, "cannot be unpickled"), (True, "fails on its probes")])
def test_an_estimator_that_raises_what_it_likes_is_refused(
    forest: Path, monkeypatch: pytest.MonkeyPatch, message: str, *, late: bool
) -> None:
    monkeypatch.setitem(sys.modules, "awkward", sys.modules[__name__])
    monkeypatch.setattr(Awkward, "__module__", "awkward")
    joblib.dump(Awkward(late=late), forest / "model.joblib")
    vouch(forest)
    with pytest.raises(ModelRefused, match=message):
        pickled(forest)


def test_roles_that_are_given_at_once_do_not_mix(tmp_path: Path) -> None:
    names = [f"version-{'x' * number}" for number in range(1, 9)]

    def give(name: str) -> None:
        for _ in range(50):
            give_role(tmp_path, "challenger", name)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(give, names))
    assert version_in_role(tmp_path, "challenger") in names
    assert [entry.name for entry in tmp_path.iterdir()] == ["challenger"]
