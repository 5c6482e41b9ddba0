"""What the gateway sends a second time, what it waits for, and how it refuses."""

import time
import uuid
from collections.abc import Iterator

import httpx
import pytest

from stack.compose import docker
from stack.front_door import FrontDoor, problem

ONCE, TWICE = 1, 2
FEATURES_AWAY = (503, "/problems/feature-service-unavailable")
PREDICTIONS_AWAY = (503, "/problems/prediction-service-unavailable")
CLIENT = "5036067"

pytestmark = pytest.mark.timeout(60, func_only=True)


@pytest.fixture(scope="module")
def door(images: None) -> Iterator[FrontDoor]:
    running = FrontDoor()
    try:
        running.wait_until_whole()
        yield running
    finally:
        running.remove()


READS = [
    ("GET", "/online_feature_store/client_id=5"),
    ("GET", "/online_feature_store"),
    ("GET", "/feature_definitions"),
    ("GET", "/feature-service/online_feature_store/client_id=5"),
    ("POST", "/online_feature_store/batch"),
    ("POST", "/feature-service/online_feature_store/batch"),
    ("POST", "/feast/get-online-features"),
    ("POST", "/v2/models/credit/infer"),
    ("POST", "/invocations"),
    ("GET", "/models"),
    ("GET", "/decisions/5"),
]
WRITES = [
    ("PUT", "/online_feature_store/client_id=5"),
    ("DELETE", "/online_feature_store/client_id=5"),
    ("PUT", "/feature-service/online_feature_store/client_id=5"),
    ("POST", "/feast/push"),
    ("POST", "/credit_risk"),
    ("POST", "/credit_risk/batch"),
    ("POST", "/prediction-service/credit_risk"),
    ("POST", "/decisions/5/reviews"),
    ("POST", "/decisions/5/reconsider"),
]
DECISIONS = [
    ("GET", "/credit_risk/client_id=5"),
    ("GET", "/prediction-service/credit_risk/client_id=5"),
    ("GET", "/credit%5Frisk/client_id=5"),
]


def away(path: str) -> tuple[int, str]:
    of_features = path.startswith(("/online_feature_store", "/feature", "/feast"))
    return FEATURES_AWAY if of_features else PREDICTIONS_AWAY


@pytest.mark.parametrize("warm", [False, True], ids=["new", "kept"])
@pytest.mark.parametrize(("method", "path"), READS)
def test_a_read_that_is_broken_off_is_repeated_once(door: FrontDoor, method: str, path: str, warm: bool) -> None:
    status, kind, times = door.seen(method, path, warm=warm)
    assert times == TWICE
    assert (status, kind) == away(path) or (warm and not status)


@pytest.mark.parametrize("warm", [False, True], ids=["new", "kept"])
@pytest.mark.parametrize(("method", "path"), WRITES)
def test_a_write_that_is_broken_off_is_never_repeated(door: FrontDoor, method: str, path: str, warm: bool) -> None:
    assert door.seen(method, path, warm=warm) == (*away(path), ONCE)


@pytest.mark.parametrize("warm", [False, True], ids=["new", "kept"])
@pytest.mark.parametrize(("method", "path"), DECISIONS)
def test_a_decision_that_is_broken_off_is_never_repeated(door: FrontDoor, method: str, path: str, warm: bool) -> None:
    status, kind, times = door.seen(method, path, warm=warm)
    assert times == ONCE
    # HAProxy closes without an answer where a kept connection breaks.
    assert (status, kind) == PREDICTIONS_AWAY or (warm and not status)


@pytest.mark.parametrize(
    ("method", "path", "deadline_ms", "longest", "kind"),
    [
        ("PUT", "/online_feature_store/client_id=5", None, 4.5, "/problems/feature-service-timeout"),
        ("PUT", "/online_feature_store/client_id=5", "200", 2.5, "/problems/feature-service-timeout"),
        ("GET", "/credit_risk/client_id=5", None, 4.5, "/problems/prediction-service-timeout"),
        ("POST", "/credit_risk", "200", 2.5, "/problems/prediction-service-timeout"),
    ],
)
def test_the_gateway_waits_for_the_deadline_and_a_moment_more(
    door: FrontDoor, method: str, path: str, deadline_ms: str | None, longest: float, kind: str
) -> None:
    mark = uuid.uuid4().hex
    headers = {"X-Request-Timeout-Ms": deadline_ms} if deadline_ms else {}
    started = time.monotonic()
    answer = httpx.request(method, f"{door.base}{path}?mark={mark}&sleep=5", headers=headers, timeout=10)
    assert int(deadline_ms or 2000) / 1000 + 0.25 < time.monotonic() - started < longest
    assert (answer.status_code, answer.json()["type"]) == (504, kind)
    assert door.asked(mark) == ONCE


def test_an_erasure_may_take_longer_than_a_read(door: FrontDoor) -> None:
    path = f"{door.base}/online_feature_store/client_id=5?sleep=2.5"
    assert httpx.delete(path, timeout=10).status_code == 200
    assert httpx.put(path, timeout=10).status_code == 504


def test_what_a_caller_says_of_itself_is_passed_on(door: FrontDoor) -> None:
    said = {
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "x-request-id": "one",
        "x-request-timeout-ms": "1500",
        "host": "front.example",
    }
    passed = httpx.get(f"{door.base}/feature-service/online_feature_store/client_id=5?a=b", headers=said).json()
    assert passed["path"] == "/online_feature_store/client_id=5?a=b"
    assert said.items() <= passed["headers"].items()


HOST = b"\r\nHost: x\r\nConnection: close\r\n"


@pytest.mark.parametrize(
    ("request_bytes", "refusal"),
    [
        (b"nonsense\r\n\r\n", (400, "/problems/bad-request")),
        (b"GET / HTTP/1.1" + HOST + b"Content-Length: x\r\n\r\n", (400, "/problems/bad-request")),
        (b"TRACE / HTTP/1.1" + HOST + b"\r\n", (405, "/problems/method-not-allowed")),
        (b"PUT /x HTTP/1.1" + HOST + b"Content-Length: 1048577\r\n\r\n", (413, "/problems/content-too-large")),
        (b"GET /" + b"x" * 40_000 + b" HTTP/1.1" + HOST + b"\r\n", (414, "/problems/address-too-long")),
        (b"GET / HTTP/1.1" + HOST + b"X: " + b"x" * 40_000 + b"\r\n\r\n", (431, "/problems/headers-too-large")),
        (b"GET / HTTP/1.1" + HOST + b"X: x\r\n" * 300 + b"\r\n", (400, "/problems/bad-request")),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", (408, "/problems/request-timeout")),
    ],
    ids=["line", "length", "method", "body", "address", "header", "headers", "slow"],
)
def test_each_refusal_is_a_problem_document(door: FrontDoor, request_bytes: bytes, refusal: tuple[int, str]) -> None:
    assert problem(door.sent(request_bytes)) == refusal


def test_a_paused_replica_costs_its_callers_one_timeout_and_nobody_else(door: FrontDoor) -> None:
    docker("pause", door.replicas[0])
    try:
        paused = time.monotonic()
        waits = []
        while (asked := time.monotonic() - paused) < 6:
            answer = httpx.get(f"{door.base}/online_feature_store/client_id=5", timeout=10)
            assert answer.status_code == 200
            waits.append((asked, time.monotonic() - paused - asked))
    finally:
        docker("unpause", door.replicas[0])
        door.wait_until_whole()
    assert max(wait for _, wait in waits) < 2.5
    assert max(wait for asked, wait in waits if asked > 2) < 0.5
    assert len(waits) > 30


def test_while_no_replica_is_left_the_answer_is_an_outage(door: FrontDoor) -> None:
    docker("stop", "--time", "0", *door.replicas)
    try:
        for path in ("/online_feature_store/client_id=5", "/credit_risk/client_id=5", "/models"):
            for method in (b"GET", b"PUT"):
                assert problem(door.sent(method + b" " + path.encode() + b" HTTP/1.1" + HOST + b"\r\n")) == away(path)
    finally:
        docker("start", *door.replicas)
        door.wait_until_whole()


def test_the_log_of_the_gateway_names_no_client(door: FrontDoor) -> None:
    for path in (f"/credit_risk/client_id={CLIENT}", f"/online_feature_store/client_id={CLIENT}"):
        door.seen("GET", path, warm=False)
        door.sent(f"GET {path} HTTP/1.1\r\nHost: x\r\n{CLIENT}\r\n\r\n".encode())
    log = docker("logs", door.name, both=True)
    assert log.count('"event":"gateway"') >= 4
    assert CLIENT not in log


def test_the_way_between_the_services_is_for_reads_which_may_be_asked_twice(door: FrontDoor) -> None:
    assert " 200 " in door.inside(8001, "GET /online_feature_store/client_id=5 HTTP/1.1").splitlines()[0]
    assert " 200 " in door.inside(8001, "POST /online_feature_store/batch HTTP/1.1").splitlines()[0]
    for request in (
        "PUT /online_feature_store/client_id=5",
        "DELETE /online_feature_store/client_id=5",
        "POST /models",
    ):
        assert " 405 " in door.inside(8001, f"{request} HTTP/1.1").splitlines()[0]


def test_a_replica_that_goes_is_a_line_of_the_log_and_no_warning_beside_it(door: FrontDoor) -> None:
    docker("stop", "--time", "0", door.replicas[0])
    docker("start", door.replicas[0])
    door.wait_until_whole()
    log = docker("logs", door.name, both=True)
    assert " is DOWN" in log
    assert "[WARNING]" not in log
    assert "[ALERT]" not in log


def test_metrics_are_for_the_network_of_the_containers_only(door: FrontDoor) -> None:
    assert 'haproxy_backend_http_responses_total{proxy="decisions",code="5xx"}' in door.metrics()
    assert docker("port", door.name).split(" ")[0] == "8080/tcp"
    assert "haproxy" not in httpx.get(f"{door.base}/metrics").text
