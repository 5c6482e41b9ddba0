"""Spark computes what DuckDB computes, row for row; without it, it is said how to get it."""

import csv
import json
import os
import random
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from card_payments import CARDS, payment, payments
from credit_default import beside_another_pipeline
from db_init.__main__ import main
from db_init.engines.duckdb import open_duckdb
from db_init.engines.spark import open_spark
from db_init.settings import Settings
from loans import Capture, applied, loaded, loan, recomputed, rows, run, write
from running import free_port
from spark_cluster import MISSING, standalone

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


GOOD_BY_NOW = "UPDATE quarantine SET row = jsonb_set(row, '{loan_amount}', '\"77\"') WHERE reason LIKE 'loan_amount%'"


BY_SPARK = ("--engine", "spark", "--spark-master")
"""All loads in this process share one Java, which has been slow once."""


def in_a_process(settings: Settings, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A load by Spark, as a command."""
    return subprocess.run(
        [sys.executable, "-m", "db_init", "load", *map(str, arguments), "--engine", "spark"],
        env=os.environ | {"DB_INIT_DATABASE_URL": settings.database_url.get_secret_value()},
        capture_output=True,
        text=True,
        check=False,
    )


def halves(folder: Path, clients: int) -> tuple[Path, Path]:
    """Every second line of a dirty file, and all of it, which corrects what the half has stored."""
    whole = dirty(folder / "whole.csv", clients)
    lines = whole.read_text().splitlines(keepends=True)
    part = folder / "part.csv"
    part.write_text("".join([lines[0], *lines[1::2]]))
    return part, whole


def found(settings: Settings, report: dict[str, Any]) -> list[Any]:
    """All that a load has left behind."""
    return [report | {"seconds": 0}, *(rows(settings, query) for query in TABLES)]


def emptied(settings: Settings) -> None:
    with psycopg.connect(settings.database_url.get_secret_value()) as connection:
        connection.execute("TRUNCATE feature_history, online_features, quarantine")


@pytest.mark.skipif(MISSING is not None, reason=str(MISSING))
def test_spark_and_duckdb_agree_row_for_row(settings: Settings, tmp_path: Path, capsys: Capture) -> None:
    part, whole = halves(tmp_path, 4_900)
    by_duckdb = [found(settings, loaded(settings, capsys, file)) for file in (part, whole)]
    emptied(settings)
    by_spark = [found(settings, loaded(settings, capsys, file, *BY_SPARK, "local[2]")) for file in (part, whole)]
    for one, other in zip(by_duckdb, by_spark, strict=True):
        for expected, made in zip(one, other, strict=True):
            assert expected == made
    report = by_spark[1][0]
    assert report["read"] > 100_000
    assert len(report["quarantined"]) >= 12
    assert min(report["dropped"], report["unchanged"], report["loaded"]) > 100


@pytest.mark.skipif(MISSING is not None, reason=str(MISSING))
def test_a_cluster_and_duckdb_agree_row_for_row(settings: Settings, tmp_path: Path, capsys: Capture) -> None:
    part, whole = halves(tmp_path, 150)
    loaded(settings, capsys, part)
    expected = found(settings, loaded(settings, capsys, whole))
    emptied(settings)
    loaded(settings, capsys, part)
    with standalone(tmp_path) as cluster:
        done = in_a_process(settings, whole, "--spark-master", cluster.master, "--report", "json")
        assert done.returncode == 0, done.stderr
        made = found(settings, json.loads(done.stdout))
        assert [len(list(worker.glob("app-*"))) for worker in cluster.folders] == [1, 1]
    for one, other in zip(expected, made, strict=True):
        assert one == other
    assert min(made[0][key] for key in ("loaded", "unchanged")) > 1_000
    assert len(made[0]["quarantined"]) >= 12


@pytest.mark.skipif(MISSING is not None, reason=str(MISSING))
def test_spark_takes_lines_out_of_quarantine_and_computes_anew_as_duckdb_does(
    settings: Settings, tmp_path: Path, capsys: Capture
) -> None:
    whole, changed = dirty(tmp_path / "whole.csv", 150), beside_another_pipeline(tmp_path)
    made = []
    for options in ((), (*BY_SPARK, "local[1]")):
        emptied(settings)
        loaded(settings, capsys, whole)
        with psycopg.connect(settings.database_url.get_secret_value()) as connection:
            connection.execute(GOOD_BY_NOW)
        tried = found(settings, loaded(settings, capsys, "--retry-quarantined", *options))
        anew = found(settings, recomputed(settings, capsys, "--feature-set", changed, *options))
        made.append([*tried, *anew])
    for one, other in zip(*made, strict=True):
        assert one == other
    assert made[1][4]["events_changed"] > 1_000
    assert made[1][0]["loaded"] > 0
    assert sum(made[1][0]["quarantined"].values()) > 0


@pytest.mark.skipif(MISSING is not None, reason=str(MISSING))
def test_a_master_that_does_not_answer_is_one_line(settings: Settings, loans_file: Path) -> None:
    write(loans_file, [loan(1)])
    master = f"spark://127.0.0.1:{free_port()}"
    done = in_a_process(settings, loans_file, "--spark-master", master)
    assert done.returncode == 1
    assert done.stderr == f"No Spark master answers at {master}: check the address, and that it runs.\n"


@pytest.mark.skipif(MISSING is not None, reason=str(MISSING))
def test_spark_and_duckdb_write_each_number_and_text_alike(tmp_path: Path) -> None:
    chance = random.Random(5)
    numbers = [struct.unpack("d", struct.pack("Q", chance.getrandbits(64)))[0] for _ in range(20_000)]
    numbers += [chance.random() * 10.0**power for power in range(-8, 24) for _ in range(100)]
    numbers += [sign * 10.0**power for power in range(-323, 309) for sign in (1, -1)]
    numbers += [place * 5e-324 for place in range(1_000)] + [-0.0, 2e-3, 8.41e21, 2e23, 9007199254740993.0]
    texts = [chr(mark) for mark in range(1, 0x3000)] + ["", "[]", '"]', "\\'", "\U0001f600"]
    file = tmp_path / "given.csv"
    with file.open("w", newline="") as out:
        lines = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC)
        lines.writerows([place, number, texts[place % len(texts)]] for place, number in enumerate(numbers))
    written = []
    for opening in (open_duckdb("1GB"), open_spark("1GB", "local[1]")):
        with opening as engine:
            engine.from_csv("given", file, {"place": "BIGINT", "number": "DOUBLE", "words": "VARCHAR"})
            number, text = (engine.dialect.json_value(*value) for value in (("number", "number"), ("words", "text")))
            engine.make("said", f"SELECT place, {number} AS number, {text} AS words FROM given")
            written.append(sorted(engine.ask("SELECT place, number, words FROM said")))
    by_duckdb, by_spark = written
    assert [(one, other) for one, other in zip(by_duckdb, by_spark, strict=True) if one != other] == []
    assert len(by_spark) == len(numbers)


EVENTS = "SELECT event_id, said::text FROM feature_history WHERE event_id IS NOT NULL ORDER BY event_id"
ONLINE = "SELECT client_id, v::text, times::text FROM online_features ORDER BY client_id"
PAYMENTS = [payment(1, "2020-01-01T10:00:00Z", "1.1"), payment(2, "2020-03-01T10:00:00Z", "2.2"),
            payment(3, "2020-05-01T10:00:00Z", "3.3")]  # fmt: skip
LATE = [payment(4, "2020-02-01T10:00:00Z", "4.4"), payment(5, "2020-02-01T10:00:00Z", "-1"),
        payment(1, "2020-01-01T10:00:00Z", "9.9"), payment(6, "2020-13-01T10:00:00Z"), payment(7, "2999-01-01T10:00:00Z")]  # fmt: skip


@pytest.mark.parametrize("engine", ["duckdb", "spark"])
def test_card_payments_have_every_guarantee_of_loans(
    settings: Settings, tmp_path: Path, capsys: Capture, engine: str
) -> None:
    if engine == "spark" and MISSING is not None:
        pytest.skip(MISSING)
    options = (*BY_SPARK, "local[1]") if engine == "spark" else ("--engine", engine)
    assert applied(settings, capsys, CARDS / "cards.toml")[0] == 0
    first, late = payments(tmp_path / "first.csv", PAYMENTS), payments(tmp_path / "late.csv", LATE)
    assert loaded(settings, capsys, first, *options)["loaded"] == 3
    report = loaded(settings, capsys, late, *options)
    assert report["loaded"] == 1
    assert report["quarantined"] == {
        "amount_negative": 1, "payment_conflict": 1, "paid_at_unreadable": 1, "event_in_future": 1
    }  # fmt: skip
    spent = [
        (event, json.loads(said)["payments"], json.loads(said)["spent_90_days"])
        for event, said in rows(settings, EVENTS)
    ]
    assert spent == [(1, 0, None), (2, 2, 5.5), (3, 3, 6.6), (4, 1, 1.1)]
    stored = [rows(settings, query) for query in (EVENTS, ONLINE, "SELECT line, reason FROM quarantine ORDER BY line")]
    again = loaded(settings, capsys, late, *options)
    assert (again["loaded"], again["unchanged"], again["clients_changed"]) == (0, 1, 0)
    assert [
        rows(settings, query) for query in (EVENTS, ONLINE, "SELECT line, reason FROM quarantine ORDER BY line")
    ] == stored


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
