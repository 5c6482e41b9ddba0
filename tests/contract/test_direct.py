"""Hot operations are answered past ASGI's messages, with the same bytes, and give back what they take."""

import json
import socket
import time
from contextlib import ExitStack
from random import Random
from typing import Any

import pytest
from starlette.types import Scope

from contract.serving import sent, served
from service_kit.layer import HotRequest

VECTOR = "/online_feature_store/client_id=5"
BATCH = b'{"client_ids":[5,9]}'


def get(path: str = VECTOR, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", "X-Request-ID: same", *headers, "", ""]).encode()


def posted(body: bytes, *headers: str) -> bytes:
    lines = ["POST /online_feature_store/batch HTTP/1.1", "Host: localhost", "X-Request-ID: same"]
    lines += ["Content-Type: application/json", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


ORDINARY = [get(), get(f"{VECTOR}?as_of=2024-01-01T00:00:00Z"), posted(BATCH), posted(b" " * 60_000 + BATCH)]
OTHERS = [
    get("/online_feature_store/client_id=9"),
    get("/online_feature_store/client_id=x"),
    get("/online_feature_store/client_id=%35"),
    get(f"{VECTOR}#fragment"),
    get(f"{VECTOR}?as_of=2024-01-01T00:00:00Z#fragment"),
    get(f"{VECTOR}?as_of=yesterday"),
    get(VECTOR, "X-Request-Timeout-Ms: 0"),
    get(VECTOR, "Host: localhost"),
    get(VECTOR, "Connection: close"),
    get(VECTOR, "Content-Length: 0"),
    get("http://localhost/online_feature_store/client_id=5"),
    posted(b""),
    posted(b"{"),
    posted(b" " * 70_000 + BATCH),
    posted(b" " * 2_000_000 + BATCH),
    posted(BATCH, "Expect: 100-continue"),
    posted(b"5", "Content-Type: text/plain"),
]


def undated(answer: bytes) -> list[bytes]:
    return [line for line in answer.split(b"\r\n") if not line.startswith(b"date: ")]


def test_answers_are_those_that_uvicorn_would_write(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = 0
    answer_directly = HotRequest.answer

    async def counting(self: HotRequest, scope: Scope, body: bytes) -> Any:
        nonlocal answered
        answer = await answer_directly(self, scope, body)
        answered += answer is not None
        return answer

    monkeypatch.setattr(HotRequest, "answer", counting)
    for requests, directly in ((ORDINARY, len(ORDINARY)), (OTHERS, 0)):
        answered = 0
        with served() as one, served(directly=False) as other:
            for request in requests:
                ours, uvicorns = (undated(sent(running.port, request, patience=0.3)) for running in (one, other))
                assert ours == uvicorns, request[:200]
                assert ours[0].startswith(b"HTTP/1.1 ")
        assert answered == directly


# Those that leave the connection open: where it is closed on what was sent, the caller may lose the answers.
_KEPT = [
    *ORDINARY,
    *(one for one in OTHERS if b"close" not in one and len(one) < 1_000_000),
    get("/health/live"),
    get("/nowhere"),
    get().replace(b"GET", b"HEAD", 1),
    get(VECTOR, "Content-Length: 3") + b"abc",
    get(VECTOR, "Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\nx: y\r\n\r\n",
    get(VECTOR, "Upgrade: h2c", "Connection: upgrade"),
    b"\r\n" + get(),
]


@pytest.mark.parametrize("seconds", [0.0, 0.003])
def test_requests_in_any_order_cut_anywhere_are_answered_as_by_uvicorn(seconds: float) -> None:
    with served(seconds) as one, served(seconds, directly=False) as other:
        for seed in range(60):
            drawn = Random(seed)
            asked = b"".join(drawn.choices(_KEPT, k=drawn.randint(1, 5))) + get(VECTOR, "Connection: close")
            cuts = sorted(drawn.sample(range(1, len(asked)), k=drawn.randint(0, 4)))
            parts = [asked[start:end] for start, end in zip([0, *cuts], [*cuts, len(asked)], strict=True)]
            ours, uvicorns = (undated(sent(running.port, *parts, pause=0.002)) for running in (one, other))
            assert ours == uvicorns, f"seed {seed}"
        assert not one.protocol.slots.taken


def test_a_connection_goes_on_after_answers_of_every_kind() -> None:
    unknown, invalid = get("/online_feature_store/client_id=9"), get(f"{VECTOR}?as_of=x")
    asked = [get(), unknown, get(), invalid, posted(BATCH), get("/health/live"), posted(b"{"), get()]
    with served() as running:
        answers = sent(running.port, *asked, pause=0.05, patience=0.5)
        assert not running.protocol.slots.taken
    statuses = [int(part[:3]) for part in answers.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [200, 404, 200, 422, 200, 200, 422, 200]


def test_what_follows_while_an_answer_is_made_keeps_its_own_body() -> None:
    unknown = get("/online_feature_store/client_id=9")
    with served(seconds=0.3) as running:
        for first, status in ((get(), 200), (unknown, 404)):
            batch = posted(BATCH)
            answers = sent(running.port, first + batch[:-10], batch[-10:-4], batch[-4:], pause=0.2, patience=1)
            assert [int(part[:3]) for part in answers.split(b"HTTP/1.1 ")[1:]] == [status, 200]
            assert b'"not_found":[9]' in answers
            assert not running.protocol.slots.taken
            assert not running.server.server_state.tasks


def test_a_body_that_stops_arriving_gives_its_slot_back() -> None:
    with served(receive_timeout_seconds=0.3, max_concurrent_requests=1) as running, ExitStack() as stack:
        for ended in (False, True):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=2))
            connection.sendall(posted(BATCH)[:-3])
            time.sleep(0.1)
            assert running.protocol.slots.taken == 1
            assert b" 503 " in sent(running.port, get(VECTOR, "Connection: close"))
            if ended:
                connection.close()
                time.sleep(0.1)
            else:
                assert connection.recv(65_536).startswith(b"HTTP/1.1 408 ")
            assert running.protocol.slots.taken == 0
            assert b" 200 " in sent(running.port, get(VECTOR, "Connection: close"))


def test_a_caller_that_hangs_up_ends_the_work_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    with served(seconds=5) as running:
        for request in (get(), posted(BATCH)):
            with socket.create_connection(("127.0.0.1", running.port)) as connection:
                connection.sendall(request)
                time.sleep(0.1)
                assert running.protocol.slots.taken == 1
            time.sleep(0.1)
            assert running.protocol.slots.taken == 0
            assert not running.server.server_state.tasks
        metrics = sent(running.port, get("/metrics", "Connection: close")).decode()
    assert 'http_response_status_code="499"' in metrics
    assert "Traceback" not in capsys.readouterr().err


def test_a_defect_is_an_internal_error_and_the_connection_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with served() as running:
        with monkeypatch.context() as patch:
            patch.setattr("feature_service.routes.reading._served", lambda _: 1 / 0)
            answer = sent(running.port, get(), patience=3).removesuffix(b"STILL OPEN")
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert json.loads(answer.rpartition(b"\r\n\r\n")[2])["type"] == "/problems/internal-error"
        assert b" 200 " in sent(running.port, get(VECTOR, "Connection: close"))


def test_a_kept_connection_is_closed_after_five_idle_seconds_and_not_before() -> None:
    with served() as running, socket.create_connection(("127.0.0.1", running.port), timeout=7) as connection:
        for _ in range(2):  # the clock starts again with each answer
            connection.sendall(get())
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
            time.sleep(2.5)
        started = time.monotonic()
        assert connection.recv(65_536) == b""
        assert 1.5 < time.monotonic() - started < 4
