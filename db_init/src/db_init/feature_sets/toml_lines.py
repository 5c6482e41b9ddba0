"""Line numbers of the keys in a TOML file, for messages."""

import re
from collections import Counter
from collections.abc import Sequence

Path = tuple[str | int, ...]

_BARE_OR_QUOTED = r'(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|\'[^\']*\')'
_DOTTED = rf"{_BARE_OR_QUOTED}(?:\s*\.\s*{_BARE_OR_QUOTED})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_DOTTED})\s*\]")
_KEY = re.compile(rf"\s*({_DOTTED})\s*=")
_PART = re.compile(_BARE_OR_QUOTED)
_LONG = re.compile(r"\"\"\"|'''")


def _parts(dotted: str) -> list[str]:
    return [part.strip("\"'") for part in _PART.findall(dotted)]


class TomlLines:
    """The line number of each table and key in a TOML text, by path, such as ("feature", 3, "minimum")."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Path, int] = {}
        self._counted: Counter[Path] = Counter()
        table: Path = ()
        inside_text = False
        for number, line in enumerate(text.splitlines(), 1):
            starts_inside = inside_text
            inside_text ^= len(_LONG.findall(line)) % 2 == 1
            if starts_inside:
                continue
            if header := _HEADER.match(line):
                table = self._table(_parts(header[2]), repeated=header[1] == "[[")
                self._lines.setdefault(table, number)
            elif key := _KEY.match(line):
                path = table
                for part in _parts(key[1]):
                    path = (*path, part)
                    self._lines.setdefault(path, number)

    def _table(self, parts: list[str], *, repeated: bool) -> Path:
        path: Path = ()
        for position, part in enumerate(parts):
            path = (*path, part)
            if repeated and position == len(parts) - 1:
                self._counted[path] += 1
            if path in self._counted:
                path = (*path, self._counted[path] - 1)
        return path

    def has(self, path: Path) -> bool:
        return path in self._lines

    def line(self, path: Sequence[str | int]) -> int:
        """The line of the path, or of the nearest enclosing table; 1 if there is none."""
        for end in range(len(path), 0, -1):
            if tuple(path[:end]) in self._lines:
                return self._lines[tuple(path[:end])]
        return 1
