"""No request to the feature service takes longer than its caller waits, and no slow one holds up the others."""

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from asgi import client_of
from faults import FaultProxy, proxied_socket
from feature_service.app import create_app
from feature_service.settings import Settings
from local_stack.postgres import Server
from writing import address, put, service

JANUARY = "2020-01-01T00:00:00Z"
HURRY = {"X-Request-Timeout-Ms": "100"}
LATE = (504, "/problems/deadline-exceeded")


async def hurried(client: httpx.AsyncClient, method: str) -> tuple[int, str]:
    started = time.monotonic()
    answer = await client.request(method, address(), json={"event_timestamp": JANUARY, "age": 40}, headers=HURRY)
    assert time.monotonic() - started < 0.4
    return answer.status_code, answer.json()["type"]


@asynccontextmanager
async def behind_proxy(server: Server, database: str) -> AsyncIterator[tuple[httpx.AsyncClient, FaultProxy]]:
    with tempfile.TemporaryDirectory(prefix="proxy-") as folder:
        async with proxied_socket(f"{server._socket_dir}/.s.PGSQL.5432", f"{folder}/.s.PGSQL.5432") as proxy:
            reader, writer = (
                SecretStr(f"postgresql://{role}@/{database}?host={folder}")
                for role in ("feature_service", "feature_writer")
            )
            settings = Settings(database_url=reader, writer_database_url=writer, database_timeout_seconds=0.5)
            async with client_of(create_app(settings)) as client:
                yield client, proxy


@pytest.mark.parametrize(
    ("method", "held"), [("PUT", "pg_advisory_xact_lock"), ("DELETE", "pg_advisory_xact_lock_shared")]
)
def test_what_waits_in_the_database_ends_when_the_caller_does_not_wait(
    server: Server, database: str, method: str, held: str
) -> None:
    async def scenario() -> None:
        async with service(server, database) as client:
            await put(client, JANUARY, age=40)
            with psycopg.connect(server.url(database)) as other:
                other.execute(f"SELECT {held}(-5)")
                assert [await hurried(client, method) for _ in range(6)] == [LATE] * 6
            answer = await client.request(method, address(), json={"event_timestamp": JANUARY, "age": 40})
            assert answer.status_code in (200, 204)

    asyncio.run(scenario())


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_silent_database_does_not_hold_a_writer_and_its_return_is_noticed(
    server: Server, database: str, method: str
) -> None:
    async def scenario() -> None:
        async with behind_proxy(server, database) as (client, proxy):
            await put(client, JANUARY, age=40)
            proxy.mode = "silent"
            assert [await hurried(client, method) for _ in range(6)] == [LATE] * 6
            proxy.mode = "pass"
            await asyncio.sleep(0.6)
            answer = await client.request(method, address(), json={"event_timestamp": JANUARY, "age": 40})
            assert answer.status_code in (200, 204)

    asyncio.run(scenario())


def test_slow_erasures_do_not_hold_up_writes(server: Server, database: str) -> None:
    async def scenario() -> None:
        async with service(server, database) as client:
            with psycopg.connect(server.url(database)) as other:
                other.execute("SELECT pg_advisory_xact_lock_shared(-n) FROM generate_series(1, 4) AS n")
                erasures = [asyncio.create_task(client.delete(address(client_id))) for client_id in range(1, 5)]
                await asyncio.sleep(0.2)
                async with asyncio.timeout(0.5):
                    assert await put(client, JANUARY, 7, age=40) == {"applied": True}
                assert not any(erasure.done() for erasure in erasures)
            assert {answer.status_code for answer in await asyncio.gather(*erasures)} == {404}

    asyncio.run(scenario())


@pytest.mark.parametrize("query", ["", "?as_of=2021-01-01T00:00:00Z"])
def test_the_wait_for_a_turn_at_a_silent_database_counts(server: Server, database: str, query: str) -> None:
    async def scenario() -> None:
        async with behind_proxy(server, database) as (client, proxy):
            await put(client, JANUARY, age=40)
            assert (await client.get(address() + query)).status_code == 200
            proxy.mode = "silent"
            slowest, statuses = 0.0, Counter[int]()

            async def ask(number: int) -> None:
                nonlocal slowest
                await asyncio.sleep(number * 0.02)
                started = time.monotonic()
                statuses[(await client.get(address() + query)).status_code] += 1
                slowest = max(slowest, time.monotonic() - started)

            await asyncio.gather(*(ask(number) for number in range(40)))
            assert statuses == {503: 40}
            assert slowest < 0.7

    asyncio.run(scenario())


def test_ages_as_of_an_instant_do_not_depend_on_the_zone_of_the_database(server: Server, database: str) -> None:
    with psycopg.connect(server.url(database), autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {database} SET timezone = 'America/Sao_Paulo'")
        # On these birthdays summer time began in Brazil, at midnight.
        connection.execute(
            """INSERT INTO feature_history (client_id, event_timestamp, event_id, said)
               VALUES (5, '2020-01-01+00', 1, '{"age": {"since": "2003-10-19"}, "years_on_the_job": {"since": "2018-11-04"}}'),
                      (6, '2020-01-01+00', 2, '{"age": {"since": "1990-10-21"}}')"""
        )

    async def scenario() -> None:
        async with service(server, database) as client:
            wanted = {"client_ids": [5, 6], "as_of": "2021-10-21T00:00:00Z"}
            answer = (await client.post("/online_feature_store/batch", json=wanted)).json()
            assert [vector["age"] for vector in answer["features"]] == [18, 31]
            birthday = (await client.get(f"{address()}?as_of=2021-10-19T00:00:00Z")).json()
            assert (birthday["age"], birthday["years_on_the_job"]) == (18, 2)
            assert (await client.get(f"{address()}?as_of=2021-11-04T00:00:00Z")).json()["years_on_the_job"] == 3

    asyncio.run(scenario())
