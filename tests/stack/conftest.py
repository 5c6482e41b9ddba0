"""The images that we ship, built from this checkout, and the whole system made of them."""

import subprocess
from collections.abc import Iterator

import pytest

from stack.compose import ROOT, Compose


@pytest.fixture(scope="session")
def images() -> None:
    subprocess.run(["docker", "compose", "--progress", "quiet", "build"], cwd=ROOT, check=True, timeout=900)


@pytest.fixture(scope="package")
def compose(images: None) -> Iterator[Compose]:
    running = Compose()
    try:
        running("up", "-d", "--wait")
        yield running
    finally:
        running("down", "-v", "--timeout", "5")
