"""The images that we ship, built from this checkout."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def images() -> None:
    subprocess.run(["docker", "compose", "--progress", "quiet", "build"], cwd=ROOT, check=True, timeout=900)
