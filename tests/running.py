"""A service as a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import httpx


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Running(NamedTuple):
    process: subprocess.Popen[bytes]
    port: int

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> float:
        """Tell it to stop. Returns when that was."""
        self.process.send_signal(signal.SIGTERM)
        return time.monotonic()

    def readiness(self) -> tuple[int, str | None, str | None]:
        answer = httpx.get(f"{self.base}/health/ready", timeout=2)
        return answer.status_code, answer.json().get("type"), answer.headers.get("retry-after")


@contextmanager
def service(package: str, **options: object) -> Iterator[Running]:
    port = free_port()
    prefix = package.upper()
    named = {f"{prefix}_{name.upper()}": str(value) for name, value in options.items()}
    environment = os.environ | {f"{prefix}_PORT": str(port)} | named
    process = subprocess.Popen([sys.executable, "-m", package], env=environment, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/health/live", timeout=1)
                break
            except httpx.TransportError:
                assert process.poll() is None, "the service did not start"
                assert time.monotonic() < deadline, "the service does not answer"
                time.sleep(0.05)
        yield Running(process, port)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
