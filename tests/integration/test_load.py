"""Loading, against a real PostgreSQL: are the features right, and is nothing lost, mixed or left behind?"""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet
import pytest

from db_init.__main__ import main
from db_init.feature_sets.credit_default.population import COLUMNS
from db_init.settings import Settings
from loans import (
    HISTORY,
    NEEDED,
    ONLINE,
    assert_stored,
    loaded,
    loading,
    loan,
    many,
    rows,
    run,
    write,
)


def test_features_follow_their_definitions(
    settings: Settings, loans_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loans = [
        loan(1, day="2020-03-01", amount="10"), loan(2, day="2020-01-01", amount="20"), loan(3, day="2020-03-01", amount="30"),
        loan(4, 8, birthday="2000-02-29", job_start_date="3021-09-18", flag_own_car="N"),
        loan(5, 9, birthday="0000-00-00", job_start_date="2021-02-30", flag_own_car="", status="1"),
        loan(6, 10, birthday="1850-01-01", job_start_date="not-a-date", flag_own_car="maybe", status="x"),
        loan(7, 11, birthday="2020-06-01"),
    ]  # fmt: skip
    assert loaded(settings, capsys, write(loans_file, loans))["loaded"] == 7
    assert_stored(settings, loans)
    assert rows(settings, ONLINE)[0][1:3] == (1, 20.0)


def test_the_same_load_twice_changes_nothing(
    settings: Settings, loans_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(loans_file, [loan(1), loan(2, 8), loan(2, 8), loan(3, amount="-1")])
    loaded(settings, capsys, loans_file)
    everything = "SELECT xmin::text, ctid::text, {}::text FROM {} ORDER BY 2"
    tables = ("feature_history", "online_features", "quarantine")
    before = [rows(settings, everything.format(name, name)) for name in tables]
    report = loaded(settings, capsys, loans_file)
    assert [rows(settings, everything.format(name, name)) for name in tables] == before
    assert (report["loaded"], report["unchanged"], report["clients_changed"]) == (0, 3, 0)


REFUSED = [
    ({"id": ""}, "id_missing"), ({"id": "x"}, "id_unreadable"), ({"id": "-4"}, "id_unreadable"), ({"id": "0"}, "id_unreadable"),
    ({"id": "9223372036854775808"}, "id_unreadable"), ({"loan_id": ""}, "loan_id_missing"), ({"loan_id": "1.5"}, "loan_id_unreadable"),
    ({"loan_date": ""}, "loan_date_missing"), ({"loan_date": "2021-02-30"}, "loan_date_unreadable"),
    ({"loan_date": "0000-00-00"}, "loan_date_unreadable"), ({"loan_date": "01/02/2020"}, "loan_date_unreadable"),
    ({"loan_amount": ""}, "loan_amount_missing"), ({"loan_amount": "1,000"}, "loan_amount_unreadable"),
    ({"loan_amount": "abc"}, "loan_amount_unreadable"), ({"loan_amount": "-5"}, "loan_amount_negative"),
    ({"loan_amount": "NaN"}, "loan_amount_not_finite"), ({"loan_amount": "inf"}, "loan_amount_not_finite"),
    ({"loan_amount": "1e400"}, "loan_amount_not_finite"), ({"loan_amount": "1e15"}, "loan_amount_too_large"),
]  # fmt: skip


def test_lines_that_cannot_be_loaded_are_kept_with_their_line_and_reason(
    settings: Settings, loans_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [loan(1), *(loan(10 + number) | change for number, (change, _) in enumerate(REFUSED)), loan(2)]
    report = loaded(settings, capsys, write(loans_file, lines))
    assert report["loaded"] == 2
    kept = rows(settings, "SELECT line, reason, row FROM quarantine ORDER BY line")
    assert [(line, reason) for line, reason, _ in kept] == [(3 + n, reason) for n, (_, reason) in enumerate(REFUSED)]
    for (_, _, row), (change, _) in zip(kept, REFUSED, strict=True):
        for column, text in change.items():
            assert (row[column] or "") == text


def test_a_loan_id_with_other_content_is_refused_whoever_came_first(
    settings: Settings, loans_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = loaded(settings, capsys, write(loans_file, [loan(1), loan(1), loan(1, amount="5"), loan(1, 8)]))
    assert (report["loaded"], report["dropped"], report["quarantined"]) == (1, 1, {"loan_id_conflict": 2})
    report = loaded(settings, capsys, write(loans_file, [loan(1, 9), loan(1, amount="100.0")]))
    assert (report["unchanged"], report["quarantined"]) == (1, {"loan_id_conflict": 1})
    assert_stored(settings, [loan(1)])


def test_a_broken_line_is_kept_and_those_after_it_have_their_numbers(
    settings: Settings, loans_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(loans_file, [loan(1), loan(2), loan(3), loan(4, amount="bad")])
    lines = loans_file.read_text().splitlines()
    lines[2] = lines[2].rsplit(",", 2)[0]
    lines.append(lines[3].replace("3", "5", 1)[:9])
    loans_file.write_text("\n".join(lines))
    report = loaded(settings, capsys, loans_file)
    assert (report["read"], report["loaded"]) == (5, 2)
    assert rows(settings, "SELECT line, reason FROM quarantine ORDER BY line") == [
        (3, "malformed_line"), (5, "loan_amount_unreadable"), (6, "malformed_line"),
    ]  # fmt: skip


@pytest.mark.parametrize("form", ["crlf", "bom", "quoted", "more columns", "parquet", "typed parquet"])
def test_every_usual_form_of_a_file_is_read(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    loans = [loan(1, amount="10.5"), loan(2, day="2020-02-01"), loan(3, 8, job_start_date="3021-09-18")]
    file = write(tmp_path / "loans.csv", loans)
    if form == "crlf":
        file.write_bytes(file.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    elif form == "bom":
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    elif form == "quoted":
        with file.open("w", newline="") as out:
            csv.writer(out, quoting=csv.QUOTE_ALL).writerows([NEEDED, *(one.values() for one in loans)])
    elif form == "more columns":
        with file.open("w", newline="") as out:
            writer = csv.DictWriter(out, COLUMNS, restval="x, y")
            writer.writeheader()
            writer.writerows(loans)
    else:
        file = tmp_path / "loans.parquet"
        table = pa.Table.from_pylist(loans)
        if form == "typed parquet":
            kinds = {"loan_id": pa.int64(), "id": pa.float64(), "loan_amount": pa.float64(), "status": pa.int8()}
            for name, kind in kinds.items():
                table = table.set_column(NEEDED.index(name), name, table[name].cast(kind))
            days = table["loan_date"].cast(pa.timestamp("us"))
            table = table.set_column(NEEDED.index("loan_date"), "loan_date", days)
        pa.parquet.write_table(table, file)
    assert loaded(settings, capsys, file)["loaded"] == 3
    assert_stored(settings, loans)


def _header(*names: str, delimiter: str = ",") -> bytes:
    return delimiter.join(names).encode() + b"\n"


BAD_FILES: dict[str, tuple[bytes | None, str]] = {
    "missing": (None, "There is no file"),
    "empty": (b"", "is empty"),
    "without columns": (_header("loan_id", "id", "status"), "lacks the column(s) loan_date, loan_amount, birthday"),
    "semicolons": (_header(*NEEDED, delimiter=";"), "divided by `;`"),
    "tabs": (_header(*NEEDED, delimiter="\t"), "divided by a tab"),
    "a million columns": (_header(*(f"c{n}" for n in range(1_000_000))), "longer than"),
    "twenty thousand columns": (_header(*(f"c{n}" for n in range(20_000))), "20,000 columns"),
    "a column twice": (_header(*NEEDED, "id"), "id twice"),
    "another encoding": ("prénom,".encode("latin-1") + _header(*NEEDED), "not UTF-8"),
    "no Parquet": (b"PAR0 nonsense", "cannot be read as Parquet"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_file_that_cannot_be_used_is_explained(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    content, message = BAD_FILES[kind]
    file = tmp_path / ("loans.parquet" if kind == "no Parquet" else "loans.csv")
    if content is not None:
        file.write_bytes(content)
    for command in ("load", "import-features") if kind != "a column twice" else ("load",):
        assert run(settings, command, file) == 1
        error = capsys.readouterr().err
        assert (message if kind != "without columns" else "lacks the column(s)") in error
        assert "Traceback" not in error
    assert rows(settings, HISTORY) == []


def test_a_folder_and_an_absent_database_are_explained(
    settings: Settings, tmp_path: Path, loans_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(settings, "load", tmp_path) == 1
    assert "is a folder" in capsys.readouterr().err
    write(loans_file, [loan(1)])
    os.environ["DB_INIT_DATABASE_URL"] = f"postgresql://nobody@/nothing?host={tmp_path}"
    assert main(["load", str(loans_file)]) == 1
    assert "does not answer" in capsys.readouterr().err


def test_a_load_that_is_killed_at_any_moment_leaves_the_old_set(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = many(4_000, 1, "2020-01-01"), many(4_000, 1_000_000, "2020-02-01")
    loaded(settings, capsys, write(tmp_path / "old.csv", old))
    before = rows(settings, ONLINE)
    file = write(tmp_path / "new.csv", new)
    with loading(settings, file) as whole:
        started = time.monotonic()
        whole.wait()
        duration = time.monotonic() - started
    after = rows(settings, ONLINE)
    assert after != before
    with psycopg.connect(settings.database_url.get_secret_value()) as connection:
        connection.execute("TRUNCATE feature_history, online_features")
    loaded(settings, capsys, tmp_path / "old.csv")
    for share in (0.3, 0.5, 0.7, 0.8, 0.9, 0.95):
        with loading(settings, file) as process:
            time.sleep(duration * share)
            process.send_signal(signal.SIGKILL)
        seen = rows(settings, ONLINE)
        assert seen in (before, after)
        assert len(rows(settings, HISTORY)) == (len(old) if seen == before else len(old) + len(new))
    loaded(settings, capsys, file)
    assert rows(settings, ONLINE) == after


def test_readers_see_the_old_set_or_the_new_one(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded(settings, capsys, write(tmp_path / "old.csv", many(2_000, 1, "2020-01-01")))
    file = write(tmp_path / "new.csv", many(2_000, 1_000_000, "2020-02-01"))
    seen = set()
    look = "SELECT event_timestamp, count(*) FROM online_features GROUP BY 1"
    url = settings.database_url.get_secret_value()
    with loading(settings, file) as process, psycopg.connect(url, autocommit=True) as reader:
        while process.poll() is None:
            counted = reader.execute(look).fetchall()
            assert len(counted) == 1
            assert counted[0][1] == 2_000
            seen.add(counted[0][0])
            time.sleep(0.002)  # the loader needs the cores, too
    assert process.returncode == 0
    assert len(seen) >= 1


def test_two_loads_at_once_both_count(settings: Settings, tmp_path: Path) -> None:
    files = [write(tmp_path / f"{n}.csv", many(1_000, 1 + n * 100_000, f"2020-0{n + 1}-01")) for n in range(2)]
    with loading(settings, files[0]) as first, loading(settings, files[1]) as second:
        assert [first.wait(), second.wait()] == [0, 0]
    assert_stored(settings, many(1_000, 1, "2020-01-01") + many(1_000, 100_001, "2020-02-01"))


HEADER = "id,nb_previous_loans,avg_amount_loans_previous,age,years_on_the_job,flag_own_car,status"


def imported(settings: Settings, capsys: pytest.CaptureFixture[str], file: Path, text: str) -> dict[str, Any]:
    file.write_text(text)
    capsys.readouterr()
    assert run(settings, "import-features", file, "--report", "json") == 0
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return report


def test_imported_vectors_are_stored_value_for_value(
    settings: Settings, loans_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"{HEADER}\n5,15,128.90637116931464,33,12,1,0\n6,0,,150,,,1\n7,3.0,1e2,40.0,0,0,\n"
    assert imported(settings, capsys, loans_file, text)["loaded"] == 3
    assert [row[:-1] for row in rows(settings, ONLINE)] == [
        (5, 15, 128.90637116931464, 33, 12, 1), (6, 0, None, 150, None, None), (7, 3, 100.0, 40, 0, 0),
    ]  # fmt: skip
    before = rows(settings, "SELECT xmin::text, client_id, v::text FROM online_features ORDER BY client_id")
    assert imported(settings, capsys, loans_file, text)["unchanged"] == 3
    assert rows(settings, "SELECT xmin::text, client_id, v::text FROM online_features ORDER BY client_id") == before


def test_imported_lines_that_cannot_be_read_are_refused_and_named(
    settings: Settings, loans_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"{HEADER}\n,1,1,30,1,1,0\nx,1,1,30,1,1,0\n5,1.5,1,30,1,1,0\n5,1,inf,30,1,1,0\n5,1,1,30,1,1,7\n5,1,1\n5,1,1,30,1,1,0\n5,1,1,30,1,1,0\n5,1,1,31,1,1,0\n"
    report = imported(settings, capsys, loans_file, text)
    assert (report["read"], report["loaded"], report["dropped"]) == (9, 1, 1)
    assert rows(settings, "SELECT line, reason FROM quarantine ORDER BY line") == [
        (2, "id_missing"), (3, "id_unreadable"), (4, "nb_previous_loans_unreadable"),
        (5, "avg_amount_loans_previous_unreadable"), (6, "status_unreadable"), (7, "malformed_line"), (10, "vector_conflict"),
    ]  # fmt: skip


def test_of_imported_vectors_the_newest_is_served_and_all_are_kept(
    settings: Settings, loans_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"{HEADER},event_timestamp\n5,1,1,30,1,1,0,2020-01-01T00:00:00Z\n5,2,1,30,1,1,0,2020-03-01T01:00:00+01:00\n5,3,1,30,1,1,0,2019-01-01\n"
    imported(settings, capsys, loans_file, text)
    assert rows(settings, ONLINE) == [(5, 2, 1.0, 30, 1, 1, date(2020, 3, 1))]
    assert len(rows(settings, "SELECT FROM feature_history")) == 3


def test_training_rows_hold_each_vector_as_of_its_loan(
    settings: Settings, loans_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loans = [
        loan(1, day="2020-01-01"),
        loan(2, day="2020-02-01", status="1"),
        loan(3, day="2020-03-01", status=""),
        loan(4, 8),
    ]
    loaded(settings, capsys, write(loans_file, loans))
    out = tmp_path / "rows.parquet"
    assert run(settings, "export-training", out) == 0
    exported = pa.parquet.read_table(out).to_pylist()
    assert [(row["loan_id"], row["nb_previous_loans"], row["age"], row["status"]) for row in exported] == [
        (1, 0, 39, 0), (2, 1, 39, 1), (4, 0, 39, 0),
    ]  # fmt: skip
    assert run(settings, "export-training", out, "--rows", "last") == 0
    assert [row["loan_id"] for row in pa.parquet.read_table(out).to_pylist()] == [2, 4]


def test_the_services_role_may_read_what_it_serves_and_nothing_else(
    settings: Settings, server: Any, database: str
) -> None:
    refused = [
        "INSERT INTO online_features (client_id, event_timestamp, v) VALUES (1, now(), '{}')", "UPDATE online_features SET v = '{}'",
        "DELETE FROM feature_history", "TRUNCATE online_features", "SELECT * FROM quarantine", "SELECT outcome FROM feature_history",
        "SELECT raw FROM feature_history", "CREATE TABLE mine (x int)", "DROP TABLE online_features",
    ]  # fmt: skip
    with psycopg.connect(server.url(database, user="feature_service"), autocommit=True) as connection:
        connection.execute("SELECT * FROM online_features")
        connection.execute("SELECT client_id, said FROM feature_history")
        connection.execute("SET default_transaction_read_only = off")
        for statement in refused:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_migrate_runs_again_and_twice_at_once(settings: Settings) -> None:
    environment = os.environ | {"DB_INIT_DATABASE_URL": settings.database_url.get_secret_value()}
    command = [sys.executable, "-m", "db_init", "migrate"]
    with subprocess.Popen(command, env=environment) as first, subprocess.Popen(command, env=environment) as second:
        assert [first.wait(), second.wait()] == [0, 0]


def test_a_sample_is_the_same_for_a_seed_and_loads(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / name for name in ("a.csv", "b.csv", "c.parquet")]
    for file in files:
        assert main(["sample", "--clients", "1500", "--seed", "3", "--out", str(file)]) == 0
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].read_text().splitlines()[0].replace('"', "") == ",".join(COLUMNS)
    first = loaded(settings, capsys, files[0])
    assert first["clients_changed"] == 1500
    assert set(first["quarantined"]) == {"loan_amount_missing"}
    assert loaded(settings, capsys, files[2])["loaded"] == 0
