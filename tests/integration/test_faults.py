"""Both services over real HTTP on a real PostgreSQL, a fault proxy before each neighbour: what does a caller see?"""

import asyncio
import socket
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import uvicorn
from fastapi import FastAPI
from pydantic import AnyHttpUrl, SecretStr

from faults import FaultProxy, Mode, proxied_port, proxied_socket
from feature_service.app import create_app as create_feature_app
from feature_service.settings import Settings as FeatureSettings
from local_stack.postgres import Server
from prediction_service.app import create_app as create_prediction_app
from prediction_service.settings import Settings as PredictionSettings
from service_kit.service import server_options
from service_kit.settings import ServiceSettings

KNOWN = range(1, 21)
UNKNOWN = 999
INSERT = """
    INSERT INTO online_features (client_id, event_timestamp, v)
    SELECT n, timestamptz '2020-01-01+00',
           json_build_object('nb_previous_loans', n, 'avg_amount_loans_previous', 100 + n, 'age', 20 + n,
                             'years_on_the_job', NULL, 'flag_own_car', mod(n, 2))
      FROM generate_series(1, 20) AS n
"""


@asynccontextmanager
async def listening(app: FastAPI, settings: ServiceSettings) -> AsyncIterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, **(server_options(settings) | {"timeout_graceful_shutdown": 1})))
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        running = asyncio.create_task(server._serve([listener]))
        while not server.started:  # noqa: ASYNC110 -- uvicorn has no event for it
            await asyncio.sleep(0.01)
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await running


@dataclass
class Stack:
    """The whole system; `database` and `network` are the proxies before PostgreSQL and the feature service."""

    features: httpx.AsyncClient
    predictions: httpx.AsyncClient
    database: FaultProxy
    network: FaultProxy
    url: str
    expected: dict[int, float] = field(default_factory=dict)

    async def risk(self, client_id: int = 5, wait: str | None = None) -> httpx.Response:
        return await self.predictions.get(f"/credit_risk/client_id={client_id}", headers=_waiting(wait))

    async def vector(self, client_id: int = 5, wait: str | None = None) -> httpx.Response:
        return await self.features.get(f"/online_feature_store/client_id={client_id}", headers=_waiting(wait))


def _waiting(milliseconds: str | None) -> dict[str, str]:
    return {} if milliseconds is None else {"X-Request-Timeout-Ms": milliseconds}


Scenario = Callable[[Stack], Coroutine[Any, Any, None]]


@pytest.fixture
def run(server: Server, database: str, model_dir: Path) -> Callable[..., None]:
    with psycopg.connect(server.url(database)) as connection:
        connection.execute(INSERT)

    async def main(scenario: Scenario, settings: dict[str, Any]) -> None:
        with tempfile.TemporaryDirectory(prefix="proxy-") as folder:
            real = f"{server._socket_dir}/.s.PGSQL.5432"
            async with proxied_socket(real, f"{folder}/.s.PGSQL.5432") as before_database:
                url = f"postgresql://feature_service@/{database}?host={folder}"
                feature_settings = FeatureSettings(
                    database_url=SecretStr(url), **({"database_timeout_seconds": 0.5} | settings)
                )
                async with (
                    listening(create_feature_app(feature_settings), feature_settings) as port,
                    proxied_port(port) as (before_features, proxy_port),
                ):
                    prediction_settings = PredictionSettings(
                        feature_service_url=AnyHttpUrl(f"http://127.0.0.1:{proxy_port}"),
                        feature_service_timeout_seconds=1.2,
                        model_dir=model_dir,
                        decision_log=False,
                    )
                    async with (
                        listening(create_prediction_app(prediction_settings), prediction_settings) as risk_port,
                        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as features,
                        httpx.AsyncClient(base_url=f"http://127.0.0.1:{risk_port}", timeout=10) as predictions,
                    ):
                        stack = Stack(features, predictions, before_database, before_features, server.url(database))
                        for client_id in KNOWN:
                            stack.expected[client_id] = (await stack.risk(client_id)).json()["probability"]
                        await scenario(stack)

    return lambda scenario, **settings: asyncio.run(main(scenario, settings))


# In seconds, the longest answer: what a caller is promised for a prediction.
FAULTS: list[tuple[str, Mode, int, str, float]] = [
    ("network", "refuse", 503, "feature-service-unavailable", 2.0),
    ("network", "reset", 503, "feature-service-unavailable", 2.0),
    ("network", "cut", 503, "feature-service-unavailable", 2.0),
    ("network", "garbage", 502, "feature-service-broken", 2.0),
    ("network", "silent", 504, "feature-service-timeout", 2.0),
    ("network", "drip", 504, "feature-service-timeout", 2.0),
    ("database", "refuse", 503, "store-unavailable", 2.0),
    ("database", "reset", 503, "store-unavailable", 2.0),
    ("database", "cut", 503, "store-unavailable", 2.0),
    ("database", "garbage", 503, "store-unavailable", 2.0),
    ("database", "silent", 503, "store-unavailable", 2.0),
    ("database", "drip", 503, "store-unavailable", 2.0),
]


def wrong(stack: Stack, client_id: int, answer: httpx.Response) -> str | None:
    """What is wrong with an answer, whatever goes on: only the truth or an outage may be said."""
    if answer.status_code == 200:
        if client_id == UNKNOWN:
            return "200 for nobody"
        if (answer.json()["client_id"], answer.json()["probability"]) != (client_id, stack.expected[client_id]):
            return "another client's answer"
    elif answer.status_code == 404:
        if client_id != UNKNOWN:
            return "404 for a client"
    elif answer.headers["content-type"] != "application/problem+json" or answer.status_code not in (502, 503, 504):
        return f"{answer.status_code}"
    return None


@pytest.mark.parametrize(("where", "mode", "status", "kind", "longest"), FAULTS)
def test_a_fault_is_said_in_time_and_forgotten_when_it_is_over(
    run: Callable[..., None], where: str, mode: Mode, status: int, kind: str, longest: float
) -> None:
    async def scenario(stack: Stack) -> None:
        proxy: FaultProxy = getattr(stack, where)
        answered, wrongs = list[tuple[float, int]](), list[str]()

        async def ask_on(number: int) -> None:
            while True:
                client_id, asked = UNKNOWN if number == 0 else KNOWN[number], time.monotonic()
                answer = await stack.risk(client_id)
                if problem := wrong(stack, client_id, answer):
                    wrongs.append(problem)
                answered.append((asked, answer.status_code))
                await asyncio.sleep(0.01)

        async with asyncio.TaskGroup() as group:
            asking = [group.create_task(ask_on(number)) for number in range(8)]
            await asyncio.sleep(0.1)
            proxy.mode = mode
            await asyncio.sleep(0.1)
            started = time.monotonic()
            answer = await stack.risk()
            took = time.monotonic() - started
            if where == "database":
                direct = await stack.vector()
                assert (direct.status_code, direct.json()["type"]) == (503, "/problems/store-unavailable")
            assert (await stack.features.get("/health/live")).status_code == 200
            assert (await stack.predictions.get("/health/ready")).status_code == 200
            proxy.mode = "pass"
            over = time.monotonic()
            while (await stack.risk()).status_code != 200:
                assert time.monotonic() - over < 3
                await asyncio.sleep(0.01)
            healthy = time.monotonic() - over
            settled = time.monotonic() + 0.6  # an open circuit may refuse for half a second longer
            while sum(asked > settled for asked, _ in answered) < 40:  # noqa: ASYNC110 -- it asks meanwhile
                await asyncio.sleep(0.01)
            for task in asking:
                task.cancel()
        print(f"| {where}: {mode} | {answer.status_code} {kind} | {took:.2f} s | {healthy:.2f} s | {len(wrongs)} |")
        assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{kind}")
        assert ("retry-after" in answer.headers) == (status == 503)
        assert took < longest
        assert wrongs == []
        assert {code for asked, code in answered if asked > settled} <= {200, 404}

    run(scenario)


def test_lateness_that_can_be_waited_for_is_waited_for(run: Callable[..., None]) -> None:
    async def scenario(stack: Stack) -> None:
        stack.network.mode = stack.database.mode = "late"
        assert (await stack.risk()).status_code == 200

    run(scenario)


def test_a_caller_may_say_how_long_it_waits(run: Callable[..., None]) -> None:
    async def scenario(stack: Stack) -> None:
        stack.network.mode = "silent"
        started = time.monotonic()
        answer = await stack.risk(wait="100")
        assert (answer.status_code, answer.json()["type"]) == (504, "/problems/feature-service-timeout")
        assert 0.09 < time.monotonic() - started < 0.7  # the timeout between the services is 1.2
        stack.network.mode = "pass"
        for bad in ("0", "-5", "1.5", "soon", ""):
            answer = await stack.risk(wait=bad)
            assert answer.status_code == 422
            assert answer.json()["errors"][0]["pointer"] == "header/X-Request-Timeout-Ms"

    run(scenario)


def waiting_queries(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'feature_service' AND state = 'active'"
        ).fetchone()
        assert row is not None
        return int(row[0])


@asynccontextmanager
async def locked(url: str) -> AsyncIterator[None]:
    """Nobody can read the online store."""
    connection = await psycopg.AsyncConnection.connect(url)
    await connection.execute("LOCK TABLE online_features IN ACCESS EXCLUSIVE MODE")
    try:
        yield
    finally:
        await connection.rollback()
        await connection.close()


def test_what_is_left_of_the_time_becomes_the_limit_of_the_query(run: Callable[..., None]) -> None:
    async def scenario(stack: Stack) -> None:
        async with locked(stack.url):
            started = time.monotonic()
            answers = await asyncio.gather(stack.vector(wait="150"), stack.risk(wait="150"))
            assert time.monotonic() - started < 3
            assert [answer.json()["type"] for answer in answers] == [
                "/problems/deadline-exceeded", "/problems/feature-service-timeout",
            ]  # fmt: skip
            for _ in range(50):
                await asyncio.sleep(0.02)
                if waiting_queries(stack.url) == 0:
                    break
            assert waiting_queries(stack.url) == 0
        assert (await stack.vector()).status_code == 200

    run(scenario, database_timeout_seconds=10, answer_timeout_seconds=10)


def test_more_than_can_be_worked_on_is_refused_at_once_and_health_still_answers(run: Callable[..., None]) -> None:
    async def scenario(stack: Stack) -> None:
        async with locked(stack.url):
            waiting = [asyncio.create_task(stack.vector(client_id)) for client_id in KNOWN]
            refused = [await answer for answer in islice(asyncio.as_completed(waiting), len(KNOWN) - 8)]
            for answer in refused:
                assert (answer.status_code, answer.json()["type"]) == (503, "/problems/overloaded")
                assert answer.headers["retry-after"] == "1"
            assert (await stack.features.get("/health/live")).status_code == 200
            metrics = (await stack.features.get("/metrics")).text
            assert "http_server_requests_shed_total" in metrics
            assert sum(task.done() for task in waiting) == len(KNOWN) - 8  # the eight still wait for the locked table
        answers = await asyncio.gather(*waiting)
        assert Counter(answer.status_code for answer in answers) == {200: 8, 503: len(KNOWN) - 8}
        assert (await stack.vector()).status_code == 200

    run(scenario, max_concurrent_requests=8, database_timeout_seconds=10, answer_timeout_seconds=10)


def test_a_caller_that_hangs_up_leaves_nothing_behind(run: Callable[..., None]) -> None:
    async def scenario(stack: Stack) -> None:
        port = stack.features.base_url.port
        async with locked(stack.url):
            first = asyncio.create_task(stack.vector(1))
            await asyncio.sleep(0.05)
            for client_id in KNOWN:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"GET /online_feature_store/client_id=%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % client_id)
                await writer.drain()
                await asyncio.sleep(0.002)
                writer.close()
            await asyncio.sleep(0.05)
            metrics = (await stack.features.get("/metrics")).text
            gone = 'http_request_method="GET",http_response_status_code="499"'
            assert f'_count{{{gone},http_route="/online_feature_store/client_id={{client_id}}"}} 20.0' in metrics
        assert (await first).status_code == 200
        assert (await stack.vector(2)).status_code == 200

    run(scenario)


def test_the_circuit_opens_when_nobody_is_there_and_closes_by_itself(run: Callable[..., None]) -> None:
    async def scenario(stack: Stack) -> None:
        async def circuit() -> str:
            metrics = (await stack.predictions.get("/metrics")).text
            return next(line.split()[1] for line in metrics.splitlines() if line.startswith("feature_service_circuit "))

        assert await circuit() == "0.0"
        stack.network.mode = "refuse"
        for _ in range(20):
            assert (await stack.risk()).status_code == 503
        assert await circuit() == "2.0"
        stack.network.mode = "silent"  # nothing is asked: a call would take its timeout, and answer with another type
        assert (await stack.risk()).json()["type"] == "/problems/feature-service-unavailable"
        stack.network.mode = "pass"
        await asyncio.sleep(0.55)
        assert await circuit() == "1.0"
        assert (await stack.risk()).status_code == 200
        assert await circuit() == "0.0"

    run(scenario)
