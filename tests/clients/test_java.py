"""The client of Java's standard library, in its default mode."""

import json
import shutil
from pathlib import Path

import pytest

from clients.environments import SCRIPTS, run

CLIENT = 5008804


def test_java_asks_and_posts(open_stack: str) -> None:
    java = shutil.which("java")
    if java is None or shutil.which("javac") is None:
        pytest.skip("Java's development kit is not there")
    said = run(Path(java), SCRIPTS / "JavaAsks.java", open_stack, str(CLIENT))
    answers = [json.loads(line.removeprefix("200 ")) for line in said.splitlines()]
    assert len(answers) == 6
    vector, vectors, predictions = answers[:3]
    assert vectors["features"] == [vector]
    assert [one["client_id"] for one in predictions["predictions"]] == [CLIENT]
