"""The stack that the clients ask: one that runs already (CLIENTS_URL, without keys), or one of the tests' own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from clients.environments import environment
from running import free_port

_START_SECONDS = 600


@pytest.fixture(scope="session")
def folder() -> Path:
    """Environments and data stay here between runs."""
    found = Path(os.environ.get("DATA_DIR", ".data")).resolve() / "clients"
    found.mkdir(parents=True, exist_ok=True)
    return found


@pytest.fixture(scope="session")
def programs(folder: Path) -> Callable[[str], Path]:
    return lambda name: environment(name, folder)


@contextmanager
def local_stack(folder: Path, **variables: str) -> Iterator[str]:
    """A local stack with a small sample."""
    port = free_port()
    own = {"DATA_DIR": str(folder / "stack"), "FRONT_PORT": str(port), "SAMPLE_CLIENTS": "1500"}
    with (folder / "stack.txt").open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "local_stack"], env=os.environ | own | variables, stdout=out, stderr=out
        )
    try:
        _wait(process, f"http://127.0.0.1:{port}/health/ready")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        assert process.poll() is None, "the stack ended"
        assert time.monotonic() < deadline, "the stack does not start"
        try:
            if httpx.get(url, timeout=2).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)


@pytest.fixture(scope="module")
def open_stack(folder: Path) -> Iterator[str]:
    """Needs no key."""
    if url := os.environ.get("CLIENTS_URL"):
        yield url.rstrip("/")
        return
    with local_stack(folder) as url:
        yield url
