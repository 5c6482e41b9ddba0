"""A load keeps to the memory that it is given, and tells a person at a terminal how far it is."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from credit_default import beside_another_pipeline
from db_init.__main__ import main
from db_init.settings import Settings
from loans import rows

MEASURED = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
sys.exit(code)
"""


@pytest.fixture(scope="module")
def three_hundred_thousand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("large") / "loans.csv"
    assert main(["sample", "--clients", "14200", "--seed", "1", "--out", str(file)]) == 0
    return file


def environment(settings: Settings, **changes: str) -> dict[str, str]:
    return os.environ | {"DB_INIT_DATABASE_URL": settings.database_url.get_secret_value()} | changes


def measured(settings: Settings, command: list[str]) -> list[str]:
    """The report of a command in a hundred megabytes, and the most memory that it had, in megabytes."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *command],
        env=environment(settings, DB_INIT_MEMORY="100MB"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_three_hundred_thousand_loans_in_a_hundred_megabytes(
    settings: Settings, three_hundred_thousand: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "db_init", "load", str(three_hundred_thousand), "--report", "json"]
    report, peak = measured(settings, command)
    assert json.loads(report)["read"] > 300_000
    assert rows(settings, "SELECT count(*) FROM feature_history") == [(json.loads(report)["loaded"],)]
    assert int(peak) < 400  # megabytes: those of the pipeline, and about 170 for Python and its libraries
    changed = beside_another_pipeline(tmp_path)
    command = [*command[:4], "--recompute", "--feature-set", str(changed), "--report", "json"]
    report, peak = measured(settings, command)
    assert json.loads(report)["events_changed"] > 200_000
    assert int(peak) < 400


def test_too_little_memory_is_one_line_and_changes_nothing(settings: Settings, three_hundred_thousand: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "db_init", "load", str(three_hundred_thousand)],
        env=environment(settings, DB_INIT_MEMORY="20MB"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "may use 20MB of memory (DB_INIT_MEMORY)" in done.stderr
    assert rows(settings, "SELECT count(*) FROM feature_history") == [(0,)]


@pytest.mark.skipif(shutil.which("script") is None, reason="needs script, which opens a terminal")
def test_on_a_terminal_reading_and_writing_show_rows_per_second_and_the_time_left(
    settings: Settings, three_hundred_thousand: Path
) -> None:
    load = f"{sys.executable} -m db_init load {three_hundred_thousand}"
    done = subprocess.run(
        ["script", "-qec", load, "/dev/null"],
        env=environment(settings, TERM="xterm", COLUMNS="150"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", done.stdout)
    shown = shown.replace("\r", "\n")
    for step in ("reading loans.csv", "writing"):
        assert re.search(rf"{step} .* [0-9,]+ rows/s +0:00:[0-9]+ +[0-9-]:[0-9-]+:[0-9-]+", shown)
