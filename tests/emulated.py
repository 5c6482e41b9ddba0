"""An emulator of DynamoDB as a process of its own, in the environment that `make` gives it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from running import free_port

ROOT = Path(__file__).parents[1]
PYTHON = Path(sys.prefix) / "emulator" / "bin" / "python"
MISSING = None if PYTHON.exists() else "no emulator of DynamoDB: make .venv/emulator.stamp"

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "emulated",
    "AWS_SECRET_ACCESS_KEY": "emulated",
    "AWS_EC2_METADATA_DISABLED": "true",  # without a key, a client would ask the network
}


class Emulator(NamedTuple):
    address: str
    pid: int


@contextmanager
def emulator() -> Iterator[Emulator]:
    """An emulator that holds no table."""
    port = free_port()
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "dynamodb_emulator" / "src")}
    process = subprocess.Popen(
        [PYTHON, "-m", "dynamodb_emulator"], env=variables | {"GATEWAY_PORT": str(port)}, stdout=subprocess.DEVNULL
    )
    try:
        _wait(process, f"http://127.0.0.1:{port}/")
        yield Emulator(f"http://127.0.0.1:{port}", process.pid)
    finally:
        process.kill()
        process.wait()


def _wait(process: "subprocess.Popen[bytes]", address: str) -> None:
    deadline = time.monotonic() + 60
    headers = {"X-Amz-Target": "DynamoDB_20120810.ListTables", "Content-Type": "application/x-amz-json-1.0"}
    headers["Authorization"] = "AWS4-HMAC-SHA256 Credential=a/20260101/eu-central-1/dynamodb/aws4_request"
    while True:
        try:
            return _asked(address, headers)
        except httpx.TransportError:
            assert process.poll() is None, "the emulator did not start"
            assert time.monotonic() < deadline, "the emulator does not answer"
            time.sleep(0.05)


def _asked(address: str, headers: dict[str, str]) -> None:
    httpx.post(address, content=b"{}", headers=headers, timeout=2)
