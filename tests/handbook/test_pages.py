"""The commands of each page of the documentation, run in their order against one running stack: they do what is shown."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Self

import pytest

from folders import database_folder
from handbook.blocks import PAGES, ROOT, Block, blocks
from handbook.german import write_german_credit
from handbook.shapes import differs
from running import free_port

pytestmark = pytest.mark.timeout(1200)
_START_SECONDS = 600
_COMMAND_SECONDS = 300
_PATIENT = {  # where the machine is busy: what is shown is the answer, not that there was none in time
    "OMP_NUM_THREADS": "1",
    "FEATURE_SERVICE_DATABASE_TIMEOUT_SECONDS": "8",
    "FEATURE_SERVICE_ANSWER_TIMEOUT_SECONDS": "10",
    "PREDICTION_SERVICE_ANSWER_TIMEOUT_SECONDS": "10",
    "PREDICTION_SERVICE_FEATURE_SERVICE_TIMEOUT_SECONDS": "8",
    "PREDICTION_SERVICE_DECISION_LOG_TIMEOUT_SECONDS": "8",
}
_SHOWN_ADDRESS = "127.0.0.1:8000"
_WITH_COMMANDS = [page for page in PAGES if any(not block.not_run for block in blocks(page))]


class Stack(NamedTuple):
    port: int
    folder: Path
    said: str


def _started(folder: Path, port: int) -> Iterator[Stack]:
    variables = _PATIENT | {"DATA_DIR": str(folder / ".data"), "FRONT_PORT": str(port), "SAMPLE_CLIENTS": "1500"}
    said = folder / "stack.txt"
    with said.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "local_stack"], env=os.environ | variables, stdout=out, stderr=out
        )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while "the console: " not in said.read_text():
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < deadline, said.read_text()
            time.sleep(0.5)
        yield Stack(port, folder, said.read_text())
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with database_folder("handbook") as folder:
        folder.chmod(0o755)
        for shared in ("docs", "examples", "tests", "deploy", "gateway"):
            (folder / shared).symlink_to(ROOT / shared)
        (folder / ".venv").symlink_to(sys.prefix)
        write_german_credit(folder)
        if running := os.environ.get("HANDBOOK_STACK"):  # PORT and DATA_DIR of one that runs already
            port, data = running.split()
            (folder / ".data").symlink_to(data)
            yield Stack(int(port), folder, "")
            return
        yield from _started(folder, free_port())


@pytest.mark.parametrize("page", _WITH_COMMANDS, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_a_page_do_what_it_shows(page: Path, stack: Stack) -> None:
    with Shell(stack) as shell:
        wrong = [problem for block in blocks(page) if not block.not_run for problem in shell.problems(block)]
    assert wrong == []


class Shell:
    """A shell in the folder of the stack, as a reader has it."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        kept = {name: os.environ[name] for name in ("HOME", "PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"], cwd=stack.folder, env=kept, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def problems(self, block: Block) -> Iterator[str]:
        for command in block.commands:
            if command.text.startswith("make run"):
                status, printed = 0, self._stack.said.splitlines() or command.output
            else:
                status, printed = self._run(command.text)
            shown = [self._here(line) for line in command.output]
            if status:
                yield f"line {block.line}, {command.text!r} ended with {status}: {printed[-3:]}"
            elif difference := differs(shown, printed):
                yield f"line {block.line}, {command.text!r}: {difference}"

    def _here(self, text: str) -> str:
        return text.replace(_SHOWN_ADDRESS, f"127.0.0.1:{self._stack.port}")

    def _run(self, command: str) -> tuple[int, list[str]]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f'{{ {self._here(command)}\n}} </dev/null\nended=$?; echo; echo "ended $ended"\n')
        self._process.stdin.flush()
        printed: list[str] = []
        timer = threading.Timer(_COMMAND_SECONDS, self._process.kill)
        timer.start()
        try:
            for line in self._process.stdout:
                if found := re.fullmatch(r"ended (\d+)\n", line):
                    return int(found[1]), printed
                printed.append(line.rstrip("\n"))
        finally:
            timer.cancel()
        return 124, printed


ELSEWHERE = {
    "kubernetes.md": "its commands need a cluster",
    "swarm.md": "its commands need a swarm, and the images",
    "dynamodb.md": "its commands need DynamoDB",
}


def test_whatever_looks_like_a_command_is_in_such_a_block() -> None:
    loose = []
    for page in (page for page in PAGES if page.name not in ELSEWHERE):
        outside = re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        loose += [
            (page.name, line) for line in outside.splitlines() if re.match(r" {4,}(curl|make|python|docker|\$) ", line)
        ]
        fences = re.findall(r"^ *```(\S*)\n(.*?)^ *```$", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        loose += [
            (page.name, body)
            for name, body in fences
            if name != "console" and re.search(r"^ *(\$|curl|make|python|docker) ", body, re.MULTILINE)
        ]
    assert loose == []


def test_what_is_not_run_says_why() -> None:
    reasons = [(page.name, block.not_run) for page in PAGES for block in blocks(page) if block.not_run is not None]
    assert [page for page, reason in reasons if len(reason or "") < 15] == []
