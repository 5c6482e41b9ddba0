"""Training rows: nothing of them was known after their loan, and folds divide no person."""

import itertools
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow.parquet
import pytest

from credit_default import NAMES as FEATURE_NAMES
from db_init.__main__ import main
from db_init.settings import Settings
from loans import Loan, loaded, loan, rows, run, write
from prediction_service.training.data import persons_of

Capture = pytest.CaptureFixture[str]
Row = dict[str, Any]


def exported(settings: Settings, out: Path, *options: object) -> list[Row]:
    assert run(settings, "export-training", out, *options) == 0
    table: list[Row] = pyarrow.parquet.read_table(out).to_pylist()
    return table


EARLY = [loan(number, 7 + number % 2, f"2020-0{number}-01", str(10 * number)) for number in range(1, 7)]


@pytest.mark.parametrize(
    "changes",
    [
        {"loan_amount": "9999"},
        {"birthday": "1950-01-01"},
        {"job_start_date": "2019-12-31"},
        {"flag_own_car": "N"},
        {"status": "1"},
    ],
)
def test_what_becomes_known_after_a_loan_does_not_change_its_row(
    settings: Settings, tmp_path: Path, loans_file: Path, capsys: Capture, changes: Loan
) -> None:
    out = tmp_path / "rows.parquet"
    loaded(settings, capsys, write(loans_file, EARLY))
    before = exported(settings, out)
    later = [loan(100 + number, 7 + number % 2, f"2020-0{7 + number}-01") | changes for number in range(3)]
    loaded(settings, capsys, write(loans_file, later))
    imported = "id,nb_previous_loans,avg_amount_loans_previous,age,years_on_the_job,flag_own_car,status,event_timestamp"
    loans_file.write_text(f"{imported}\n7,99,99,99,99,0,1,2025-01-01\n8,99,99,99,99,0,1,2025-01-01\n")
    assert run(settings, "import-features", loans_file) == 0
    after = exported(settings, out)
    assert [row for row in after if row["loan_id"] in {one["loan_id"] for one in before}] == before
    assert len(after) == len(before) + 5
    newest = [row for row in after if row["loan_id"] == 102]
    assert newest[0]["nb_previous_loans"] == 4


def test_a_loan_that_comes_late_enters_the_rows_after_it_alone(
    settings: Settings, tmp_path: Path, loans_file: Path, capsys: Capture
) -> None:
    out = tmp_path / "rows.parquet"
    loaded(settings, capsys, write(loans_file, EARLY))
    before = {row["loan_id"]: row for row in exported(settings, out)}
    loaded(settings, capsys, write(loans_file, [loan(50, 8, "2020-03-01", "1000")]))
    after = {row["loan_id"]: row for row in exported(settings, out)}
    assert {number for number, row in before.items() if after[number] != row} == {5}


def test_the_rows_are_the_same_whether_later_loans_exist_or_not(
    settings: Settings, tmp_path: Path, loans_file: Path, capsys: Capture
) -> None:
    assert main(["sample", "--clients", "60", "--seed", "4", "--out", str(loans_file)]) == 0
    loaded(settings, capsys, loans_file)
    everything = exported(settings, tmp_path / "all.parquet")
    header, *lines = loans_file.read_text().splitlines()
    day = header.replace('"', "").split(",").index("loan_date")
    known = [line for line in lines if line.replace('"', "").split(",")[day] < "2020-01-01"]
    loans_file.write_text("\n".join([header, *known]))
    with psycopg.connect(settings.database_url.get_secret_value()) as connection:
        connection.execute("TRUNCATE feature_history, online_features, quarantine")
    loaded(settings, capsys, loans_file)
    then = exported(settings, tmp_path / "then.parquet")
    assert then == [row for row in everything if str(row["event_timestamp"]) < "2020-01-01"]
    assert 0 < len(then) < len(everything)


@pytest.fixture
def sampled(settings: Settings, loans_file: Path, capsys: Capture) -> Path:
    assert main(["sample", "--clients", "1200", "--seed", "6", "--out", str(loans_file)]) == 0
    loaded(settings, capsys, loans_file)
    return loans_file


def folds_of(table: list[Row], key: Any) -> dict[Any, set[int]]:
    folds = defaultdict(set)
    for row in table:
        folds[key(row)].add(row["fold"])
    return folds


@pytest.mark.parametrize("which", ["all", "last"])
def test_no_person_has_rows_in_two_folds(settings: Settings, sampled: Path, tmp_path: Path, which: str) -> None:
    table = exported(settings, tmp_path / "rows.parquet", "--folds", 5, "--rows", which)
    columns = [np.array([row[name] for row in table], dtype=float) for name in FEATURE_NAMES]
    persons = persons_of(np.array([row["client_id"] for row in table]), np.column_stack(columns))
    for row, person in zip(table, persons, strict=True):
        row["person"] = person
    assert max(len(folds) for folds in folds_of(table, lambda row: row["person"]).values()) == 1
    assert max(len(folds) for folds in folds_of(table, lambda row: row["client_id"]).values()) == 1
    sizes = np.bincount([row["fold"] for row in table], minlength=5)
    assert len(sizes) == 5
    assert min(sizes) > 0.1 * len(table)
    # The sample tells a person by these, whatever the dates of its ids' last loans; dirt in a cell may hide it.
    known = rows(settings, "SELECT DISTINCT ON (client_id) client_id, raw->>'birthday', raw->>'job_start_date', raw->>'flag_own_car'"
        " FROM feature_history WHERE outcome IS NOT NULL ORDER BY client_id, event_timestamp DESC, event_id DESC")  # fmt: skip
    fold = {row["client_id"]: row["fold"] for row in table}
    beside = [(a, b) for a, b in itertools.pairwise(known) if a[1:] == b[1:] and a[1] and b[0] - a[0] <= 5]
    assert len(beside) > 300
    assert all(fold[a[0]] == fold[b[0]] for a, b in beside)


def test_folds_follow_from_their_seed(settings: Settings, sampled: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.parquet"
    first, again, other, without = (
        exported(settings, out, *options) for options in (["--folds", 3], ["--folds", 3], ["--folds", 3, "--seed", 1], [])
    )  # fmt: skip
    assert first == again
    assert [row["fold"] for row in first] != [row["fold"] for row in other]
    assert [{name: row[name] for name in row if name != "fold"} for row in first] == without


def test_persons_are_those_of_training_where_the_data_is_the_same(
    settings: Settings, loans_file: Path, tmp_path: Path, capsys: Capture
) -> None:
    """Vectors without dates of a life: gaps of ids, equal and unequal traits, missing and impossible values."""
    random = np.random.default_rng(3)
    ids = np.cumsum(random.integers(1, 8, 400))
    traits = [
        (33, 2, 1),
        (33, 2, 0),
        (33, "", 1),
        (0, 2, 1),
        ("", 2, 1),
        (150, 2, 1),
        (34, -1, 1),
        (34, "", 1),
        (33, 2, ""),
    ]
    given = [traits[number] for number in random.choice(len(traits), 400).repeat(2)[:400]]
    header = "id,nb_previous_loans,avg_amount_loans_previous,age,years_on_the_job,flag_own_car,status"
    lines = [f"{number},1,1,{age},{tenure},{car},0" for number, (age, tenure, car) in zip(ids, given, strict=True)]
    loans_file.write_text("\n".join([header, *lines]))
    assert run(settings, "import-features", loans_file) == 0
    table = exported(settings, tmp_path / "rows.parquet", "--folds", 1000 // 5)
    stored = np.array([[row[name] for name in FEATURE_NAMES] for row in table], dtype=float)
    impossible = (stored < 0) | (stored > 100) | ((stored == 0) & (np.array(FEATURE_NAMES) == "age"))
    persons = persons_of(np.array([row["client_id"] for row in table]), np.where(impossible, np.nan, stored))
    changes = np.flatnonzero(np.diff(persons))
    fold = np.array([row["fold"] for row in table])
    assert all(len(set(fold[persons == person])) == 1 for person in np.unique(persons))
    assert np.mean(fold[changes] != fold[changes + 1]) > 0.95  # another person has another fold but by chance


def test_more_folds_than_persons_are_refused(
    settings: Settings, loans_file: Path, tmp_path: Path, capsys: Capture
) -> None:
    loaded(settings, capsys, write(loans_file, [loan(1, 7), loan(2, 8), loan(3, 20)]))
    out = tmp_path / "rows.parquet"
    assert {row["fold"] for row in exported(settings, out, "--folds", 2)} <= {0, 1}
    out.unlink()
    assert run(settings, "export-training", out, "--folds", 3) == 1
    assert capsys.readouterr().err == "The rows are of 2 persons: too few for 3 folds.\n"
    assert not out.exists()
