"""Spark computes what DuckDB computes, row for row; without it, it is said how to get it."""

import csv
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from db_init.__main__ import main
from db_init.settings import Settings
from loans import Capture, loaded, loan, rows, run, write

TABLES = (
    "SELECT client_id, event_timestamp, event_id, said::text, raw::text, outcome FROM feature_history ORDER BY event_id",
    "SELECT client_id, event_timestamp, v::text, times::text FROM online_features ORDER BY client_id",
    "SELECT source, line, reason, row FROM quarantine ORDER BY source, line",
)

DIRT = {
    "id": ["", "0", "-1", "x", "9223372036854775808", "5008804.0", " 5008804\t", "5008804\u2028"],
    "loan_id": ["", "1.5", "y", "99999999999999999999", "1000.00", "+5"],
    "loan_date": ["", "2021-02-30", "0000-00-00", "0000-01-01", "1850-01-01", "3021-09-18", "2020-01-01T00:00:00Z", "20200101",
                  "0001-01-01", "2020-01-01 \u00a0", "2020-02-29"],
    "loan_amount": ["", "1,000", "NaN", "inf", "-inf", "1e400", "-5", "1e15", "1e14", "1e-9", ".5", "5.", "+7", "0x10", "1e-400",
                    "-0", "123456789.123456789", "0.1", "1d", "1f", "\u0661"],
    "birthday": ["", "2021-02-30", "1899-12-31", "1900-01-01", "3021-09-18", "2000-02-29", "x"],
    "job_start_date": ["", "3021-09-18", "1850-01-01", "not-a-date", "2020-02-29"],
    "flag_own_car": ["", "y", " n ", "Yes", "1", "\u00ff"],
    "status": ["", "0.0", "2", "x", "-1", "1.00"],
}  # fmt: skip


def dirty(file: Path, clients: int) -> Path:
    """Loans of a sample, one line in twenty with dirt in it; lines twice, loans of one id with other content, broken lines."""
    chance = random.Random(5)
    assert main(["sample", "--clients", str(clients), "--seed", "5", "--out", str(file)]) == 0
    with file.open(newline="") as content:
        lines = list(csv.DictReader(content))
    for line in lines:
        if chance.random() < 0.05:
            column = chance.choice(list(DIRT))
            line[column] = chance.choice(DIRT[column])
    for _ in range(len(lines) // 100):
        copied = dict(chance.choice(lines))
        if chance.random() < 0.5:
            copied["loan_amount"] = "77"
        lines.insert(chance.randrange(len(lines)), copied)
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    text = file.read_text().splitlines(keepends=True)
    for _ in range(50):
        number = chance.randrange(1, len(text))
        text[number] = text[number][: chance.randrange(5, 40)] + "\n"
    file.write_text("".join(text))
    return file


def loaded_by_spark(settings: Settings, file: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "db_init", "load", str(file), "--report", "json"]
    done = subprocess.run(
        [*command, "--engine", "spark", "--spark-master", "local[2]"],
        env=os.environ | {"DB_INIT_DATABASE_URL": settings.database_url.get_secret_value()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@pytest.mark.timeout(300)
@pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java")
def test_spark_and_duckdb_agree_row_for_row(settings: Settings, tmp_path: Path, capsys: Capture) -> None:
    whole = dirty(tmp_path / "whole.csv", 4_900)
    lines = whole.read_text().splitlines(keepends=True)
    part = tmp_path / "part.csv"
    part.write_text("".join([lines[0], *lines[1::2]]))
    found: dict[tuple[str, str], list[Any]] = {}
    for engine in ("duckdb", "spark"):
        with psycopg.connect(settings.database_url.get_secret_value()) as connection:
            connection.execute("TRUNCATE feature_history, online_features, quarantine")
        for file in (part, whole):  # the second corrects what the first has stored
            report = loaded(settings, capsys, file) if engine == "duckdb" else loaded_by_spark(settings, file)
            del report["seconds"]
            found[engine, file.name] = [report, *(rows(settings, query) for query in TABLES)]
    for file in (part, whole):
        for one, other in zip(found["duckdb", file.name], found["spark", file.name], strict=True):
            assert one == other
    report = found["spark", "whole.csv"][0]
    assert report["read"] > 100_000
    assert len(report["quarantined"]) >= 12
    assert min(report["dropped"], report["unchanged"], report["loaded"]) > 100


def test_without_spark_one_line_says_how_to_get_it(settings: Settings, loans_file: Path) -> None:
    write(loans_file, [loan(1)])
    absent = (
        "import sys; sys.modules['pyspark'] = None; from db_init.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", absent, "load", str(loans_file), "--engine", "spark"],
        env=os.environ | {"DB_INIT_DATABASE_URL": settings.database_url.get_secret_value()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "The engine Spark is not installed: python -m pip install 'ibis-framework[pyspark]'\n"


def test_without_java_one_line_says_so(
    settings: Settings, loans_file: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert run(settings, "load", write(loans_file, [loan(1)]), "--engine", "spark") == 1
    assert capsys.readouterr().err == "The engine Spark needs Java 17 or newer: install it, or set JAVA_HOME.\n"


@pytest.mark.timeout(120)
@pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java")
def test_a_master_that_is_none_is_one_line(settings: Settings, loans_file: Path) -> None:
    write(loans_file, [loan(1)])
    done = subprocess.run(
        [sys.executable, "-m", "db_init", "load", str(loans_file), "--engine", "spark", "--spark-master", "nonsense"],
        env=os.environ | {"DB_INIT_DATABASE_URL": settings.database_url.get_secret_value()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("Spark does not start with the master nonsense")
    assert "Traceback" not in done.stderr
