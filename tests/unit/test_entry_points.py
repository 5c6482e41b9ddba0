"""What every command does before and beside its work: help, and an interruption while it is imported."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = [
    "db_init", "decision_log", "prediction_service", "prediction_service.train", "feature_service", "local_stack",
    "local_stack.demo_drift",
]  # fmt: skip


def run(command: str, *arguments: str, folder: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    variables = os.environ | ({"PYTHONPATH": str(path)} if path else {}) | {"DATA_DIR": str(folder)}
    line = [sys.executable, "-m", command, *arguments]
    return subprocess.run(line, env=variables, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("command", COMMANDS)
def test_an_interruption_of_the_imports_shows_no_traceback(command: str, tmp_path: Path) -> None:
    (tmp_path / "pydantic.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    done = run(command, "--help", folder=tmp_path, path=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


@pytest.mark.parametrize("command", ["feature_service", "local_stack.demo_drift"])
def test_help_is_all_that_is_done(command: str, tmp_path: Path) -> None:
    kept = tmp_path / "demo" / "kept"
    kept.parent.mkdir()
    kept.touch()
    done = run(command, "--help", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: python -m {command}")
    assert kept.exists()
    assert run(command, "--unknown", folder=tmp_path).returncode == 2
