"""Our gateway in front of two replicas that say what they were asked."""

import json
import os
import socket
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from stack.compose import docker, eventually

_REPLICA = Path(__file__).with_name("replica.py").read_text()


class FrontDoor:
    def __init__(self) -> None:
        self.name = f"credit-risk-front-door-{os.getpid()}"
        self.replicas = [f"{self.name}-{number}" for number in (1, 2)]
        docker("network", "create", self.name)
        for replica in self.replicas:
            docker(
                "run", "-d", "--name", replica, "--network", self.name, "--network-alias", "feature-service",
                "--network-alias", "prediction-service", "python:3.13-slim", "python3", "-c", _REPLICA,
            )  # fmt: skip
        docker(
            "run", "-d", "--name", self.name, "--network", self.name, "--publish", "127.0.0.1:0:8080", "--read-only",
            "--cap-drop", "ALL", f"credit-risk/gateway:{os.environ.get('TAG', 'local')}",
        )  # fmt: skip
        self.base = "http://" + docker("port", self.name, "8080").split()[0]

    def wait_until_whole(self) -> None:
        """Until every backend has both replicas."""
        eventually(lambda: self.up() == {"feature_reads": 2, "feature_writes": 2, "decisions": 2, "prediction_reads": 2,
                                         "prediction_writes": 2})  # fmt: skip

    def up(self) -> dict[str, int]:
        """How many replicas each backend has that are up, as the metrics tell, without the way to one that is not ready."""
        lines = [
            line
            for line in self.metrics().splitlines()
            if line.startswith("haproxy_backend_active_servers") and "unready" not in line
        ]
        return {line.split('"')[1]: int(line.split()[-1]) for line in lines if "front" not in line}

    def metrics(self) -> str:
        """Empty while it does not listen yet."""
        return self.inside(8405, "GET /metrics HTTP/1.0")

    def inside(self, port: int, request_line: str) -> str:
        """The answer of a port that is not published, whole."""
        request = f"{request_line}\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n"
        script = f"exec 3<>/dev/tcp/127.0.0.1/{port} && printf '{request}' >&3 && cat <&3 || true"
        return docker("exec", self.name, "bash", "-c", script)

    def asked(self, mark: str) -> int:
        """How often the replicas were asked what has this mark."""
        return sum(docker("logs", replica).count(mark) for replica in self.replicas)

    def seen(self, method: str, path: str, *, warm: bool) -> tuple[int, str, int]:
        """Status and type of the answer to a request that both replicas break off, and how often they were asked.

        `warm`: over connections that have answered before. Status 0: the connection was closed.
        """
        mark = uuid.uuid4().hex
        with httpx.Client(base_url=self.base, timeout=10) as client:
            if warm:
                for _ in range(3):
                    client.request(method, path).raise_for_status()
            try:
                answer = client.request(method, f"{path}?mark={mark}&break")
            except httpx.RemoteProtocolError:
                return 0, "", self.asked(mark)
        return answer.status_code, answer.json()["type"], self.asked(mark)

    def sent(self, *parts: bytes) -> tuple[int, dict[str, str], bytes]:
        """The answer to these bytes: status, headers, body."""
        address = urlsplit(self.base)
        with socket.create_connection((address.hostname or "", address.port or 80), 15) as connection:
            for part in parts:
                connection.sendall(part)
            received = b""
            while chunk := connection.recv(65536):
                received += chunk
        head, _, body = received.partition(b"\r\n\r\n")
        status, *fields = head.decode().split("\r\n")
        pairs = (field.partition(": ") for field in fields)
        return int(status.split()[1]), {name.lower(): value for name, _, value in pairs}, body

    def remove(self) -> None:
        docker("rm", "--force", self.name, *self.replicas)
        docker("network", "rm", self.name)


def problem(answer: tuple[int, dict[str, str], bytes]) -> tuple[int, str]:
    """Status and type of an answer that must be a problem document."""
    status, headers, body = answer
    assert headers["content-type"] == "application/problem+json"
    assert int(headers["content-length"]) == len(body)
    said = json.loads(body)
    assert said["status"] == status
    assert said["title"]
    assert status != 503 or headers["retry-after"] == "1"
    return status, said["type"]
