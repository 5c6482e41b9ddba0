"""An emulator of DynamoDB as a process of its own, in the environment that `make` gives it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from running import free_port, wait_for_answer

ROOT = Path(__file__).parents[1]
PYTHON = Path(sys.prefix) / "emulator" / "bin" / "python"
MISSING = None if PYTHON.exists() else "no emulator of DynamoDB: make .venv/emulator.stamp"

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "emulated",
    "AWS_SECRET_ACCESS_KEY": "emulated",
    "AWS_EC2_METADATA_DISABLED": "true",  # without a key, a client would ask the network
}
_LIST_TABLES = {
    "X-Amz-Target": "DynamoDB_20120810.ListTables",
    "Content-Type": "application/x-amz-json-1.0",
    "Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/eu-central-1/dynamodb/aws4_request",
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
        wait_for_answer(f"http://127.0.0.1:{port}/", process, method="POST", content=b"{}", headers=_LIST_TABLES)
        yield Emulator(f"http://127.0.0.1:{port}", process.pid)
    finally:
        process.kill()
        process.wait()
