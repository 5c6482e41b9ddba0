"""What the gateway sends a second time when a replica breaks off: what only reads, once; never a write."""

import json
import os
import uuid
from collections.abc import Iterator

import httpx
import pytest

from stack.compose import Compose, docker, eventually

REPLICA = """
import socket, threading
def serve(port):
    for connection in iter(lambda: listener[port].accept()[0], None):
        with connection:
            print(connection.recv(65536).split(b"\\r\\n")[0].decode(), flush=True)
listener = {port: socket.create_server(("0.0.0.0", port)) for port in (8001, 8002)}
threading.Thread(target=serve, args=(8001,)).start()
serve(8002)
"""
ONCE, TWICE = 1, 2

pytestmark = pytest.mark.timeout(60, func_only=True)


class Gateway:
    """Our gateway in front of two replicas that read what they are asked and break off."""

    def __init__(self, configuration: str) -> None:
        self.name = f"credit-risk-retries-{os.getpid()}"
        self._replicas = [f"{self.name}-{number}" for number in (1, 2)]
        docker("network", "create", self.name)
        for replica in self._replicas:
            docker(
                "run", "-d", "--name", replica, "--network", self.name, "--network-alias", "feature-service",
                "--network-alias", "prediction-service", "python:3.13-slim", "python3", "-c", REPLICA,
            )  # fmt: skip
        docker(
            "run", "-d", "--name", self.name, "--network", self.name, "--publish", "127.0.0.1:0:8080", "--env",
            f"CONFIGURATION={configuration}", "--tmpfs", "/tmp", "nginx:stable", "sh", "-c",
            'printf %s "$CONFIGURATION" >/tmp/nginx.conf && exec nginx -c /tmp/nginx.conf -g "daemon off;"',
        )  # fmt: skip
        self._base = "http://" + docker("port", self.name, "8080").split()[0]
        eventually(lambda: httpx.get(f"{self._base}/health/live").status_code == 200)

    def seen(self, method: str, path: str) -> tuple[str, int]:
        """The problem that a caller is told, and how often the replicas were asked."""
        mark = uuid.uuid4().hex
        answer = httpx.request(method, f"{self._base}{path}?mark={mark}", timeout=10)
        return answer.json()["type"], sum(docker("logs", replica).count(mark) for replica in self._replicas)

    def remove(self) -> None:
        docker("rm", "--force", self.name, *self._replicas)
        docker("network", "rm", self.name)


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    described = json.loads(Compose()("config", "--format", "json"))
    configuration = described["services"]["gateway"]["environment"]["CONFIGURATION"].replace("$$", "$")
    running = Gateway(configuration)
    yield running
    running.remove()


@pytest.mark.parametrize(
    ("method", "path", "times"),
    [
        ("GET", "/online_feature_store/client_id=5", TWICE),
        ("GET", "/feature_definitions", TWICE),
        ("GET", "/feature-service/online_feature_store/client_id=5", TWICE),
        ("POST", "/online_feature_store/batch", TWICE),
        ("POST", "/feature-service/online_feature_store/batch", ONCE),
        ("PUT", "/online_feature_store/client_id=5", ONCE),
        ("DELETE", "/online_feature_store/client_id=5", ONCE),
        ("PUT", "/feature-service/online_feature_store/client_id=5", ONCE),
        ("DELETE", "/feature-service/online_feature_store/client_id=5", ONCE),
    ],
)
def test_a_broken_off_request_of_features_is_repeated_only_if_it_reads(
    gateway: Gateway, method: str, path: str, times: int
) -> None:
    assert gateway.seen(method, path) == ("/problems/feature-service-unavailable", times)


@pytest.mark.parametrize(
    ("method", "path", "times"),
    [
        ("GET", "/credit_risk/client_id=5", TWICE),
        ("GET", "/models", TWICE),
        ("POST", "/credit_risk", TWICE),
        ("POST", "/credit_risk/batch", TWICE),
        ("POST", "/prediction-service/credit_risk", ONCE),
    ],
)
def test_a_broken_off_request_of_predictions_is_repeated_only_if_it_reads(
    gateway: Gateway, method: str, path: str, times: int
) -> None:
    assert gateway.seen(method, path) == ("/problems/prediction-service-unavailable", times)
