"""No caller can take from another what the service has: slots, memory, time. Each test speaks bytes on a socket."""

import gc
import json
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType

import pytest

from contract.serving import Served, sent, served
from service_kit.access.keys import digest_of, new_key
from service_kit.server.shedding import shed

KEY = new_key()
KEYS = f"name=a scopes=features:read sha256={digest_of(KEY.encode()).hex()}"
VECTOR = "/online_feature_store/client_id=5"


def get(path: str = VECTOR, *headers: str, method: str = "GET", host: str = "localhost") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", *headers, "", ""]).encode()


def posted(*headers: str, body: bytes = b"", length: bool = True) -> bytes:
    size = [f"Content-Length: {len(body)}"] if length else ["Transfer-Encoding: chunked"]
    lines = ["POST /online_feature_store/batch HTTP/1.1", "Host: localhost", "Content-Type: application/json", *size]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


def statuses(answers: bytes) -> list[int]:
    return [int(part[:3]) for part in answers.split(b"HTTP/1.1 ")[1:]]


def problem_of(answer: bytes) -> str:
    return str(json.loads(answer.rpartition(b"\r\n\r\n")[2])["type"])


def open_unread(stack: ExitStack, running: Served, request: bytes) -> socket.socket:
    """A connection whose answer is not read, and hardly fits anywhere."""
    connection = stack.enter_context(socket.socket())
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    connection.connect(("127.0.0.1", running.port))
    connection.sendall(request)
    return connection


def test_callers_that_never_read_are_cut_off_and_take_no_place_of_others() -> None:
    large = get("/docs/assets/swagger-ui-bundle.js")
    with (
        served(send_timeout_seconds=0.5, max_concurrent_requests=4, max_public_requests=4) as running,
        ExitStack() as stack,
    ):
        for _ in range(12):
            open_unread(stack, running, large * 6)
        time.sleep(0.2)
        assert statuses(sent(running.port, get(VECTOR, "Connection: close"))) == [200]
        # Those that were refused are kept alive for five seconds.
        wait_until(lambda: not running.server.server_state.connections, 20)
        assert not running.protocol.public_slots.taken


def wait_until(holds: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.02)


@pytest.mark.parametrize("ids", [300, 900])  # what is left of the answer: below what pauses writing, and above
def test_a_closed_connection_does_not_wait_for_a_reader_for_good(ids: int) -> None:
    with served(send_buffer=4_096, send_timeout_seconds=3) as running, ExitStack() as stack:
        large = b'{"client_ids":[' + b"5," * (ids - 1) + b"5]}"
        open_unread(stack, running, posted("Connection: close", body=large))
        wait_until(lambda: len(running.server.server_state.connections) == 1, 2)
        wait_until(lambda: not running.protocol.slots.taken, 2)  # waiting for a reader takes no slot
        assert len(running.server.server_state.connections) == 1
        wait_until(lambda: not running.server.server_state.connections, 15)


def test_a_refusal_keeps_nothing_of_what_was_received() -> None:
    with served(api_keys=KEYS) as running:
        gc.collect()
        gc.disable()
        try:
            assert statuses(sent(running.port, posted("Connection: close", body=b"5" * 100_000))) == [401]
            kept = [one.f_code.co_name for one in gc.get_objects() if isinstance(one, FrameType)]
        finally:
            gc.enable()
        assert "data_received" not in kept


def chunked(body: bytes, *trailers: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n" % (len(body), body) + b"".join(field + b"\r\n" for field in trailers) + b"\r\n"


def test_trailers_are_dropped_and_bring_no_key() -> None:
    body = b'{"client_ids":[5]}'
    with served(api_keys=KEYS) as running:
        trailer = f"X-API-Key: {KEY}".encode()
        [status] = statuses(sent(running.port, posted("Connection: close", length=False), chunked(body, trailer)))
        assert status == 401
        request = posted("Connection: close", f"X-API-Key: {KEY}", length=False)
        assert statuses(sent(running.port, request + chunked(body, b"X-API-Key: other"))) == [200]


@pytest.mark.parametrize("field", [b"X-T: " + b"x" * 100, b"X-T: " + b"x" * 9000])
def test_trailers_beyond_the_limit_are_refused_also_after_an_answer(field: bytes) -> None:
    request = posted(length=False) + b'12\r\n{"client_ids":[5]}\r\n0\r\n'
    some = (field + b"\r\n") * (9_200 // len(field))
    with served(max_head_bytes=4096) as running:
        # In a read of their own: only then do all of their bytes count.
        answer = sent(running.port, request, some, pause=0.1)
        assert (statuses(answer), problem_of(answer)) == ([431], "/problems/headers-too-large")
    with served(max_head_bytes=4096, api_keys=KEYS) as running:
        answer = sent(running.port, request, some, pause=0.1)
        assert statuses(answer) == [401]
        assert b"STILL OPEN" not in answer


def test_an_endless_extension_of_a_chunk_is_refused() -> None:
    with served(max_head_bytes=4096) as running:
        assert statuses(sent(running.port, posted(length=False) + b"5;x=" + b"y" * 8000)) == [431]


def test_six_hundred_callers_without_a_key_take_no_slot_from_one_with_a_key() -> None:
    paths = (VECTOR, "/nothing", "/metrics", "/docs/assets/swagger-ui-bundle.js", "/health/live")
    with served(api_keys=KEYS, max_concurrent_requests=2, max_public_requests=2) as running, ExitStack() as stack:
        before = shed.count
        for number in range(600):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=5))
            connection.sendall(get(paths[number % len(paths)]))
        for _ in range(50):
            asked = get(VECTOR, f"X-API-Key: {KEY}", "Connection: close")
            assert statuses(sent(running.port, asked, patience=20)) == [200]
        assert shed.count > before  # of those for static files


def test_refused_callers_are_not_read_again_at_once() -> None:
    with served(api_keys=KEYS) as running, ExitStack() as stack:
        connection = stack.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=5))
        started = time.monotonic()
        for _ in range(4):
            connection.sendall(get())
            assert statuses(connection.recv(65_536)) == [401]
        assert 0.15 <= time.monotonic() - started < 2


def test_a_refusal_leaves_the_answers_before_it() -> None:
    body = b'{"client_ids":[5' + b" " * 19_000 + b"]}"
    with served(receive_timeout_seconds=0.4) as running:
        answer = sent(running.port, posted(body=body) + b"GET /onl")
        assert statuses(answer) == [200, 408]
        assert statuses(sent(running.port, get() + b"nonsense\r\n\r\n")) == [200, 400]
        assert statuses(sent(running.port, get() * 3 + b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n")) == [200] * 3 + [
            414
        ]
    with served(seconds=0.3) as running:
        assert statuses(sent(running.port, get() + get() + b"nonsense\r\n\r\n")) == [200, 200, 400]


def test_a_broken_chunked_body_is_answered() -> None:
    with served() as running:
        answer = sent(running.port, posted(length=False) + b"5\r\nhello\r\nZ\r\n")
        assert (statuses(answer), problem_of(answer)) == ([400], "/problems/bad-request")
        answer = sent(running.port, posted(length=False), b"5\r\nhello\r\n", b"Z\r\n", pause=0.05)
        assert statuses(answer) == [400]
    with served(seconds=0.2) as running:
        answer = sent(running.port, get() + posted(length=False) + b"5\r\nhello\r\nZ\r\n")
        assert statuses(answer) == [200, 400]


def test_a_shed_head_request_has_no_body() -> None:
    with served(seconds=0.5, max_concurrent_requests=1) as running, ExitStack() as stack:
        busy = stack.enter_context(socket.create_connection(("127.0.0.1", running.port)))
        busy.sendall(get())
        time.sleep(0.1)
        answer = sent(running.port, get(method="HEAD") + get("/health/live", "Connection: close"))
        assert statuses(answer) == [503, 200]
        head, _, rest = answer.partition(b"\r\n\r\n")
        assert b"Content-Length: " in head
        assert rest.startswith(b"HTTP/1.1 200 ")


def test_more_pipelined_requests_than_the_limit_end_the_connection_after_those_within() -> None:
    with served(max_pipelined_requests=4) as running:
        assert statuses(sent(running.port, get() * 2000)) == [200] * 5 + [503]


def test_more_connections_than_the_limit_are_refused() -> None:
    with served(max_connections=3) as running, ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(socket.create_connection(("127.0.0.1", running.port)))
        time.sleep(0.1)
        answer = sent(running.port)
        assert (statuses(answer), problem_of(answer)) == ([503], "/problems/overloaded")


HOSTS = {
    "localhost": 200, "LocalHost:8000": 200, "127.0.0.1": 200, "127.9.9.9:1": 200, "[::1]:8001": 200, "localhost.": 200,
    "feature-service:8001": 200, "Feature-Service.": 200, "evil.example": 403, "localhost.evil.example": 403,
    "10.0.0.1": 403, "evil.example:localhost": 403, "": 403,
}  # fmt: skip


def test_without_keys_only_loopback_and_allowed_names_are_answered() -> None:
    with served(allowed_hosts="feature-service, gateway") as running:
        for host, status in HOSTS.items():
            answer = sent(running.port, get(VECTOR, "Connection: close", host=host))
            assert statuses(answer) == [status], host
            if status == 403:
                assert problem_of(answer) == "/problems/host-not-allowed"
            for path in ("/health/live", "/health/ready"):
                assert statuses(sent(running.port, get(path, "Connection: close", host=host))) == [200], host
        for path in ("/docs", "/openapi.json", "/metrics", "/nothing"):
            assert statuses(sent(running.port, get(path, "Connection: close", host="evil.example"))) == [403], path
    with served(api_keys=KEYS) as running:
        answer = sent(running.port, get(VECTOR, f"X-API-Key: {KEY}", "Connection: close", host="evil.example"))
        assert statuses(answer) == [200]


def test_a_host_that_is_missing_or_repeated_is_refused() -> None:
    with served() as running:
        for path in (VECTOR, "/health/live"):
            for lines in ("", "Host: localhost\r\nHost: localhost\r\n"):
                answer = sent(running.port, f"GET {path} HTTP/1.1\r\n{lines}Connection: close\r\n\r\n".encode())
                assert (statuses(answer), problem_of(answer)) == ([400], "/problems/bad-request")
        assert statuses(sent(running.port, f"GET {VECTOR} HTTP/1.0\r\n\r\n".encode())) == [400]
        assert statuses(sent(running.port, b"GET /health/ready HTTP/1.0\r\n\r\n")) == [200]  # so load balancers ask


def test_every_refusal_of_the_gate_is_a_problem_with_its_request_id() -> None:
    with served() as running:
        answer = sent(running.port, get(VECTOR, "X-Request-ID: mine", "Connection: close", host="evil.example"))
        assert b"x-request-id: mine\r\n" in answer
        assert b"content-type: application/problem+json" in answer
