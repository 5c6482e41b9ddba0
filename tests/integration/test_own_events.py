"""Raw events of a set with columns named as one likes, and values that are easily taken for others."""

import csv
import json
import time
from pathlib import Path

import psycopg
import pytest

from db_init.settings import Settings
from loans import Capture, applied, loaded, loading, recomputed, rows, run

SET = """
name = "own"
[entity]
column = "holder"
[outcome]
column = "bad"
[source]
pipeline = "pipeline.py"
event_id = "number"
event_time = "day"
[source.columns.day]
type = "date"
[source.columns.content]
type = "text"
[source.columns.verdict]
type = "text"
[source.columns.said]
type = "text"
values = {"ß" = 2, "Straße" = 1}
[[feature]]
name = "word"
type = "category"
categories = ["a|", "b", "a", "|b", " of two "]
description = "Word."
[[feature]]
name = "mark"
type = "integer"
description = "Mark."
[[feature]]
name = "since"
type = "integer"
description = "Years since the event."
completed_years_since = "day"
"""
PIPELINE = "def features(events):\n    return {'word': events.content, 'mark': events.said}\n"
COLUMNS = ("number", "holder", "day", "content", "verdict", "said", "bad")


@pytest.fixture
def own(settings: Settings, tmp_path: Path) -> Settings:
    (tmp_path / "own.toml").write_text(SET)
    (tmp_path / "pipeline.py").write_text(PIPELINE)
    assert run(settings, "apply", tmp_path / "own.toml") == 0
    return settings


def events(file: Path, *lines: tuple[str, ...]) -> Path:
    with file.open("w", newline="") as out:
        csv.writer(out).writerows([COLUMNS, *lines])
    return file


def test_columns_may_be_called_as_those_of_the_loader_are(own: Settings, tmp_path: Path, capsys: Capture) -> None:
    file = events(
        tmp_path / "own.csv", ("1", "7", "2020-02-29", "a", "x", "ß", "1"), ("2", "7", "2021-01-01", "b", "", "STRAßE", "")
    )  # fmt: skip
    assert loaded(own, capsys, file)["loaded"] == 2
    assert loaded(own, capsys, file)["unchanged"] == 2
    assert rows(own, "SELECT said::text FROM feature_history ORDER BY event_id") == [
        ('{"word":"a","mark":2,"since":{"since":"2020-02-29"}}',),
        ('{"word":"b","mark":1,"since":{"since":"2021-01-01"}}',),
    ]


NEW = """
[[feature]]
name = "earlier"
type = "integer"
description = "Number of earlier events."
"""
COUNTING = """
import ibis

def features(events):
    return {"mark": 10 * events.said, "earlier": ibis.rank().over(ibis.window(order_by=events.day)).cast("int64")}
"""
STORED = "SELECT event_id, said::text, raw::text, outcome FROM feature_history WHERE event_id IS NOT NULL ORDER BY 1"
ONLINE = "SELECT client_id, event_timestamp, v::text, times::text FROM online_features ORDER BY 1"
VERSIONS = (
    "SELECT xmin::text, ctid::text FROM feature_history UNION ALL SELECT xmin::text, ctid::text FROM online_features"
)


def test_what_is_stored_is_computed_anew_as_a_load_of_everything_computes_it(
    own: Settings, tmp_path: Path, capsys: Capture
) -> None:
    lines = [(str(n), str(1 + n % 3), f"2020-0{1 + n % 5}-0{1 + n % 2}", "a", "", "ß", "1") for n in range(1, 20)]
    file = events(tmp_path / "own.csv", *lines)
    loaded(own, capsys, file)
    assert recomputed(own, capsys)["events_changed"] == 0
    received = rows(own, "SELECT event_id, received_at, seq FROM feature_history ORDER BY 1")
    (tmp_path / "own.toml").write_text(SET + NEW)
    (tmp_path / "pipeline.py").write_text(COUNTING)
    assert applied(own, capsys, tmp_path / "own.toml")[1][1:] == [
        "  new: earlier",
        "  the features of stored raw events are unchanged: `python -m db_init load --recompute` computes them again",
    ]
    report = recomputed(own, capsys)
    assert (report["events"], report["events_changed"], report["clients_changed"]) == (19, 19, 3)
    assert rows(own, "SELECT event_id, received_at, seq FROM feature_history ORDER BY 1") == received
    assert {tuple(json.loads(said)) for _, said, _, _ in rows(own, STORED)} == {("mark", "since", "earlier")}
    anew, versions = [rows(own, query) for query in (STORED, ONLINE)], rows(own, VERSIONS)

    report = recomputed(own, capsys)
    assert (report["events"], report["events_changed"], report["clients_changed"]) == (19, 0, 0)
    assert rows(own, VERSIONS) == versions
    with psycopg.connect(own.database_url.get_secret_value()) as connection:
        connection.execute("TRUNCATE feature_history, online_features")
    assert recomputed(own, capsys)["events"] == 0
    loaded(own, capsys, file)
    assert [rows(own, query) for query in (STORED, ONLINE)] == anew


def test_only_what_differs_is_written_and_a_refused_pipeline_changes_nothing(
    own: Settings, tmp_path: Path, capsys: Capture
) -> None:
    marks = [("1", "7", "2020-01-01", "a", "x", "ß", "1"), ("2", "8", "2020-01-01", "a", "x", "", "1")]
    loaded(own, capsys, events(tmp_path / "own.csv", *marks))
    before = rows(own, STORED)
    (tmp_path / "pipeline.py").write_text(PIPELINE.replace("events.said", "events.said / 2"))
    assert run(own, "load", "--recompute") == 1
    assert "returns float64 as mark, which is declared integer. Nothing was changed." in capsys.readouterr().err
    assert rows(own, STORED) == before
    (tmp_path / "pipeline.py").write_text(PIPELINE.replace("events.said", "events.said * 2"))
    report = recomputed(own, capsys)
    assert (report["events"], report["events_changed"], report["clients_changed"]) == (2, 1, 1)
    assert rows(own, "SELECT v->>'mark' FROM online_features ORDER BY client_id") == [("4",), (None,)]


def test_killed_before_its_end_it_has_changed_nothing(own: Settings, tmp_path: Path, capsys: Capture) -> None:
    loaded(own, capsys, events(tmp_path / "own.csv", ("1", "7", "2020-01-01", "a", "x", "ß", "1")))
    before = [rows(own, query) for query in (STORED, ONLINE)]
    (tmp_path / "pipeline.py").write_text(PIPELINE.replace("events.said", "events.said * 2"))
    waiting = "SELECT FROM pg_locks WHERE NOT granted AND relation = 'online_features'::regclass"
    with psycopg.connect(own.database_url.get_secret_value()) as writer:
        writer.execute("LOCK TABLE online_features IN ROW EXCLUSIVE MODE")
        with loading(own, "--recompute") as process:
            try:
                while not rows(own, waiting):  # it has changed the history in its transaction
                    assert process.poll() is None
                    time.sleep(0.02)
                assert [rows(own, query) for query in (STORED, ONLINE)] == before
            finally:
                process.kill()
    assert [rows(own, query) for query in (STORED, ONLINE)] == before
    assert recomputed(own, capsys)["events_changed"] == 1


def test_a_set_that_imports_its_features_has_nothing_to_compute_anew(
    settings: Settings, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "imported.toml").write_text(f'name = "imported"\n{NEW}')
    assert run(settings, "apply", tmp_path / "imported.toml") == 0
    assert run(settings, "load", "--recompute") == 1
    assert "The feature set imported has no [source]" in capsys.readouterr().err


def test_an_event_whose_texts_are_divided_otherwise_is_another_one(
    own: Settings, tmp_path: Path, capsys: Capture
) -> None:
    first, second = (("1", "7", "2020-01-01", *texts, "", "1") for texts in (("a|", "b"), ("a", "|b")))
    assert loaded(own, capsys, events(tmp_path / "own.csv", first, second))["quarantined"] == {"number_conflict": 1}
    assert loaded(own, capsys, events(tmp_path / "later.csv", second))["quarantined"] == {"number_conflict": 1}
    empty = events(tmp_path / "empty.csv", ("1", "7", "2020-01-01", "a|", "", "", "1"))
    assert loaded(own, capsys, empty)["quarantined"] == {"number_conflict": 1}


def test_a_partial_file_has_the_group_only_beside_outcomes(own: Settings, tmp_path: Path, capsys: Capture) -> None:
    grouped = SET.replace('column = "holder"', 'column = "holder"\ngroup = "house"')
    (tmp_path / "own.toml").write_text(grouped)
    assert run(own, "apply", tmp_path / "own.toml") == 0
    file = tmp_path / "words.csv"
    file.write_text("holder,word,event_timestamp\n7,b,2020-01-01\n")
    assert run(own, "import-features", file, "--partial") == 0
    assert rows(own, "SELECT said::text, raw FROM feature_history") == [('{"word":"b"}', None)]
    capsys.readouterr()
    file.write_text("holder,word,bad\n7,b,1\n")
    assert run(own, "import-features", file, "--partial") == 1
    assert "lacks the column(s) house." in capsys.readouterr().err


@pytest.mark.parametrize("instant", ["2020-01-01", ""])
def test_a_file_without_outcomes_leaves_those_that_are_known(
    own: Settings, tmp_path: Path, capsys: Capture, instant: str
) -> None:
    file, outcomes = tmp_path / "vectors.csv", "SELECT said->>'mark', outcome FROM feature_history ORDER BY seq"

    def imported(header: str, line: str, *options: str) -> str:
        file.write_text(f"holder,word,mark,since,{header}event_timestamp\n7,b,{line}{instant}\n")
        capsys.readouterr()
        assert run(own, "import-features", file, "--report", "json", *options) == 0
        return capsys.readouterr().out

    imported("bad,", "1,5,1,")
    assert '"unchanged": 1' in imported("", "1,5,", "--partial")
    assert rows(own, outcomes) == [("1", 1)]
    assert '"loaded": 1' in imported("", "2,5,", "--partial")
    assert '"unchanged": 1' in imported("", "2,5,", "--partial")
    assert rows(own, outcomes) == [("1", 1), ("2", None)]


def test_a_category_with_spaces_at_its_ends_is_known_from_a_file(own: Settings, tmp_path: Path) -> None:
    file = tmp_path / "words.csv"
    file.write_text(
        "holder,word,event_timestamp\n1, of two ,2020-01-01\n2,of two,2020-01-01\n3,b ,2020-01-01\n4,of,2020-01-01\n"
    )
    assert run(own, "import-features", file, "--partial") == 0
    said = "SELECT said->>'word' FROM feature_history ORDER BY client_id"
    assert rows(own, said) == [(" of two ",), (" of two ",), ("b",)]
    assert rows(own, "SELECT reason FROM quarantine") == [("category_unknown",)]
