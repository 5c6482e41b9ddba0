"""What is found out about an input file before any of it is read."""

import hashlib
from pathlib import Path

import pytest

from db_init.errors import LoadError
from db_init.files.reading import check_columns, check_readable, csv_columns, is_parquet, scan


@pytest.mark.parametrize(
    ("name", "parquet"), [("a.parquet", True), ("a.PQ", True), ("a.csv", False), ("a.parquet.gz", False), ("a", False)]
)
def test_the_ending_tells_parquet_from_csv(name: str, parquet: bool) -> None:
    assert is_parquet(Path(name)) is parquet


def test_a_file_that_cannot_be_read_is_refused_with_its_cause(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "file").write_text("x")
    for name, message in (
        ("", "is a folder"),
        ("none", "no file"),
        ("empty", "is empty"),
        ("file/x", "Not a directory"),
        ("x" * 300, "name too long"),
    ):
        with pytest.raises(LoadError, match=message):
            check_readable(tmp_path / name)
    check_readable(tmp_path / "file")


HEADERS = {
    "plain": (b"a,b\n1,2\n", ["a", "b"]),
    "a byte order mark": (b"\xef\xbb\xbfa,b\n", ["a", "b"]),
    "spaces and quotes": (b'"a", b \r\n', ["a", "b"]),
    "no line below": (b"a,b", ["a", "b"]),
    "an old Mac's": (b"a,b\r1,2\r", ["a", "b"]),
    "blank": (b"\n", []),
}


@pytest.mark.parametrize("kind", HEADERS)
def test_the_first_line_names_the_columns(tmp_path: Path, kind: str) -> None:
    content, names = HEADERS[kind]
    file = tmp_path / "file.csv"
    file.write_bytes(content)
    assert csv_columns(file) == names


BAD_HEADERS = {
    "not text": (b"\xff\xfe\x00a", "not UTF-8"),
    "no end": (b"a" * (1 << 20), "longer than 1,048,576 bytes"),
    "an open quote": (b'a,"b\n', "cannot be read as the names"),
    "many": (b"a," * 10_000, "has 10,001 columns"),
}


@pytest.mark.parametrize("kind", BAD_HEADERS)
def test_a_first_line_that_names_no_columns_is_refused(tmp_path: Path, kind: str) -> None:
    content, message = BAD_HEADERS[kind]
    file = tmp_path / "file.csv"
    file.write_bytes(content)
    with pytest.raises(LoadError, match=message):
        csv_columns(file)


@pytest.mark.parametrize(
    ("present", "message"),
    [
        (["a"], r"lacks the column\(s\) b\.$"),
        ([], r"lacks the column\(s\) a, b\.$"),
        (["a", "b", "b"], r"names the column\(s\) b twice"),
        (["a;b"], "divided by `;`"),
        (["a\tb"], "divided by a tab"),
    ],
)
def test_missing_and_repeated_columns_are_named(present: list[str], message: str) -> None:
    with pytest.raises(LoadError, match=message):
        check_columns(Path("file.csv"), present, ["a", "b"])


def test_more_columns_in_another_order_will_do() -> None:
    check_columns(Path("file.csv"), ["c", "b", "c", "a"], ["a", "b"])


@pytest.mark.parametrize(
    ("content", "lines", "binary"),
    [(b"a\n", 0, False), (b"a", 0, False), (b"a\n1\n2\n", 2, False), (b"a\n1\n2", 2, False), (b"a\n\0\n", 1, True)],
)
def test_a_scan_counts_lines_below_the_first(tmp_path: Path, content: bytes, lines: int, binary: bool) -> None:
    file = tmp_path / "file.csv"
    file.write_bytes(content)
    found = scan(file)
    assert (found.lines, found.binary, found.digest) == (lines, binary, hashlib.sha256(content).hexdigest())
