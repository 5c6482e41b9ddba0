"""The whole system as a user starts it: `docker compose up`, in a project of its own."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Any

import httpx

CLIENT = 5008804
ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def docker(*arguments: str, timeout: float = 60, both: bool = False) -> str:
    """What the command prints; with `both`, what it complains of, too."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout + done.stderr if both else done.stdout


def inspected(container: str) -> dict[str, Any]:
    described: dict[str, Any] = json.loads(docker("inspect", container))[0]
    return described


class Compose:
    def __init__(self, *more: str) -> None:
        """With these files laid over docker-compose.yml; a project of its own for each choice of them."""
        # The front door keeps its port when its container starts again; 0 would give it another.
        self.front = f"http://127.0.0.1:{(port := free_port())}"
        self._environment = os.environ | {
            "COMPOSE_PROJECT_NAME": "-".join(["credit-risk-test", str(os.getpid()), *(Path(one).stem for one in more)]),
            "COMPOSE_FILE": os.pathsep.join(["docker-compose.yml", *more]),
            "FRONT_PORT": str(port), "FEATURE_PORT": "0", "PREDICTION_PORT": "0", "SAMPLE_CLIENTS": "3000",
        }  # fmt: skip

    def __call__(self, *arguments: str, timeout: float = 300) -> str:
        done = subprocess.run(
            ["docker", "compose", *arguments], cwd=ROOT, env=self._environment, capture_output=True, text=True,
            timeout=timeout, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    def with_profile(self, profile: str) -> "Compose":
        """The same system, with what a profile adds."""
        other = copy(self)
        other._environment = self._environment | {"COMPOSE_PROFILES": profile}
        return other

    def containers(self, *services: str, all: bool = False) -> list[str]:  # noqa: A002 -- as the option is called
        return self("ps", "-q", *(["--all"] if all else []), *services).split()

    def secrets(self) -> list[str]:
        """The passwords of this installation."""
        [database] = self.containers("db")
        return docker("exec", database, "sh", "-c", "for f in /run/secrets/*; do cat $f; echo; done").split()

    def base(self, service: str, port: int) -> str:
        return f"http://{self('port', service, str(port)).strip()}"

    def get(self, path: str, service: str = "gateway", port: int = 8080) -> httpx.Response:
        return httpx.get(f"{self.base(service, port)}/{path}", timeout=10)


def eventually(check: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if check():
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline, "it did not come back"
        time.sleep(0.3)


def wait_until_healthy(container: str) -> None:
    eventually(lambda: inspected(container)["State"]["Health"]["Status"] == "healthy")
