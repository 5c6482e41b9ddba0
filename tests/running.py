"""A service as a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

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
        with plain_client(timeout=2) as client:
            answer = client.get(f"{self.base}/health/ready")
        return answer.status_code, answer.json().get("type"), answer.headers.get("retry-after")


def wait_for_answer(url: str, process: subprocess.Popen[bytes], **asked: Any) -> None:
    """Until there is one, whatever it says."""
    deadline = time.monotonic() + 120
    with plain_client(timeout=5) as client:
        while True:
            try:
                client.request(url=url, **({"method": "GET"} | asked))
            except httpx.TransportError:
                assert process.poll() is None, "it did not start"
                assert time.monotonic() < deadline, "it does not answer"
                time.sleep(0.05)
            else:
                return


def plain_client(**options: Any) -> httpx.Client:
    """For plain HTTP. To read the certificates of this machine takes longer than to ask a service."""
    return httpx.Client(verify=False, **options)


@contextmanager
def service(package: str, **options: object) -> Iterator[Running]:
    port = free_port()
    prefix = package.upper()
    named = {f"{prefix}_{name.upper()}": str(value) for name, value in options.items()}
    environment = os.environ | {f"{prefix}_PORT": str(port)} | named
    process = subprocess.Popen([sys.executable, "-m", package], env=environment, stdout=subprocess.DEVNULL)
    try:
        wait_for_answer(f"http://127.0.0.1:{port}/health/live", process)
        yield Running(process, port)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
