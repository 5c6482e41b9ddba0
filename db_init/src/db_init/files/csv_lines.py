"""A tolerant CSV reader for files with malformed lines. It returns readable and other lines, with line numbers."""

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

_LONGEST_LINE = 1 << 20
_MOST_JOINED = 100
"""Maximum number of further lines in one quoted cell. A line whose quote stays open longer is malformed."""

SHOWN = 10_000
"""Maximum number of characters that are kept of an unreadable line."""

UNREADABLE = "\ufffd"


@dataclass(frozen=True)
class Record:
    """A line of the file. `cells` is None unless it has the expected number of cells. `text` is cut off at SHOWN."""

    line: int
    cells: list[str] | None
    text: str


def _cells(text: str, width: int) -> list[str] | None:
    try:
        cells = next(csv.reader([text], strict=True))
    except csv.Error:
        return None
    return cells if len(cells) == width else None


def read_cells(text: str, width: int) -> list[str] | None:
    """The cells of a kept line; None if it was cut off or damaged, or does not have `width` cells."""
    whole = len(text) < SHOWN and UNREADABLE not in text
    return _cells(text, width) if whole and _readable(text) else None


def _readable(text: str) -> bool:
    return len(text) < _LONGEST_LINE and not any("\ud800" <= mark <= "\udfff" for mark in text)


def _lines(content: TextIO) -> Iterator[str]:
    """Yield lines without line ends, cut off at _LONGEST_LINE characters."""
    while line := content.readline(_LONGEST_LINE):
        rest = line
        while len(rest) == _LONGEST_LINE and not rest.endswith("\n"):
            rest = content.readline(_LONGEST_LINE)
        yield line.rstrip("\n").replace("\0", UNREADABLE)


class _Lookahead:
    """An iterator of lines that can be read ahead."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._seen: deque[str] = deque()

    def take(self) -> str | None:
        return self._seen.popleft() if self._seen else next(self._lines, None)

    def upcoming(self) -> Iterator[str]:
        yield from tuple(self._seen)
        while len(self._seen) < _MOST_JOINED and (line := next(self._lines, None)) is not None:
            self._seen.append(line)
            yield line

    def drop(self, count: int) -> None:
        for _ in range(count):
            self._seen.popleft()


def _joined(first: str, ahead: _Lookahead, width: int) -> tuple[list[str], int] | None:
    """The cells of a record whose quoted cell spans lines, and the number of further lines; None if unreadable."""
    text = first
    for taken, line in enumerate(ahead.upcoming(), 1):
        text += "\n" + line
        if len(text) >= _LONGEST_LINE:
            return None
        if '"' in line and _readable(line) and (cells := _cells(text, width)) is not None:
            return cells, taken
    return None


def read_records(file: Path, width: int) -> Iterator[Record]:
    """Yield every line below the header except blank ones. Accepts any line end; memory does not grow with the file."""
    with file.open(encoding="utf-8-sig", errors="surrogateescape") as content:
        ahead = _Lookahead(_lines(content))
        ahead.take()
        line = 1
        while (text := ahead.take()) is not None:
            line += 1
            if not text.strip():
                continue
            cells = _cells(text, width) if _readable(text) else None
            taken = 0
            if cells is None and text.count('"') % 2 and _readable(text) and (found := _joined(text, ahead, width)):
                cells, taken = found
            yield Record(line, cells, text[:SHOWN].encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
            ahead.drop(taken)
            line += taken


def rewrite(file: Path, names: Sequence[str], wanted: Sequence[str], out: Path, malformed: Path) -> None:
    """Write readable lines to `out` (line number, wanted columns), the others to `malformed` (line number, text)."""
    positions = [names.index(name) for name in wanted]
    with out.open("w", encoding="utf-8", newline="") as good, malformed.open("w", encoding="utf-8", newline="") as bad:
        good_lines, bad_lines = (csv.writer(file_, quoting=csv.QUOTE_ALL, lineterminator="\n") for file_ in (good, bad))
        for record in read_records(file, len(names)):
            if record.cells is None:
                bad_lines.writerow([record.line, record.text])
            else:
                good_lines.writerow([record.line, *(record.cells[position] for position in positions)])
