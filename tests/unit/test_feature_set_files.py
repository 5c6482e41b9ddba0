"""`check` says what is wrong with a file by line and key; `draft` prints what `check` accepts."""

import csv
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
