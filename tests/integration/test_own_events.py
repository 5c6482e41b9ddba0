"""Raw events of a set with columns named as one likes, and values that are easily taken for others."""

import csv
from pathlib import Path

import pytest

from db_init.settings import Settings
from loans import Capture, loaded, rows, run

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
