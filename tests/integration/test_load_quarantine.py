"""Lines in quarantine, tried again after an edit by hand or by a release that reads more."""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from db_init.settings import Settings
from loans import HISTORY, NEEDED, ONLINE, assert_stored, loaded, loan, rows, run, write

Capture = pytest.CaptureFixture[str]
KEPT = "SELECT line, reason FROM quarantine ORDER BY line"


def edit(settings: Settings, statement: str) -> None:
    with psycopg.connect(settings.database_url.get_secret_value()) as connection:
        connection.execute(statement)


def retried(settings: Settings, capsys: Capture) -> dict[str, Any]:
    capsys.readouterr()
    assert run(settings, "load", "--retry-quarantined", "--report", "json") == 0
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert report["read"] == (
        report["loaded"] + report["unchanged"] + report["dropped"] + sum(report["quarantined"].values())
    )
    return report


@pytest.fixture
def quarantined(settings: Settings, loans_file: Path, capsys: Capture) -> Path:
    """Three good loans, and in lines 4 to 8 those that are refused."""
    lines = [
        loan(1), loan(2, day="2020-03-01"), loan(3, amount="1,000"), loan(4, day="2020-02-30"), loan(2, 9),
        loan(5, amount="-5"), loan(6, 8, "2020-02-02"), loan(7),
    ]  # fmt: skip
    text = write(loans_file, lines).read_text().splitlines()
    text[7] = text[7].replace(",Y,", ',"Y,')
    loans_file.write_text("\n".join(text))
    loaded(settings, capsys, loans_file)
    assert rows(settings, KEPT) == [
        (4, "loan_amount_unreadable"), (5, "loan_date_unreadable"), (6, "loan_id_conflict"), (7, "loan_amount_negative"),
        (8, "malformed_line"),
    ]  # fmt: skip
    return loans_file


def test_lines_that_are_as_bad_as_before_stay_as_they_are(
    settings: Settings, quarantined: Path, capsys: Capture
) -> None:
    tables = [
        f"SELECT xmin::text, {name}::text FROM {name} ORDER BY 2" for name in ("feature_history", "online_features")
    ]
    before = [rows(settings, query) for query in (*tables, "SELECT * FROM quarantine ORDER BY line")]
    report = retried(settings, capsys)
    assert (report["read"], report["loaded"], sum(report["quarantined"].values())) == (5, 0, 5)
    assert [rows(settings, query) for query in (*tables, "SELECT * FROM quarantine ORDER BY line")] == before


def test_edited_lines_are_loaded_and_taken_out(settings: Settings, quarantined: Path, capsys: Capture) -> None:
    edit(settings, """UPDATE quarantine SET row = row || '{"loan_amount": 1000}' WHERE line = 4""")
    edit(settings, """UPDATE quarantine SET row = row || '{"loan_date": "2020-02-28"}' WHERE line = 5""")
    edit(
        settings,
        """UPDATE quarantine SET row = jsonb_set(row, '{text}', to_jsonb(replace(row->>'text', '"', ''))) WHERE line = 8""",
    )
    report = retried(settings, capsys)
    assert (report["read"], report["loaded"], report["quarantined"]) == (
        5, 3, {"loan_id_conflict": 1, "loan_amount_negative": 1},
    )  # fmt: skip
    assert rows(settings, KEPT) == [(6, "loan_id_conflict"), (7, "loan_amount_negative")]
    assert_stored(
        settings,
        [loan(1), loan(2, day="2020-03-01"), loan(3, amount="1000"), loan(4, day="2020-02-28"), loan(6, 8, "2020-02-02"), loan(7)],
    )  # fmt: skip
    assert retried(settings, capsys)["read"] == 2


def test_an_edit_that_brings_another_fault_changes_the_reason(
    settings: Settings, quarantined: Path, capsys: Capture
) -> None:
    edit(settings, """UPDATE quarantine SET row = row || '{"loan_amount": -1}' WHERE line = 4""")
    edit(settings, """UPDATE quarantine SET row = row || '{"id": 7}' WHERE line = 6""")
    edit(settings, """UPDATE quarantine SET row = row - 'id' WHERE line = 7""")
    retried(settings, capsys)
    assert rows(settings, KEPT)[:3] == [
        (4, "loan_amount_negative"), (5, "loan_date_unreadable"), (6, "loan_id_conflict"),
    ]  # fmt: skip
    assert rows(settings, KEPT)[3] == (7, "id_missing")


def test_a_line_that_says_what_is_stored_is_taken_out(settings: Settings, quarantined: Path, capsys: Capture) -> None:
    edit(settings, """UPDATE quarantine SET row = row || '{"id": 7, "loan_date": "2020-03-01"}' WHERE line = 6""")
    assert retried(settings, capsys)["unchanged"] == 1
    assert 6 not in [line for line, _ in rows(settings, KEPT)]


@pytest.mark.parametrize("text", ["1,2", "a,b\ufffd", '{"a": 1}'])
def test_a_text_that_cannot_be_read_stays(settings: Settings, quarantined: Path, capsys: Capture, text: str) -> None:
    with psycopg.connect(settings.database_url.get_secret_value()) as connection:
        connection.execute(
            "UPDATE quarantine SET row = jsonb_set(row, '{text}', to_jsonb(%s::text)) WHERE line = 8", [text]
        )
    assert retried(settings, capsys)["quarantined"]["malformed_line"] == 1
    assert (8, "malformed_line") in rows(settings, KEPT)


@pytest.mark.parametrize("row", ['{"columns": 5, "text": 6}', '{"columns": ["id"], "text": "x"}', '{"columns": []}'])
def test_an_object_that_is_no_line_stays(settings: Settings, quarantined: Path, capsys: Capture, row: str) -> None:
    edit(settings, f"UPDATE quarantine SET row = '{row}' WHERE line = 8")
    assert retried(settings, capsys)["quarantined"]["malformed_line"] == 1


def test_bytes_that_were_no_text_are_not_made_up(settings: Settings, loans_file: Path, capsys: Capture) -> None:
    content = write(loans_file, [loan(1, amount="1X0")]).read_bytes()
    loans_file.write_bytes(content.replace(b"X", b"\xff"))
    loaded(settings, capsys, loans_file)
    assert retried(settings, capsys)["quarantined"] == {"malformed_line": 1}
    edit(
        settings,
        "UPDATE quarantine SET row = jsonb_set(row, '{text}', to_jsonb(replace(row->>'text', U&'\\FFFD', '9')))",
    )
    assert retried(settings, capsys)["loaded"] == 1
    assert rows(settings, "SELECT (raw->>'loan_amount')::float8 FROM feature_history") == [(190.0,)]


def test_lines_of_several_files_keep_their_order(settings: Settings, tmp_path: Path, capsys: Capture) -> None:
    for name, amount in (("a", "10"), ("b", "20")):
        loaded(settings, capsys, write(tmp_path / f"{name}.csv", [loan(1, amount=f"{amount}x")]))
    edit(
        settings,
        "UPDATE quarantine SET row = row || jsonb_build_object('loan_amount', rtrim(row->>'loan_amount', 'x'))",
    )
    report = retried(settings, capsys)
    assert (report["loaded"], report["quarantined"]) == (1, {"loan_id_conflict": 1})
    assert rows(settings, "SELECT (raw->>'loan_amount')::float8 FROM feature_history") == [(10.0,)]
    assert rows(settings, KEPT) == [(2, "loan_id_conflict")]


def test_lines_of_imported_vectors_are_not_mistaken_for_loans(
    settings: Settings, loans_file: Path, capsys: Capture
) -> None:
    header = "id,nb_previous_loans,avg_amount_loans_previous,age,years_on_the_job,flag_own_car,status"
    loans_file.write_text(f"{header}\nx,1,1,30,1,1,0\n5,1\n")
    assert run(settings, "import-features", loans_file) == 0
    before = rows(settings, "SELECT * FROM quarantine ORDER BY line")
    assert len(before) == 2
    assert retried(settings, capsys)["read"] == 0
    assert rows(settings, "SELECT * FROM quarantine ORDER BY line") == before


def test_a_retry_of_an_empty_quarantine_renews_nothing(settings: Settings, loans_file: Path, capsys: Capture) -> None:
    loaded(settings, capsys, write(loans_file, [loan(1)]))
    before = rows(settings, ONLINE)
    assert retried(settings, capsys)["read"] == 0
    assert (rows(settings, ONLINE), len(rows(settings, HISTORY))) == (before, 1)


def test_an_edit_while_a_retry_runs_stops_it(settings: Settings, quarantined: Path, capsys: Capture) -> None:
    edit(settings, """UPDATE quarantine SET row = row || '{"loan_amount": 1000}' WHERE line = 4""")
    # Runs in the retry's own transaction, before the lines are settled: as an edit that was just in time.
    edit(
        settings,
        """
        CREATE FUNCTION edited() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            UPDATE quarantine SET row = row || '{"loan_amount": 2000}' WHERE line = 4; RETURN NULL; END $$;
        CREATE TRIGGER edited AFTER INSERT ON feature_history FOR EACH STATEMENT EXECUTE FUNCTION edited()""",
    )
    assert run(settings, "load", "--retry-quarantined") == 1
    assert "Lines in quarantine were changed at the same time" in capsys.readouterr().err
    assert len(rows(settings, HISTORY)) == 3
    assert len(rows(settings, KEPT)) == 5


def test_needed_columns_are_kept_with_every_refused_line(settings: Settings, quarantined: Path) -> None:
    for (row,) in rows(settings, "SELECT row FROM quarantine ORDER BY line"):
        assert set(row.get("columns", row)) >= set(NEEDED)
