"""The command line: usage errors are exit 2 and named, failures are exit 1 and one line."""

import csv
from pathlib import Path

import pyarrow.parquet
import pytest

from db_init.__main__ import main
from db_init.feature_sets.credit_default.population import COLUMNS
from loans import NEEDED

USAGE = {
    "no command": ([], "required: COMMAND"),
    "an unknown command": (["drop"], "invalid choice"),
    "no file": (["load"], "EVENTS --retry-quarantined --recompute is required"),
    "a file and the quarantine": (["load", "x.csv", "--retry-quarantined"], "not allowed with argument EVENTS"),
    "a file and what is stored": (["load", "x.csv", "--recompute"], "not allowed with argument EVENTS"),
    "the quarantine and what is stored": (
        ["load", "--retry-quarantined", "--recompute"],
        "not allowed with argument --retry-quarantined",
    ),
    "an unknown engine": (["load", "x.csv", "--engine", "abacus"], "invalid choice"),
    "a master that is none": (
        ["load", "x.csv", "--engine", "spark", "--spark-master", "nonsense"],
        "'nonsense' is no Spark master",
    ),
    "a master without a port": (
        ["load", "x.csv", "--engine", "spark", "--spark-master", "spark://one"],
        "such as local[2] or spark://",
    ),
    "a master with no such port": (
        ["load", "x.csv", "--engine", "spark", "--spark-master", "spark://one:65536"],
        "is no Spark master",
    ),
    "a time that is none": (["migrate", "--wait", "nan"], "no number of seconds"),
    "a time below 0": (["migrate", "--wait=-1"], "no number of seconds"),
    "no clients": (["sample", "--clients", "0", "--seed", "1", "--out", "x"], "no whole number above 0"),
    "half a client": (["sample", "--clients", "1.5", "--seed", "1", "--out", "x"], "no whole number above 0"),
    "one fold": (["export-training", "x.parquet", "--folds", "1"], "no whole number from 2 to 1000"),
    "a date that is none": (["retain", "--before", "2026"], "no date such as"),
    "a seed below 0": (["sample", "--clients", "1", "--seed=-1", "--out", "x"], "no whole number from 0 on"),
    "a signal that is none": (
        ["sample", "--clients", "1", "--seed", "1", "--out", "x", "--signal", "nan"],
        "'nan' is no finite number",
    ),
    "no seed": (["sample", "--clients", "1", "--out", "x"], "--seed"),
}


@pytest.mark.parametrize("kind", USAGE)
def test_usage_errors_say_what_is_wrong(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    given, message = USAGE[kind]
    with pytest.raises(SystemExit) as stopped:
        main(given)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    ["migrate", "check", "apply", "draft", "load", "import-features", "retain", "sample", "export-training"],
)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    assert f"db_init {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("DB_INIT_DATABASE_URL", None, "Set DB_INIT_DATABASE_URL to postgresql://owner@host/database."),
        ("DB_INIT_DATABASE_URL", "nonsense", "DB_INIT_DATABASE_URL is not the URL of a PostgreSQL database."),
        ("DB_INIT_MEMORY", "much", "Set DB_INIT_MEMORY to a size such as 2GB."),
        ("DB_INIT_WAIT_SECONDS", "-1", "Set DB_INIT_WAIT_SECONDS to another value."),
    ],
)
def test_a_setting_that_cannot_be_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, value: str | None, message: str
) -> None:
    monkeypatch.setenv("DB_INIT_DATABASE_URL", "postgresql://owner@localhost:1/features")
    monkeypatch.delenv(variable, raising=False)
    if value is not None:
        monkeypatch.setenv(variable, value)
    assert main(["load", "loans.csv"]) == 1
    assert capsys.readouterr().err == f"{message}\n"


def test_a_spark_master_goes_with_spark(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("DB_INIT_DATABASE_URL", "postgresql://owner@localhost:1/features")
    with pytest.raises(SystemExit) as stopped:
        main(["load", "loans.csv", "--spark-master", "spark://one:7077"])
    assert stopped.value.code == 2
    assert "--spark-master: goes with --engine spark" in capsys.readouterr().err


def sample(out: Path, seed: int, clients: int = 40) -> Path:
    assert main(["sample", "--clients", str(clients), "--seed", str(seed), "--out", str(out)]) == 0
    return out


def test_a_sample_follows_from_its_seed(tmp_path: Path) -> None:
    first, again, other = (sample(tmp_path / name, seed).read_bytes() for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert first == again != other


def test_both_forms_of_a_sample_hold_the_same_loans(tmp_path: Path) -> None:
    with sample(tmp_path / "a.csv", 5).open(newline="") as content:
        lines = list(csv.DictReader(content))
    table = pyarrow.parquet.read_table(sample(tmp_path / "a.parquet", 5))
    assert list(lines[0]) == table.column_names == list(COLUMNS)
    for name in NEEDED:
        assert [line[name] for line in lines] == [str(cell) for cell in table[name].to_pylist()]


def test_a_sample_has_as_many_clients_as_asked_for(tmp_path: Path) -> None:
    table = pyarrow.parquet.read_table(sample(tmp_path / "a.parquet", 5, clients=123))
    assert len(table["id"].unique()) == 123


def test_more_clients_than_memory_holds_end_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "loans.csv"
    assert main(["sample", "--clients", str(10**15), "--seed", "1", "--out", str(out)]) == 1
    assert capsys.readouterr().err.endswith("There is not enough memory for this. Nothing was changed.\n")
    assert list(tmp_path.iterdir()) == []
