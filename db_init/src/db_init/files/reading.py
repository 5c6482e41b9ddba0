"""Checks of an input file before it is loaded: that it exists, has the right format, and has the columns."""

import csv
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from db_init.errors import LoadError

_LONGEST_HEADER = 1 << 20
_MOST_COLUMNS = 10_000
_CHUNK = 1 << 20


def is_parquet(file: Path) -> bool:
    return file.suffix.lower() in (".parquet", ".pq")


def check_readable(file: Path) -> None:
    try:
        if file.is_dir():
            raise LoadError(f"{file} is a folder; name a CSV or Parquet file.")
        with file.open("rb") as content:
            empty = not content.read(1)
    except FileNotFoundError:
        raise LoadError(f"There is no file {file}.") from None
    except OSError as error:
        raise LoadError(f"{file} cannot be read: {error.strerror}.") from error
    if empty:
        raise LoadError(f"{file} is empty; its first line must name the columns.")


def csv_columns(file: Path) -> list[str]:
    """The column names in the first line of a CSV file. Raises LoadError if they cannot be read."""
    with file.open("rb") as content:
        start = content.read(_LONGEST_HEADER)
    line = start.replace(b"\r", b"\n").split(b"\n", 1)[0]
    if len(line) >= _LONGEST_HEADER:
        raise LoadError(f"The first line of {file} is longer than {_LONGEST_HEADER:,} bytes; it must name the columns.")
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise LoadError(
            f"{file} is not UTF-8 text. Save it as CSV in UTF-8, or as Parquet with the ending .parquet."
        ) from None
    try:
        names = [name.strip() for name in next(csv.reader([text], strict=True), [])]
    except csv.Error as error:
        raise LoadError(f"The first line of {file} cannot be read as the names of columns: {error}.") from error
    if len(names) > _MOST_COLUMNS:
        raise LoadError(f"{file} has {len(names):,} columns; at most {_MOST_COLUMNS:,} are read.")
    return names


def check_columns(file: Path, present: Iterable[str], needed: Iterable[str]) -> None:
    names = list(present)
    missing = [name for name in needed if name not in names]
    if not missing:
        repeated = sorted({name for name in needed if names.count(name) > 1})
        if repeated:
            raise LoadError(f"{file} names the column(s) {', '.join(repeated)} twice.")
        return
    raise LoadError(f"{file} lacks the column(s) {', '.join(missing)}.{other_delimiter(names)}")


def other_delimiter(names: Sequence[str]) -> str:
    """A hint, after a space, if the file seems to use another delimiter than commas; otherwise empty."""
    delimiter = next((mark for mark in ";\t|" if mark in names[0]), None) if len(names) == 1 else None
    if delimiter is None:
        return ""
    shown = {"\t": "a tab"}.get(delimiter, f"`{delimiter}`")
    return f" Its cells seem to be divided by {shown}; they must be divided by commas."


@dataclass(frozen=True)
class Scan:
    """A file's SHA-256, its number of lines below the first, and whether it contains a NUL byte."""

    digest: str
    lines: int
    binary: bool


def scan(file: Path) -> Scan:
    digest, ends, binary, last = hashlib.sha256(), 0, False, b""
    with file.open("rb") as content:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
            ends += chunk.count(b"\n")
            binary = binary or b"\0" in chunk
            last = chunk[-1:]
    return Scan(digest.hexdigest(), ends - (last == b"\n"), binary)


def columns_of(file: Path) -> list[str]:
    """The names of a file's columns. Raises LoadError if it cannot be read."""
    check_readable(file)
    if not is_parquet(file):
        return csv_columns(file)
    try:
        return list(pyarrow.parquet.read_schema(file).names)
    except (pa.ArrowException, OSError) as error:
        raise LoadError(f"{file} cannot be read as Parquet: it is damaged, or something else.") from error
