"""Input that is large where it should be small, cut off, of other types, or loaded while something goes wrong."""

import random
import re
import signal
import subprocess
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pyarrow as pa
import pyarrow.parquet
import pytest

from db_init.settings import Settings
from loans import HISTORY, NEEDED, ONLINE, assert_stored, loaded, loading, loan, many, rows, run, write

Capture = pytest.CaptureFixture[str]


def test_fifty_thousand_loans_of_one_client(settings: Settings, loans_file: Path, capsys: Capture) -> None:
    days = [date(2019, 1, 1) + timedelta(number % 700) for number in range(50_000)]
    order = random.Random(1).sample(range(50_000), 50_000)
    report = loaded(settings, capsys, write(loans_file, (loan(1 + n, 7, str(days[n]), str(n % 1_000)) for n in order)))
    assert (report["loaded"], report["clients_changed"]) == (50_000, 1)
    earlier = [n % 1_000 for n in range(50_000) if days[n] < date(2020, 11, 30)]
    [online] = rows(settings, ONLINE)
    assert online[1:3] == (len(earlier), sum(earlier) / len(earlier))
    sums = (
        "SELECT sum((said->>'nb_previous_loans')::integer), count(*) FILTER (WHERE said->>'avg_amount_loans_previous' IS NULL)"
        " FROM feature_history"
    )
    by_day = [days.count(date(2019, 1, 1) + timedelta(day)) for day in range(700)]
    assert rows(settings, sums) == [(sum(by_day[day] * sum(by_day[:day]) for day in range(700)), by_day[0])]


def test_loans_all_on_one_day_do_not_see_each_other(settings: Settings, loans_file: Path, capsys: Capture) -> None:
    loans = [loan(number, 1 + number % 3, birthday=f"19{50 + number}-01-01") for number in range(1, 31)]
    loaded(settings, capsys, write(loans_file, loans))
    assert_stored(settings, loans)
    assert {row[2:4] for row in rows(settings, HISTORY)} == {(0, None)}


@pytest.mark.parametrize("cut", [1, 2, 5, 20, 40])
def test_a_file_that_ends_in_the_middle_of_a_line(
    settings: Settings, loans_file: Path, capsys: Capture, cut: int
) -> None:
    whole = write(loans_file, [loan(1), loan(2), loan(3, flag_own_car="N")]).read_bytes().rstrip()
    loans_file.write_bytes(whole[:-cut])
    report = loaded(settings, capsys, loans_file)
    assert report["read"] == 3
    if cut == 1:  # the status alone is gone, which may be empty
        assert report["loaded"] == 3
        assert rows(settings, "SELECT outcome FROM feature_history WHERE event_id = 3") == [(None,)]
    else:
        assert (report["loaded"], report["quarantined"]) == (2, {"malformed_line": 1})
        assert rows(settings, "SELECT line, row->>'text' FROM quarantine") == [
            (4, whole[:-cut].decode().splitlines()[-1])
        ]


TYPED = {
    "loan_id": [pa.array([1, 2], pa.int32()), pa.array([1.0, 2.0]), pa.array([Decimal(1), Decimal(2)]), pa.array(["1", "2"])],
    "id": [pa.array([7, 8], pa.uint64()), pa.array([7.0, 8.0], pa.float32())],
    "loan_date": [
        pa.array([date(2020, 1, 1), date(2020, 2, 1)]),
        pa.array([datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 2, 1, tzinfo=UTC)]),
        pa.array([datetime(2020, 1, 1), datetime(2020, 2, 1)], pa.timestamp("ns")),  # noqa: DTZ001
    ],
    "loan_amount": [pa.array([100, 50.25]), pa.array([Decimal("100.00"), Decimal("50.25")]), pa.array(["100", "50.25"])],
    "flag_own_car": [pa.array(["Y", "N"]).dictionary_encode(), pa.array(["Y", "N"], pa.large_string())],
    "status": [pa.array([0, 1], pa.int8()), pa.array([0.0, 1.0])],
}  # fmt: skip


@pytest.mark.parametrize(("column", "form"), [(name, form) for name in TYPED for form in range(len(TYPED[name]))])
def test_a_parquet_file_with_other_types_is_read_all_the_same(
    settings: Settings, tmp_path: Path, capsys: Capture, column: str, form: int
) -> None:
    loans = [loan(1, 7), loan(2, 8, "2020-02-01", "50.25", flag_own_car="N", status="1")]
    table = pa.Table.from_pylist(loans)
    file = tmp_path / "loans.parquet"
    pyarrow.parquet.write_table(table.set_column(NEEDED.index(column), column, TYPED[column][form]), file)
    assert loaded(settings, capsys, file)["loaded"] == 2
    assert_stored(settings, loans)


@pytest.mark.parametrize("value", [True, [1], {"a": 1}, b"\xff"])
def test_a_parquet_column_that_cannot_be_meant_is_refused_line_by_line(
    settings: Settings, tmp_path: Path, capsys: Capture, value: Any
) -> None:
    file = tmp_path / "loans.parquet"
    table = pa.Table.from_pylist([loan(1)])
    pyarrow.parquet.write_table(table.set_column(3, "loan_amount", pa.array([value])), file)
    assert loaded(settings, capsys, file)["quarantined"] == {"loan_amount_unreadable": 1}


def test_one_file_loaded_twice_at_once_counts_once(settings: Settings, loans_file: Path) -> None:
    loans = many(500, 1, "2020-01-01")
    write(loans_file, loans)
    with loading(settings, loans_file) as first, loading(settings, loans_file) as second:
        assert [first.wait(), second.wait()] == [0, 0]
    assert_stored(settings, loans)


def seen_at(settings: Settings, statement: str, process: subprocess.Popen[bytes]) -> bool:
    """Whether the loader came to a statement that matches; waits until then or until it has ended."""
    at_work = "SELECT query FROM pg_stat_activity WHERE application_name = 'db_init' AND state <> 'idle'"
    with psycopg.connect(settings.database_url.get_secret_value(), autocommit=True) as connection:
        while process.poll() is None:
            if any(re.search(statement, query) for (query,) in connection.execute(at_work).fetchall()):
                return True
            time.sleep(0.002)  # the loader needs the cores, too
    return False


def test_a_load_that_is_killed_while_it_writes_leaves_the_old_set_or_the_new_one(
    settings: Settings, tmp_path: Path, capsys: Capture
) -> None:
    old, new = many(3_000, 1, "2020-01-01"), many(3_000, 1_000_000, "2020-02-01")
    loaded(settings, capsys, write(tmp_path / "old.csv", old))
    before = rows(settings, ONLINE)
    bad = [loan(5_000_000 + number, amount="-1") for number in range(500)]
    file = write(tmp_path / "new.csv", [*new, *bad])
    seen = []
    for statement in ("COPY touched", "COPY feature_history", "COPY fresh_online", "INSERT INTO online_features"):
        with loading(settings, file) as process:
            seen.append(seen_at(settings, statement, process))
            process.send_signal(signal.SIGKILL)
        if rows(settings, ONLINE) == before:
            assert len(rows(settings, HISTORY)) == len(old)
            assert rows(settings, "SELECT count(*) FROM quarantine") == [(0,)]
        else:
            assert_stored(settings, old + new)
    assert any(seen)
    loaded(settings, capsys, file)
    assert_stored(settings, old + new)
    assert rows(settings, "SELECT count(*) FROM quarantine") == [(500,)]


@pytest.mark.parametrize("out", ["file/rows.parquet", "file/folder/rows.parquet", "folder", "x" * 300 + ".parquet"])
def test_training_rows_that_cannot_be_written_are_one_line_and_exit_1(
    settings: Settings, tmp_path: Path, capsys: Capture, out: str
) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    capsys.readouterr()
    assert run(settings, "export-training", tmp_path / out) == 1
    error = capsys.readouterr().err
    assert error.startswith(str(tmp_path / out))
    assert error.count("\n") == 1


def test_a_name_is_a_name_and_no_pattern_and_folders_are_no_columns(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = write(tmp_path / "loans1.csv", [loan(1, 1), loan(5, 5)])
    meant = write(tmp_path / "loans[12].csv", [loan(2, 2), loan(3, 3)])
    folder = tmp_path / "flag_own_car=N" / "id=999"
    folder.mkdir(parents=True)
    partition = folder / "part.parquet"
    duckdb.sql(
        f"COPY (FROM read_csv('{write(tmp_path / 'plain.csv', [loan(4, 4)])}', all_varchar = true)) TO '{partition}'"
    )
    assert other.exists()
    monkeypatch.chdir(tmp_path)
    for file in (Path("loans[12].csv"), partition):
        assert run(settings, "load", file) == 0
    assert meant.exists()
    found = [(row[0], row[5]) for row in rows(settings, ONLINE)]
    assert [client_id for client_id, _ in found] == [2, 3, 4]
    assert found[-1] == (4, 1)
