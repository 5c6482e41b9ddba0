"""The blocks of commands in the documentation.

A fenced block `console` has commands after `$ ` (continued after `> `) and what they print. The comment before it says if it is
not run as the others are: `<!-- not run: REASON -->`. The command `make run` is the stack that all pages ask.
"""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]

_FENCE = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^\n]*?) -->\n)?^(?P<indent> *)```console\n(?P<body>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)


class Command(NamedTuple):
    text: str
    output: list[str]


class Block(NamedTuple):
    line: int
    commands: list[Command]
    not_run: str | None


def blocks(page: Path) -> list[Block]:
    text = page.read_text()
    found = []
    for match in _FENCE.finditer(text):
        body = [line.removeprefix(match["indent"]) for line in match["body"].splitlines()]
        found.append(Block(text.count("\n", 0, match.start()) + 1, _commands(body), match["reason"]))
    return found


def _commands(lines: list[str]) -> list[Command]:
    commands: list[Command] = []
    for line in lines:
        if line.startswith("$ "):
            commands.append(Command(line[2:], []))
        elif line.startswith("> ") and commands and not commands[-1].output:
            last = commands.pop()
            commands.append(Command(f"{last.text}\n{line[2:]}", []))
        else:
            commands[-1].output.append(line)
    return commands
