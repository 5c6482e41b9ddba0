"""Unit tests open no sockets and train nothing."""

import socket
from pathlib import Path
from typing import NoReturn

import pytest


@pytest.fixture(autouse=True)
def _no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> NoReturn:
        pytest.fail("a unit test opens no sockets: it belongs to tests/contract or tests/integration")

    for method in ("bind", "connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, method, refuse)


@pytest.fixture(scope="session")
def model_dir() -> Path:
    pytest.fail("a unit test trains no model: it belongs to tests/contract or tests/integration")
