"""Reading a CSV file that is not as it should be: what can be read is, the rest is named by its line."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from db_init.files.csv_lines import Record, read_records, rewrite


def records(folder: Path, content: bytes, width: int = 2) -> list[Record]:
    file = folder / "file.csv"
    file.write_bytes(b"a,b\n" + content)
    return list(read_records(file, width))


CASES = {
    "plain": (b"1,2\n3,4\n", [(2, ["1", "2"]), (3, ["3", "4"])]),
    "no end of line at the end": (b"1,2\n3,4", [(2, ["1", "2"]), (3, ["3", "4"])]),
    "ends in the middle of a line": (b"1,2\n3", [(2, ["1", "2"]), (3, None)]),
    "too many and too few cells": (b"1,2,3\n1\n1,2\n", [(2, None), (3, None), (4, ["1", "2"])]),
    "blank lines count, and are no records": (b"\n1,2\n   \n3,4\n", [(3, ["1", "2"]), (5, ["3", "4"])]),
    "other ends of lines": (b"1,2\r\n3,4\r5,6\n", [(2, ["1", "2"]), (3, ["3", "4"]), (4, ["5", "6"])]),
    "a cell of two lines": (b'1,"2\n3"\n4,5\n', [(2, ["1", "2\n3"]), (4, ["4", "5"])]),
    "a quote that never closes": (b'1,"2\n3,4\n', [(2, None), (3, ["3", "4"])]),
    "a doubled quote": (b'1,"2 ""x"""\n', [(2, ["1", '2 "x"'])]),
    "bytes that are no text": (b"1,\xff\n3,4\n", [(2, None), (3, ["3", "4"])]),
    "a zero byte": (b"1,\0\n", [(2, ["1", "\ufffd"])]),
}


@pytest.mark.parametrize("kind", CASES)
def test_every_line_is_read_or_named(tmp_path: Path, kind: str) -> None:
    content, expected = CASES[kind]
    assert [(record.line, record.cells) for record in records(tmp_path, content)] == expected


def test_an_open_quote_does_not_swallow_the_rest_of_the_file(tmp_path: Path) -> None:
    content = b'1,"2\n' + b"3,4\n" * 150 + b'5,"6"\n'
    read = records(tmp_path, content)
    assert [record.line for record in read if record.cells is None] == [2]
    assert read[-1] == Record(153, ["5", "6"], '5,"6"')


def test_a_line_of_megabytes_is_one_broken_line(tmp_path: Path) -> None:
    [broken, good] = records(tmp_path, b"x" * 3_000_000 + b"\n1,2\n")
    assert (broken.line, broken.cells, len(broken.text)) == (2, None, 10_000)
    assert (good.line, good.cells) == (3, ["1", "2"])


def test_the_text_of_a_broken_line_can_be_stored(tmp_path: Path) -> None:
    [record] = records(tmp_path, b"1,\xff,\xc3\xa9\n")
    assert record.text.encode()
    assert record.text.endswith(",\u00e9")


def test_rewriting_keeps_wanted_columns_and_the_numbers_of_lines(tmp_path: Path) -> None:
    file, good, bad = tmp_path / "in.csv", tmp_path / "good.csv", tmp_path / "bad.csv"
    file.write_text('a,b,c\n1,2,3\nbroken\n4,"5, ""x""",6\n')
    rewrite(file, ["a", "b", "c"], ["c", "b"], good, bad)
    with good.open(newline="") as content:
        assert list(csv.reader(content)) == [["2", "3", "2"], ["4", "6", '5, "x"']]
    with bad.open(newline="") as content:
        assert list(csv.reader(content)) == [["3", "broken"]]


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=8)


@given(st.lists(st.tuples(cells, cells.map(lambda cell: f"x{cell}")), max_size=12))
@hypothesis_settings(max_examples=60, deadline=None)
def test_what_a_csv_writer_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, table: list[tuple[str, str]]
) -> None:
    file = tmp_path_factory.mktemp("csv") / "file.csv"
    with file.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out, quoting=csv.QUOTE_ALL).writerows([("a", "b"), *table])
    assert [tuple(record.cells or ()) for record in read_records(file, 2)] == table
