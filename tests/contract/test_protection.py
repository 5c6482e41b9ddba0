"""What keeps browsers, caches and callers who never finish from doing harm."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from asgi import client_of
from contract.serving import sent
from feature_service.app import create_app as create_feature_app
from local_stack.front import FrontDoor
from prediction_service.app import create_app as create_prediction_app
from prediction_service.settings import Settings as PredictionSettings
from service_kit.server.direct import protocol_for
from service_kit.settings import ServiceSettings

LIMITS = ServiceSettings(max_head_bytes=4096, receive_timeout_seconds=0.5)
GET = b"GET /health/live HTTP/1.1\r\nHost: x\r\n"


def apps(model_dir: Path) -> list[FastAPI]:
    return [create_feature_app(), create_prediction_app(PredictionSettings(decision_log=False, model_dir=model_dir))]


def asked(app: FastAPI, path: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with client_of(app) as client:
            return await client.get(path)

    return asyncio.run(ask())


@pytest.mark.parametrize(
    "path", ["/health/live", "/nothing", "/metrics", "/openapi.json", "/credit_risk/client_id=x", "/docs", "/docs/start.js",
             "/docs/assets/swagger-ui.css"]
)  # fmt: skip
def test_every_answer_is_protected_and_none_about_persons_may_be_kept(model_dir: Path, path: str) -> None:
    for app in apps(model_dir):
        for _ in range(2):  # the page is one object for all who ask
            headers = asked(app, path).headers
            assert set(headers.get_list("x-content-type-options")) == {"nosniff"}
            assert headers.get_list("referrer-policy") == ["no-referrer"]
            assert headers.get_list("cache-control") == ([] if path.startswith("/docs") else ["no-store"])


def test_every_page_has_a_policy_that_it_keeps(model_dir: Path) -> None:
    for app in apps(model_dir):
        page = asked(app, "/docs")
        policy = dict(part.strip().partition(" ")[::2] for part in page.headers["content-security-policy"].split(";"))
        assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == "'self'"
        assert "<style" not in page.text
        assert "style=" not in page.text
        assert page.text.count("<script") == page.text.count("<script src=")


def test_the_front_doors_own_page_has_the_policy_too(model_dir: Path) -> None:
    async def page() -> httpx.Response:
        features, predictions = apps(model_dir)
        transport = httpx.ASGITransport(FrontDoor(features, predictions, ServiceSettings())._own)
        async with httpx.AsyncClient(transport=transport, base_url="http://front") as client:
            return await client.get("/docs")

    headers = asyncio.run(page()).headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


@contextmanager
def served() -> Iterator[int]:
    """The port of a feature service whose database is away."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        create_feature_app(), http=protocol_for(LIMITS), log_config=None, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with served() as number:
        yield number


def assert_refused(answer: bytes, status: int) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer[:200]
    assert b"Content-Type: application/problem+json" in head
    assert json.loads(body)["status"] == status


def test_a_request_within_the_limits_is_answered_also_in_pieces(port: int) -> None:
    whole = GET + b"X-Long: " + b"x" * 3000 + b"\r\nConnection: close\r\n\r\n"
    assert sent(port, whole).startswith(b"HTTP/1.1 200 ")
    pieces = [whole[start : start + 400] for start in range(0, len(whole), 400)]
    assert sent(port, *pieces, pause=0.01).startswith(b"HTTP/1.1 200 ")


def test_a_body_may_be_longer_than_a_head(port: int) -> None:
    body = b'{"client_ids":[' + b" " * 100_000 + b"0]}"
    head = b"POST /online_feature_store/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
    parts = (head + b"Content-Length: %d\r\n\r\n" % len(body), body[:50_000], body[50_000:])
    assert sent(port, *parts, pause=0.05).startswith(b"HTTP/1.1 422 ")
    assert sent(port, b"".join(parts)).startswith(b"HTTP/1.1 422 ")


def test_a_kept_connection_counts_each_request_anew(port: int) -> None:
    halves = (GET + b"X-Long: " + b"x" * 1500, b"\r\n\r\n")
    last = GET + b"Connection: close\r\n\r\n"
    answer = sent(port, *halves * 5, last, pause=0.08)
    assert answer.count(b"HTTP/1.1 200 ") == 6


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (GET + b"X-Long: " + b"x" * 5000 + b"\r\n\r\n", 431),
        (GET + b"X-Long: " + b"x" * 5000, 431),
        (GET + b"".join(b"X-%d: 1\r\n" % n for n in range(150)) + b"\r\n", 431),
        (b"GET /" + b"x" * 8200 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET /" + b"x" * 5000, 431),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ],
)  # fmt: skip
def test_what_is_too_long_or_no_http_is_refused_and_the_connection_closed(
    port: int, request_bytes: bytes, status: int
) -> None:
    assert_refused(sent(port, request_bytes), status)


def test_an_endless_head_is_ended_before_it_fills_memory(port: int) -> None:
    started = time.monotonic()
    assert b"STILL OPEN" not in sent(port, GET, *[b"X-More: " + b"x" * 990 + b"\r\n"] * 5000)
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("begun", [b"", b"GET", GET, b"POST /credit_risk HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"])
def test_a_caller_who_does_not_finish_is_let_go(port: int, begun: bytes) -> None:
    started = time.monotonic()
    answer = sent(port, begun)
    assert b"STILL OPEN" not in answer
    assert 0.3 < time.monotonic() - started < 1.5
    if not begun.startswith(b"POST"):
        assert_refused(answer, 408)


def test_a_drop_at_a_time_does_not_buy_more_time(port: int) -> None:
    started = time.monotonic()
    assert_refused(sent(port, GET, *[b"X-A: b\r\n"] * 3, pause=0.11), 408)
    assert time.monotonic() - started < 0.7


def test_a_slow_answer_is_not_a_slow_caller() -> None:
    """The clock runs while a request arrives, not while it is answered or the connection is kept."""
    with served() as port, socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
        for _ in range(2):
            connection.sendall(GET + b"\r\n")
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
            time.sleep(0.8)
