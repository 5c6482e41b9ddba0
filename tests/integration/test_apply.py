"""A feature set in the database: evolution, refusals, two at once, beside a load; a second pipeline with all guarantees."""

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from card_payments import CARDS, payments
from db_init.settings import Settings
from loans import Capture, applied, loading, many, rows, run, write

CURRENT = "SELECT name, digest, retained::text FROM feature_sets WHERE current"
ONLINE = "SELECT client_id, v::text, times::text FROM online_features ORDER BY client_id"
INCOME = '[[feature]]\nname = "income"\ntype = "number"\nunit = "EUR"\ndescription = "Net income."\n'
HOUSING = '[[feature]]\nname = "housing"\ntype = "category"\ncategories = ["own", "rent"]\ndescription = "Home."\n'


def mine(folder: Path, *features: str, name: str = "mine") -> Path:
    file = folder / "mine.toml"
    file.write_text(f'name = "{name}"\n' + "".join(features))
    return file


def imported(settings: Settings, folder: Path, header: str, *lines: str) -> None:
    file = folder / "vectors.csv"
    file.write_text("\n".join([header, *lines, ""]))
    assert run(settings, "import-features", file) == 0


def test_the_same_set_twice_changes_nothing_and_a_new_feature_is_one_line(
    settings: Settings, tmp_path: Path, capsys: Capture
) -> None:
    assert applied(settings, capsys, mine(tmp_path, INCOME))[0] == 0
    before = rows(settings, "SELECT * FROM feature_sets ORDER BY id")
    code, [line] = applied(settings, capsys, mine(tmp_path, INCOME))
    assert (code, line.endswith("was applied already: nothing changes")) == (0, True)
    assert [str(row) for row in rows(settings, "SELECT * FROM feature_sets ORDER BY id")] == [
        str(row) for row in before
    ]
    code, lines = applied(settings, capsys, mine(tmp_path, INCOME, HOUSING))
    assert (code, lines[1:]) == (0, ["  new: housing"])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (INCOME.replace('"number"', '"integer"'), "income: its type changes from number to integer under the same version"),
        (INCOME.replace("EUR", "USD"), "income: its unit changes from 'EUR' to 'USD' under the same version"),
        (HOUSING.replace('"own", ', ""), "housing: the category 'own' is removed under the same version"),
    ],
)  # fmt: skip
def test_a_change_of_meaning_needs_a_raised_version(
    settings: Settings, tmp_path: Path, capsys: Capture, changed: str, said: str
) -> None:
    applied(settings, capsys, mine(tmp_path, INCOME, HOUSING))
    before = rows(settings, CURRENT)
    code, lines = applied(settings, capsys, mine(tmp_path, changed))
    assert (code, lines) == (
        1, ["The set mine cannot be applied:", f"{said}; raise its version, or leave it as it was"]
    )  # fmt: skip
    assert rows(settings, CURRENT) == before


def test_a_raised_version_is_kept_beside_the_old_one_until_it_is_dropped(
    settings: Settings, tmp_path: Path, capsys: Capture
) -> None:
    applied(settings, capsys, mine(tmp_path, INCOME, HOUSING))
    imported(settings, tmp_path, "id,income,housing,status,event_timestamp", "7,1000.5,own,,2020-01-01T00:00:00Z")
    raised = INCOME.replace('type = "number"', 'type = "integer"\nversion = 2')
    code, lines = applied(settings, capsys, mine(tmp_path, raised, HOUSING))
    assert code == 0
    assert lines[1:] == ["  raised: income to version 2; version 1 is served to those who ask for it"]
    [(_, _, retained)] = rows(settings, CURRENT)
    assert [one["name"] for one in json.loads(retained)] == ["income"]
    imported(settings, tmp_path, "id,income,housing,status,event_timestamp", "7,900,rent,,2020-02-01T00:00:00Z")
    [(_, said, _)] = rows(settings, ONLINE)
    assert json.loads(said) == {"income": 1000.5, "income@2": 900, "housing": "rent"}
    assert applied(settings, capsys, mine(tmp_path, raised, HOUSING), "--drop")[0] == 0
    [(_, said, _)] = rows(settings, ONLINE)
    assert json.loads(said) == {"income@2": 900, "housing": "rent"}
    assert [row[2] for row in rows(settings, CURRENT)] == ["[]"]


def test_another_set_needs_a_database_without_events(settings: Settings, tmp_path: Path, capsys: Capture) -> None:
    applied(settings, capsys, mine(tmp_path, INCOME))
    assert applied(settings, capsys, mine(tmp_path, INCOME, name="other"))[0] == 0
    imported(settings, tmp_path, "id,income,status", "7,1,")
    code, [line] = applied(settings, capsys, mine(tmp_path, INCOME))
    assert (code, line) == (
        1, "This database holds events of the feature set other; mine needs a database of its own."
    )  # fmt: skip


@pytest.mark.parametrize("file", ["champion", "current"])  # the latter in folders of older releases
def test_what_the_champion_reads_is_not_dropped_without_force(
    settings: Settings, tmp_path: Path, capsys: Capture, file: str
) -> None:
    applied(settings, capsys, mine(tmp_path, INCOME, HOUSING))
    (tmp_path / "models" / "v1").mkdir(parents=True)
    (tmp_path / "models" / file).write_text("v1\n")
    (tmp_path / "models" / "v1" / "manifest.json").write_text('{"inputs": [{"name": "income", "version": 1}]}')
    options = ("--model-dir", tmp_path / "models")
    code, [line] = applied(settings, capsys, mine(tmp_path, HOUSING), *options)
    assert code == 1
    assert line.startswith("The running champion reads income (version 1).")
    assert applied(settings, capsys, mine(tmp_path, HOUSING), *options, "--force")[0] == 0


def test_categories_and_names_that_are_awkward_arrive_as_they_are(
    settings: Settings, tmp_path: Path, capsys: Capture
) -> None:
    awkward = ["it's", 'a, "b"', "two\nlines", "null", "NaN", "x" * 1_000]
    categories = ", ".join(json.dumps(one) for one in awkward)
    texts = f'[[feature]]\nname = "select"\ntype = "category"\ncategories = [{categories}]\ndescription = "x"\n'
    assert applied(settings, capsys, mine(tmp_path, texts))[0] == 0
    file = tmp_path / "vectors.csv"
    with file.open("w", newline="") as out:
        csv.writer(out).writerows([["id", "select", "status"], *([n, one, ""] for n, one in enumerate(awkward, 1))])
        csv.writer(out).writerows([[90, "other", ""], [91, "y" * 1_000_000, ""]])
    assert run(settings, "import-features", file) == 0
    assert [row[0] for row in rows(settings, 'SELECT "select" FROM mine_features ORDER BY client_id')] == awkward
    assert rows(settings, "SELECT line, reason FROM quarantine ORDER BY line") == [
        (9, "category_unknown"), (10, "malformed_line")  # a cell of a megabyte
    ]  # fmt: skip


def test_two_applies_at_once_leave_one_of_the_sets_whole(settings: Settings, tmp_path: Path) -> None:
    files = [tmp_path / "a" / "mine.toml", tmp_path / "b" / "mine.toml"]
    for file, features in zip(files, ([INCOME], [INCOME, HOUSING]), strict=True):
        file.parent.mkdir()
        mine(file.parent, *features)
    with ThreadPoolExecutor() as together:
        codes = list(together.map(lambda file: _in_a_process(settings, file), files))
    assert codes == [0, 0]
    [(document,)] = rows(settings, "SELECT document::text FROM feature_sets WHERE current")
    names = [one["name"] for one in json.loads(document)["feature"]]
    assert names in (["income"], ["income", "housing"])
    assert len(rows(settings, "SELECT FROM feature_sets WHERE name = 'mine'")) == 2


def _in_a_process(settings: Settings, file: Path) -> int:
    environment = os.environ | {"DB_INIT_DATABASE_URL": settings.database_url.get_secret_value()}
    return subprocess.run([sys.executable, "-m", "db_init", "apply", file], env=environment, check=False).returncode


def test_a_set_applied_while_a_load_runs_waits_for_it(settings: Settings, tmp_path: Path, capsys: Capture) -> None:
    shipped = Path(__file__).parents[2] / "db_init/src/db_init/feature_sets/credit_default"
    shutil.copy(shipped / "pipeline.py", tmp_path)
    file = tmp_path / "feature_set.toml"
    file.write_text((shipped / "feature_set.toml").read_text() + "\n" + INCOME)
    loans = write(tmp_path / "loans.csv", many(500, 1, "2020-01-01"))
    with loading(settings, loans) as process:
        with psycopg.connect(settings.database_url.get_secret_value(), autocommit=True) as connection:
            while not connection.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'").fetchone():
                assert process.poll() is None
                time.sleep(0.005)
        code, lines = applied(settings, capsys, file)
        assert (code, process.wait()) == (0, 0)
    assert "  new: income" in lines
    assert rows(settings, "SELECT count(*) FROM online_features") == [(500,)]


def test_a_pipeline_that_returns_an_unknown_category_changes_nothing(
    settings: Settings, tmp_path: Path, capsys: Capture
) -> None:
    shutil.copy(CARDS / "cards.toml", tmp_path)
    (tmp_path / "pipeline.py").write_text("def features(events):\n    return {'shop': events.shop}\n")
    assert applied(settings, capsys, tmp_path / "cards.toml")[0] == 0
    line = (1, 7, "2020-01-01T10:00:00Z", "1", "toys", "", "")
    assert run(settings, "load", payments(tmp_path / "payments.csv", [line])) == 1
    assert "returns 1 values outside the categories of shop. Nothing was changed." in capsys.readouterr().err
    assert rows(settings, "SELECT event_id FROM feature_history") == []
