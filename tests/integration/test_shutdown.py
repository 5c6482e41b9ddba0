"""Both services as processes that are told to stop while they are asked."""

import signal
import socket
import threading
import time
from pathlib import Path

import httpx
import psycopg
import pytest

from local_stack.postgres import Server
from running import Running, service

ROW = """
    INSERT INTO online_features (client_id, event_timestamp, v)
    VALUES (5, '2020-04-11+00', '{"nb_previous_loans":7,"avg_amount_loans_previous":128.9,"age":33,"years_on_the_job":null,"flag_own_car":1}')
"""
LOCKED = "LOCK TABLE online_features IN ACCESS EXCLUSIVE MODE"


@pytest.fixture
def url(server: Server, database: str) -> str:
    with psycopg.connect(server.url(database)) as connection:
        connection.execute(ROW)
    return server.url(database, user="feature_service")


def asked_in_a_thread(base: str, path: str) -> tuple[threading.Thread, list[httpx.Response]]:
    answers = list[httpx.Response]()
    thread = threading.Thread(target=lambda: answers.append(httpx.get(f"{base}{path}", timeout=10)))
    thread.start()
    return thread, answers


def wait_until_stopping(running: Running, since: float) -> None:
    while running.readiness()[0] == 200:
        assert time.monotonic() - since < 0.5, "readiness does not tell"
        time.sleep(0.02)


def test_readiness_tells_while_everything_else_is_still_answered(url: str, model_dir: Path) -> None:
    with (
        service("feature_service", database_url=url, drain_seconds=1) as features,
        service(
            "prediction_service",
            model_dir=model_dir,
            feature_service_url=features.base,
            drain_seconds=1,
            decision_log=False,
        ) as predictions,
    ):
        for running, path in (
            (predictions, "/credit_risk/client_id=5"),
            (features, "/online_feature_store/client_id=5"),
        ):
            assert running.readiness() == (200, None, None)
            with httpx.Client(base_url=running.base) as kept:
                assert "connection" not in kept.get(path).headers
                since = running.stop()
                wait_until_stopping(running, since)
                assert running.readiness() == (503, "/problems/shutting-down", "1")
                assert httpx.get(f"{running.base}/health/live").status_code == 200
                answer = kept.get(path)
                assert (answer.status_code, answer.headers["connection"]) == (200, "close"), answer.text
                assert httpx.get(f"{running.base}{path}").status_code == 200
            assert running.process.wait(timeout=5) == 0
            assert 0.9 < time.monotonic() - since < 2.5


def test_a_running_request_finishes_and_the_pool_closes(url: str, server: Server, database: str) -> None:
    with (
        service("feature_service", database_url=url, database_timeout_seconds=5) as running,
        psycopg.connect(server.url(database)) as other,
    ):
        other.execute(LOCKED)
        thread, answers = asked_in_a_thread(running.base, "/online_feature_store/client_id=5")
        time.sleep(0.3)
        since = running.stop()
        time.sleep(0.7)
        assert running.process.poll() is None
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{running.base}/health/live")
        other.rollback()
        thread.join()
        assert (answers[0].status_code, answers[0].headers["connection"]) == (200, "close")
        assert running.process.wait(timeout=5) == 0
        assert time.monotonic() - since < 2.5
        left = other.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'feature_service'")
        assert left.fetchone() == (0,)


def test_a_connection_that_asks_nothing_does_not_hold_up_the_end() -> None:
    nowhere = "postgresql://feature_service@127.0.0.1:9/features"
    with (
        service("feature_service", database_url=nowhere) as running,
        socket.create_connection(("127.0.0.1", running.port)) as silent,
        socket.create_connection(("127.0.0.1", running.port)) as begun,
    ):
        begun.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n")
        time.sleep(0.2)
        since = running.stop()
        assert running.process.wait(timeout=5) == 0
        assert time.monotonic() - since < 1.5
        assert silent.recv(1) == b""


def test_a_second_signal_ends_the_drain() -> None:
    nowhere = "postgresql://feature_service@127.0.0.1:9/features"
    with service("feature_service", database_url=nowhere, drain_seconds=30) as running:
        since = running.stop()
        wait_until_stopping(running, since)
        running.stop()
        assert running.process.wait(timeout=5) == 0
        assert time.monotonic() - since < 3


def test_ctrl_c_stops_a_local_service_at_once() -> None:
    with service("feature_service") as running:
        since = time.monotonic()
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(timeout=5) == 0
        assert time.monotonic() - since < 1.5
