"""`check` says what is wrong with a file by line and key; `draft` prints what `check` accepts."""

import csv
import json
from pathlib import Path

import pytest

from db_init.__main__ import main

HEAD = 'name = "mine"\n'
FEATURE = '[[feature]]\nname = "{}"\ntype = "number"\ndescription = "x"\n'
Capture = pytest.CaptureFixture[str]


def checked(file: Path, text: str, capsys: Capture) -> list[str]:
    """The mistakes that `check` prints, without the name of the file."""
    file.write_text(text)
    code = main(["check", str(file)])
    printed = capsys.readouterr()
    assert code == (1 if printed.err else 0)
    return [line.removeprefix(f"{file}, ") for line in printed.err.splitlines()]


MISTAKES = [
    ('minimun = 0', "line 6: feature.minimun of a: unknown key; did you mean minimum?"),
    ('minimum = 2\nmaximum = 1', "line 6: feature.minimum of a: the bounds exclude every value"),
    ('categories = ["b"]', "line 6: feature.categories of a: categories go with type category, and only with it"),
    ('basis = ["caste"]', "line 6: feature.basis of a: is none of "),
    ('version = 0', "line 6: feature.version of a: "),
    ('[feature.reasons]\nat_most = "Fails to meet our internal standards."', "line 7: feature.reasons.at_most of a: "),
]  # fmt: skip


@pytest.mark.parametrize(("added", "said"), MISTAKES)
def test_a_mistake_is_told_by_line_and_key(tmp_path: Path, capsys: Capture, added: str, said: str) -> None:
    [line] = checked(tmp_path / "set.toml", HEAD + FEATURE.format("a") + added + "\n", capsys)
    assert line.startswith(said)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("event_timestamp", "the name event_timestamp is reserved"), ("AS_OF", "the name AS_OF is reserved"),
        ("A", "the name A is there twice (a differs in case only)"), ("id", "id is the column of entity.column"),
        ("x" * 64, "a name of a feature is a letter and up to 62 letters, digits and _"), ("1a", "a name of a feature is a letter"),
    ],
)  # fmt: skip
def test_names_that_cannot_be_are_told(tmp_path: Path, capsys: Capture, name: str, said: str) -> None:
    [line] = checked(tmp_path / "set.toml", HEAD + FEATURE.format("a") + FEATURE.format(name), capsys)
    assert line.startswith(f"line 7: feature.name: {said}")


SOURCE = """
[entity]
group = "home"
[outcome]
column = "bad"
[source]
pipeline = "pipeline.py"
event_id = "number"
event_time = "at"
"""
COLUMN = "[source.columns.{}]\n"
MISTAKES_OF_SOURCES = [
    (COLUMN.format("bad") + 'type = "text"', "columns.bad: bad is the outcome, which is not known at the time of an event"),
    (COLUMN.format("BAD") + 'type = "text"', "columns.BAD: bad is the outcome, which is not known at the time of an event"),
    (COLUMN.format("home") + 'type = "text"', "columns.home: home is the column of entity.group"),
    (COLUMN.format("client_id") + 'type = "text"', "columns.client_id: client_id is what a pipeline calls the client"),
    (COLUMN.format("x") + 'type = "text"\n' + COLUMN.format("X") + 'type = "text"', "columns.X: x differs in case only"),
    (COLUMN.format("AT") + 'type = "date"', "columns.AT: at differs in case only"),
    (COLUMN.format("__line") + 'type = "text"', "columns.__line: __line begins with two underscores"),
    (COLUMN.format('""') + 'type = "text"', "columns.: it is no name of a column"),
    (COLUMN.format("x") + 'type = "text"\nminimum = 1', "columns.x: a column of type text has no bounds"),
    (COLUMN.format("x") + 'type = "number"\nminimum = nan', "columns.x: a bound is a finite number"),
    (COLUMN.format("x") + 'type = "number"\nminimum = 5\nbelow = 5', "columns.x: the bounds exclude every value"),
    (COLUMN.format("x") + 'type = "text"\nvalues = {a = 1, A = 2}', "columns.x: values has a text twice"),
    (COLUMN.format("x") + f'type = "text"\nvalues = {{a = {1 << 63}}}', "columns.x: values has a number that 64 bits do not hold"),
]  # fmt: skip


@pytest.mark.parametrize(("column", "said"), MISTAKES_OF_SOURCES)
def test_columns_of_raw_events_that_no_load_could_keep_are_told(
    tmp_path: Path, capsys: Capture, column: str, said: str
) -> None:
    (tmp_path / "pipeline.py").touch()
    text = HEAD + SOURCE + column + "\n" + FEATURE.format("a")
    [line] = checked(tmp_path / "set.toml", text, capsys)
    assert line.partition(": ")[2].startswith(f"source.{said}")


def test_years_are_counted_since_a_date(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "pipeline.py").touch()
    feature = FEATURE.format("a").replace("number", "integer") + 'completed_years_since = "x"\n'
    text = HEAD + SOURCE + COLUMN.format("x") + 'type = "text"\n' + feature
    assert checked(tmp_path / "set.toml", text, capsys) == [
        "line 17: feature.completed_years_since of a: x is not of type date"
    ]


def test_names_that_are_sql_keywords_or_63_characters_long_are_names(tmp_path: Path, capsys: Capture) -> None:
    text = HEAD + "".join(FEATURE.format(name) for name in ("select", "order", "x" * 63))
    assert checked(tmp_path / "set.toml", text, capsys) == []


def test_there_are_at_most_500_features_and_10_000_categories_are_fine(tmp_path: Path, capsys: Capture) -> None:
    many = [FEATURE.format(f"f{number}") for number in range(501)]
    assert checked(tmp_path / "set.toml", HEAD + "".join(many[:500]), capsys) == []
    [line] = checked(tmp_path / "set.toml", HEAD + "".join(many), capsys)
    assert "501 features; at most 500 are allowed" in line
    categories = ", ".join(f'"it\'s, {number}"' for number in range(10_000))
    text = f'{HEAD}[[feature]]\nname = "a"\ntype = "category"\ncategories = [{categories}]\ndescription = "x"\n'
    assert checked(tmp_path / "set.toml", text, capsys) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"name = ", "is not TOML"), (b"\xff", "is not UTF-8 text"), (b"", "line 1: name: is missing")],
)
def test_a_file_that_is_no_feature_set_is_told(tmp_path: Path, capsys: Capture, content: bytes, said: str) -> None:
    file = tmp_path / "set.toml"
    file.write_bytes(content)
    assert main(["check", str(file)]) == 1
    assert said in capsys.readouterr().err


def test_a_draft_of_awkward_columns_is_accepted_as_it_is(tmp_path: Path, capsys: Capture) -> None:
    names = ["id", "status", "Select", "select", 'my income, "net"', "sex", "event_timestamp", "x" * 80, "", "f" * 63]
    names += [f"column {number}" for number in range(490)]
    file = tmp_path / "clients.csv"
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(names)
        for row in range(40):
            cells = [row + 1, row % 2, row, row / 3, 'it\'s, "x"\nnull', "mf"[row % 2], "2020-01-01", row, row, "NaN"]
            writer.writerow([*cells, *(row * number for number in range(490))])
    assert main(["draft", str(file)]) == 0
    drafted = capsys.readouterr().out
    assert "12 CFR 1002.2(z)" in drafted
    assert checked(tmp_path / "set.toml", drafted, capsys) == []


def drafted(tmp_path: Path, capsys: Capture, content: str) -> str:
    file = tmp_path / "rows.csv"
    file.write_text(content, encoding="utf-8")
    assert main(["draft", str(file)]) == 0
    found = capsys.readouterr().out
    assert checked(tmp_path / "set.toml", found, capsys) == []
    return found


@pytest.mark.parametrize(("no", "yes"), [("no", "yes"), ("1", "2"), ("False", "True"), ("good", "bad, or worse")])
def test_a_column_that_is_named_like_the_outcome_is_never_drafted_as_a_feature(
    tmp_path: Path, capsys: Capture, no: str, yes: str
) -> None:
    rows = "".join(f'{n},{n % 7},"{yes if n % 3 else no}"\n' for n in range(1, 30))
    found = drafted(tmp_path, capsys, f"id,income,Default\n{rows}")
    assert found.count("[[feature]]") == 1
    assert 'column = "Default"' in found
    assert f"It holds {json.dumps(f'{min(no, yes)}, {max(no, yes)}')}, and only 1 and 0 are read" in found


def test_a_column_that_is_named_like_an_id_and_holds_texts_is_asked_about(tmp_path: Path, capsys: Capture) -> None:
    found = drafted(tmp_path, capsys, "id,income,status\nC1,5,0\n2,6,1\n-3,7,0\n,8,1\n0,9,0\n")
    assert found.count("[[feature]]") == 1
    assert 'column = "id"' in found
    assert "Question: in 4 of 5 rows it is no whole number above 0" in found


def test_an_id_column_of_whole_numbers_comes_before_one_of_texts(tmp_path: Path, capsys: Capture) -> None:
    assert 'column = "customer_id"' in drafted(tmp_path, capsys, "id,customer_id,x,status\nA,5,1,0\nB,6,2,1\n")


def test_a_draft_counts_the_lines_that_cannot_be_read(tmp_path: Path, capsys: Capture) -> None:
    found = drafted(tmp_path, capsys, "id,income,status\n1,5,0\n2,6\n3,7,0,9\n4,8,1\n")
    assert "Left out: 2 lines that cannot be read." in found


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"id;income;status\n1;2,5;0\n", "divided by `;`; they must be divided by commas"),
        (b"id\tincome\tstatus\n1\t2\t0\n", "divided by a tab; they must be divided by commas"),
        (
            b"id,town,status\n1,K\xf6ln,0\n2,Z\xfcrich,1\n",
            "2 lines that cannot be read, and no other. Each must be UTF-8",
        ),
        (b"id,town,status\n", "has no rows."),
        (b"id,essay,status\n1," + b"a" * 300 + b",0\n", '"essay": it holds texts of up to 300 characters'),
    ],
)
def test_a_file_that_cannot_be_drafted_is_explained(
    tmp_path: Path, capsys: Capture, content: bytes, words: str
) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes(content)
    assert main(["draft", str(file)]) == 1
    assert words in capsys.readouterr().err
