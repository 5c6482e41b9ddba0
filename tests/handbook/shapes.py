"""Whether what a command printed has the shape of what a page shows: the same words and keys; figures and ids may differ."""

import json
import re
from collections.abc import Sequence
from typing import Any

_ANY = "…"
_VARIES = re.compile(r"\S*[0-9]\S*")


def differs(shown: Sequence[str], printed: Sequence[str]) -> str | None:
    """What is different; None if nothing is. Nothing shown fits everything."""
    if not [line for line in shown if line.strip()]:
        return None
    expected = _json(shown)
    if expected is not None:
        actual = _json(printed)
        return "this is not JSON" if actual is None else _json_differs(expected, actual, "")
    return _lines_differ([line for line in shown if line.strip()], [line for line in printed if line.strip()])


def _json(lines: Sequence[str]) -> Any:
    text = "".join(line.strip() for line in lines)
    if not text.startswith(("{", "[")):
        return None
    text = text.replace("[…]", f'["{_ANY}"]').replace("{…}", f'{{"{_ANY}": 0}}').replace(",…}", f',"{_ANY}": 0}}')
    try:
        return json.loads(text)
    except ValueError:
        return None


def _json_differs(shown: Any, printed: Any, at: str) -> str | None:
    if shown is None or printed is None or shown == _ANY:
        return None
    if isinstance(shown, dict) and isinstance(printed, dict):
        return _objects_differ(shown, printed, at)
    if isinstance(shown, list) and isinstance(printed, list):
        pairs = zip(shown, printed, strict=False)
        return next((found for one, other in pairs if (found := _json_differs(one, other, f"{at}[]"))), None)
    alike = type(shown) is type(printed) or {type(shown), type(printed)} <= {int, float}
    return None if alike else f"{at} is {printed!r}"


def _objects_differ(shown: dict[str, Any], printed: dict[str, Any], at: str) -> str | None:
    keys = set(shown) - {_ANY}
    if keys - set(printed) or (_ANY not in shown and set(printed) - keys):
        return f"{at or 'the answer'} has the keys {sorted(printed)}"
    return next((found for key in keys if (found := _json_differs(shown[key], printed[key], f"{at}/{key}"))), None)


def _lines_differ(shown: list[str], printed: list[str]) -> str | None:
    position = 0
    anywhere = False
    for line in shown:
        if line.strip() in ("...", _ANY):
            anywhere = True
            continue
        pattern = _pattern(line)
        rest = range(position, len(printed)) if anywhere else range(position, min(position + 1, len(printed)))
        found = next((number for number in rest if pattern.fullmatch(printed[number].strip())), None)
        if found is None:
            near = printed[position] if position < len(printed) else "nothing more"
            return f"no line like {line!r}, but {near!r}"
        position, anywhere = found + 1, False
    return None if anywhere or position == len(printed) else f"also printed: {printed[position]!r}"


def _pattern(line: str) -> re.Pattern[str]:
    words = [_word(word) for word in line.split()]
    return re.compile(r"\s+".join(words))


def _word(word: str) -> str:
    if word in ("...", _ANY):
        return ".*"
    if _VARIES.fullmatch(word):
        return r"\S+"
    return ".*".join(re.escape(part) for part in re.split("…", word))
