"""The feature definitions on edge values, cell by cell: what is read, what is null, what is refused and why."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from db_init.engines.duckdb import DuckDB, open_duckdb
from db_init.feature_sets.reading import read_feature_set
from db_init.feature_sets.stored import SHIPPED, Applied
from db_init.loading.events import pipelines
from db_init.loading.events.parse import parsed as parsed_lines
from db_init.loading.events.parse import source_kinds
from shared_schemas.feature_sets import Source

GOOD = {
    "loan_id": "1", "id": "7", "loan_date": "2020-01-01", "loan_amount": "100", "birthday": "1980-06-15",
    "job_start_date": "2010-03-01", "flag_own_car": "Y", "status": "0",
}  # fmt: skip


SET = read_feature_set(SHIPPED / "credit_default" / "feature_set.toml")
assert SET.source is not None
SOURCE: Source = SET.source
APPLIED = Applied(SET, (), SHIPPED / "credit_default")
LATEST = datetime(2026, 1, 1, tzinfo=UTC)
CALLED = {"id": "__client_id", "loan_id": "__event_id", "loan_date": "__time", "status": "__outcome"}


@pytest.fixture(scope="module")
def engine() -> Iterator[DuckDB]:
    with open_duckdb("200MB") as opened:
        yield opened


def parsed(engine: DuckDB, *lines: Mapping[str, str | None]) -> list[dict[str, Any]]:
    columns = ", ".join(f'"{name}" VARCHAR' for name in GOOD)
    engine.run(f"CREATE OR REPLACE TABLE raw (__line BIGINT, {columns})")
    for number, line in enumerate(lines, 2):
        engine.run(f"INSERT INTO raw VALUES ({', '.join('?' * 9)})", [number, *({**GOOD, **line}).values()])
    table = engine.keep("lines", parsed_lines(engine.table("raw"), SET, SOURCE, LATEST))
    return [dict(zip(table.columns, row, strict=True)) for row in engine.run("FROM lines ORDER BY __line")]


def value(engine: DuckDB, column: str, text: str | None) -> tuple[Any, str | None]:
    [line] = parsed(engine, {column: text})
    return line[CALLED.get(column, column)], line["__reason"]


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
    ("text", "reason"),
    [
        ("3021-09-18", "event_in_future"), ("1899-12-31", "loan_date_out_of_range"), ("1900-01-01", None),
        ("9999-01-01", "loan_date_out_of_range"), ("0001-01-01", "loan_date_out_of_range"), ("0000-01-01", "loan_date_out_of_range"),
    ],
)  # fmt: skip
def test_an_event_lies_between_1900_and_tomorrow(engine: DuckDB, text: str, reason: str | None) -> None:
    assert value(engine, "loan_date", text)[1] == reason


@pytest.mark.parametrize(
    ("text", "day"), [("3021-09-18", date(3021, 9, 18)), ("1899-12-31", None), ("1900-01-01", date(1900, 1, 1))]
)
def test_a_life_begins_in_1900(engine: DuckDB, text: str, day: date | None) -> None:
    assert value(engine, "birthday", text) == (day, None)


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
    assert line["__reason"] == "id_missing"


def features(engine: DuckDB, *lines: dict[str, str]) -> list[dict[str, Any]]:
    parsed(engine, *lines)
    table = engine.table("lines")
    events = engine.keep(
        "events",
        table.select(
            client_id="__client_id", loan_id="__event_id", loan_date="__time", **{n: n for n in source_kinds(SOURCE)}
        ),
    )
    found = engine.keep("features", events.select("loan_id", **pipelines.features(events, APPLIED, SOURCE)))
    return [dict(zip(found.columns, row, strict=True)) for row in engine.run("FROM features ORDER BY loan_id")]


def test_loans_of_one_day_do_not_see_each_other(engine: DuckDB) -> None:
    days = ["2020-01-01", "2020-01-02", "2020-01-02", "2020-01-03"]
    lines = [
        {"loan_id": str(number), "loan_date": day, "loan_amount": str(10**number)} for number, day in enumerate(days)
    ]
    found = features(engine, *lines)
    assert [loan["nb_previous_loans"] for loan in found] == [0, 1, 1, 3]
    assert [loan["avg_amount_loans_previous"] for loan in found] == [None, 1.0, 1.0, 37.0]


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
