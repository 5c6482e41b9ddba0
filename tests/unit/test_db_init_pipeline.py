"""The feature definitions on edge values, cell by cell: what is read, what is null, what is refused and why."""

from collections.abc import Iterator, Mapping
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from db_init import pipeline
from db_init.duckdb_engine import DuckDB, open_duckdb

GOOD = {
    "loan_id": "1", "id": "7", "loan_date": "2020-01-01", "loan_amount": "100", "birthday": "1980-06-15",
    "job_start_date": "2010-03-01", "flag_own_car": "Y", "status": "0",
}  # fmt: skip


@pytest.fixture(scope="module")
def engine() -> Iterator[DuckDB]:
    with open_duckdb("200MB") as opened:
        yield opened


def parsed(engine: DuckDB, *lines: Mapping[str, str | None]) -> list[dict[str, Any]]:
    columns = ", ".join(f'"{name}" VARCHAR' for name in pipeline.NEEDED)
    engine.run(f"CREATE OR REPLACE TABLE raw (line BIGINT, {columns})")
    for number, line in enumerate(lines, 2):
        engine.run(f"INSERT INTO raw VALUES ({', '.join('?' * 9)})", [number, *({**GOOD, **line}).values()])
    table = engine.keep("lines", pipeline.parsed(engine.table("raw")))
    return [dict(zip(table.columns, row, strict=True)) for row in engine.run("FROM lines ORDER BY line")]


def value(engine: DuckDB, column: str, text: str | None) -> tuple[Any, str | None]:
    [line] = parsed(engine, {column: text})
    return line["client_id" if column == "id" else column], line["reason"]


DATES: list[tuple[str | None, date | None]] = [
    ("2020-02-29", date(2020, 2, 29)), ("2021-02-29", None), ("2021-02-30", None), ("0000-00-00", None), ("", None),
    (None, None), ("2020-1-1", None), ("01/02/2020", None), ("20200101", None), (" 2020-01-01 ", date(2020, 1, 1)),
    ("2020-01-01T00:00:00Z", date(2020, 1, 1)), ("2020-01-01 00:00:00", date(2020, 1, 1)), ("2020-01-01T12:00:00Z", None),
    ("2020-01-01x", None), ("not-a-date", None), ("2020-13-01", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "day"), DATES)
def test_dates(engine: DuckDB, text: str | None, day: date | None) -> None:
    absent = "missing" if text is None or not text.strip() else "unreadable"
    assert value(engine, "loan_date", text) == (day, None if day else f"loan_date_{absent}")
    assert value(engine, "birthday", text) == (day, None)
    assert value(engine, "job_start_date", text) == (day, None)


@pytest.mark.parametrize(
    ("text", "loan_date", "birthday"),
    [
        ("3021-09-18", date(3021, 9, 18), date(3021, 9, 18)),
        ("1850-01-01", date(1850, 1, 1), None),
        ("1899-12-31", date(1899, 12, 31), None),
        ("1900-01-01", date(1900, 1, 1), date(1900, 1, 1)),
        ("0000-01-01", None, None),
        ("0001-01-01", date(1, 1, 1), None),
    ],
)
def test_a_life_begins_in_1900_and_a_loan_in_any_year(
    engine: DuckDB, text: str, loan_date: date | None, birthday: date | None
) -> None:
    assert value(engine, "loan_date", text)[0] == loan_date
    assert value(engine, "birthday", text) == (birthday, None)


AMOUNTS: list[tuple[str | None, float | None, str | None]] = [
    ("0", 0.0, None), ("100.5", 100.5, None), (" 7 ", 7.0, None), (".5", 0.5, None), ("5.", 5.0, None), ("+5", 5.0, None),
    ("1e3", 1000.0, None), ("999999999999999", 999999999999999.0, None), ("1e-400", 0.0, None),
    ("", None, "missing"), (None, None, "missing"), ("  ", None, "missing"),
    ("1,000", None, "unreadable"), ("abc", None, "unreadable"), ("0x10", None, "unreadable"), ("1_000", None, "unreadable"),
    ("1 000", None, "unreadable"), ("-", None, "unreadable"), ("\u0661", None, "unreadable"),
    ("NaN", None, "not_finite"), ("-inf", None, "not_finite"), ("Infinity", None, "not_finite"), ("1e400", None, "not_finite"),
    ("-5", -5.0, "negative"), ("-1e-9", -1e-9, "negative"), ("1e15", 1e15, "too_large"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "amount", "reason"), AMOUNTS)
def test_amounts(engine: DuckDB, text: str | None, amount: float | None, reason: str | None) -> None:
    read, why = value(engine, "loan_amount", text)
    assert why == (f"loan_amount_{reason}" if reason else None)
    assert reason == "not_finite" or read == amount


IDS: list[tuple[str | None, int | None]] = [
    ("1", 1), ("1.0", 1), ("007", 7), ("9223372036854775807", 2**63 - 1), ("9223372036854775808", None), ("1.5", None),
    ("-1", None), ("1e3", None), ("x", None), ("", None), (None, None), (" 12 ", 12),
]  # fmt: skip


@pytest.mark.parametrize(("text", "number"), IDS)
def test_ids(engine: DuckDB, text: str | None, number: int | None) -> None:
    absent = "missing" if not text else "unreadable"
    assert value(engine, "id", text) == (number, None if number else f"id_{absent}")
    assert value(engine, "loan_id", text) == (number, None if number else f"loan_id_{absent}")


def test_a_client_has_a_positive_id_and_a_loan_may_be_number_0(engine: DuckDB) -> None:
    assert value(engine, "id", "0") == (0, "id_unreadable")
    assert value(engine, "loan_id", "0") == (0, None)


@pytest.mark.parametrize(
    ("column", "text", "read"),
    [
        ("flag_own_car", "Y", 1), ("flag_own_car", "n", 0), ("flag_own_car", " y ", 1), ("flag_own_car", "1", None),
        ("flag_own_car", "", None), ("flag_own_car", "Yes", None), ("status", "1", 1), ("status", "0.0", 0),
        ("status", "2", None), ("status", "", None), ("status", "X", None),
    ],
)  # fmt: skip
def test_what_is_no_flag_is_null_and_no_reason_to_refuse(
    engine: DuckDB, column: str, text: str, read: int | None
) -> None:
    assert value(engine, column, text) == (read, None)


def test_the_first_of_several_faults_is_the_reason(engine: DuckDB) -> None:
    [line] = parsed(engine, {"id": "", "loan_id": "x", "loan_amount": "-5"})
    assert line["reason"] == "id_missing"


def features(engine: DuckDB, *lines: dict[str, str]) -> list[dict[str, Any]]:
    parsed(engine, *lines)
    judged = pipeline.judged(engine.table("lines").select("line", *pipeline.LOAN_COLUMNS))
    table = engine.keep("features", pipeline.features(engine.keep("judged", judged).drop("verdict")))
    return [dict(zip(table.columns, row, strict=True)) for row in engine.run("FROM features ORDER BY loan_id")]


@pytest.mark.parametrize(
    ("birthday", "loan_date", "age"),
    [
        ("1980-06-15", "2020-06-14", 39), ("1980-06-15", "2020-06-15", 40), ("2000-02-29", "2021-02-28", 20),
        ("2000-02-29", "2021-03-01", 21), ("2020-01-01", "2020-01-01", 0), ("2020-01-02", "2020-01-01", None),
        ("1900-01-01", "2020-01-01", 120), ("3021-09-18", "2020-01-01", None), ("1850-01-01", "2020-01-01", None),
    ],
)  # fmt: skip
def test_ages_are_completed_years(engine: DuckDB, birthday: str, loan_date: str, age: int | None) -> None:
    lives = {"birthday": birthday, "job_start_date": birthday, "loan_date": loan_date}
    [loan] = features(engine, lives)
    assert (loan["age"], loan["years_on_the_job"]) == (age, age)


def test_loans_of_one_day_do_not_see_each_other_and_the_highest_number_is_the_latest(engine: DuckDB) -> None:
    days = ["2020-01-01", "2020-01-02", "2020-01-02", "2020-01-03"]
    lines = [
        {"loan_id": str(number), "loan_date": day, "loan_amount": str(10**number)} for number, day in enumerate(days)
    ]
    found = features(engine, *lines)
    assert [loan["nb_previous_loans"] for loan in found] == [0, 1, 1, 3]
    assert [loan["avg_amount_loans_previous"] for loan in found] == [None, 1.0, 1.0, 37.0]
    assert [loan["latest"] for loan in found] == [False, False, False, True]


def test_means_of_amounts_do_not_depend_on_their_order(engine: DuckDB) -> None:
    amounts = ["1e14", "0.1", "0.2", "0.3", "1e-9"]
    means = set()
    for given in (amounts, amounts[::-1]):
        lines = [{"loan_id": str(number), "loan_amount": amount} for number, amount in enumerate(given)]
        last = features(engine, *lines, {"loan_id": "9", "loan_date": "2020-01-02"})[-1]
        means.add(last["avg_amount_loans_previous"])
    [mean] = means
    assert mean == pytest.approx(float(sum(map(Fraction, amounts)) / 5), rel=3e-16)


def test_folders_of_an_engine_go_with_it() -> None:
    with open_duckdb("100MB") as opened:
        folder: Path = opened.folder
        assert folder.is_dir()
    assert not folder.exists()
