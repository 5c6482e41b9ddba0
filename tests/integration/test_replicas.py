"""Reads from a real streaming replica: within the bound, beyond it, and what is said of it in the answer."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import psycopg
import pytest

from asgi import client_of
from feature_service.app import create_app
from feature_service.settings import Settings
from local_stack import postgres
from replicated import Node, primary_and_replica, suspended, wait_until
from writing import address, put

Pair = tuple[Node, Node]
LAG = "x-store-lag-ms"
NEW = """
    INSERT INTO online_features (client_id, event_timestamp, v)
    VALUES (5, '2020-04-11+00', json_build_object('nb_previous_loans', {0}::integer))
        ON CONFLICT (client_id) DO UPDATE SET v = excluded.v
"""


@pytest.fixture(scope="module")
def servers() -> Iterator[Pair]:
    with primary_and_replica() as (primary, replica):
        yield primary, replica


@pytest.fixture
def pair(servers: Pair) -> Iterator[Pair]:
    """Both run, the replica follows, and client 5 has no loans."""
    primary, replica = servers
    primary.run("TRUNCATE online_features, feature_history", NEW.format(0))
    wait_until(replica, "SELECT 1 FROM online_features WHERE v->>'nb_previous_loans' = '0'")
    yield primary, replica
    for node in servers:
        if not postgres._postmaster(node.folder):
            node.start()
    replica.run("SELECT pg_wal_replay_resume()")
    primary.run("ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")


def settings_of(primary: Node, *replicas: Node, bound: int, **options: Any) -> Settings:
    hosts = ",".join(f"127.0.0.1:{replica.port}" for replica in replicas)
    given: dict[str, Any] = {
        "database_url": primary.url(user="feature_service"),
        "writer_database_url": primary.url(user="feature_writer"),
        "replica_url": f"postgresql://feature_service@{hosts}/postgres",
        "max_store_lag_ms": bound,
    }
    return Settings(**(given | options))


@asynccontextmanager
async def service(settings: Settings, *, until_in_use: bool = True) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(create_app(settings)) as client:
        if until_in_use:
            await until(client, lambda lag: lag > 0)
        yield client


async def until(client: httpx.AsyncClient, fits: Callable[[int], bool]) -> None:
    deadline = time.monotonic() + 20
    while not fits(int((await client.get(address())).headers[LAG])):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def loans(client: httpx.AsyncClient) -> tuple[int, int]:
    """What is said of client 5, and the lag."""
    answer = await client.get(address())
    assert answer.status_code == 200, answer.text
    return answer.json()["nb_previous_loans"], int(answer.headers[LAG])


def scans(node: Node) -> int:
    with psycopg.connect(node.url()) as connection:
        query = "SELECT idx_scan + seq_scan FROM pg_stat_user_tables WHERE relname = 'online_features'"
        [number] = connection.execute(query).fetchone() or [0]
        return int(number)


def test_within_the_bound_the_replica_is_read_and_the_primary_is_not(pair: Pair) -> None:
    primary, replica = pair
    before = scans(primary), scans(replica)

    async def scenario() -> None:
        async with service(settings_of(primary, replica, bound=5_000)) as client:
            for _ in range(40):
                found, lag = await loans(client)
                assert found == 0
                assert 0 < lag <= 5_000
            batch = await client.post("/online_feature_store/batch", json={"client_ids": [5, 6]})
            assert (len(batch.json()["features"]), batch.json()["not_found"]) == (1, [6])
            assert int(batch.headers[LAG]) > 0
            unknown = await client.get(address(6))
            assert unknown.status_code == 404
            assert int(unknown.headers[LAG]) > 0
            past = await client.get(address(), params={"as_of": "2030-01-01T00:00:00Z"})
            assert LAG not in past.headers

    asyncio.run(scenario())
    # Counts are told when a connection ends. Until the replica was known to be in bounds, the primary was read.
    deadline = time.monotonic() + 20
    while scans(replica) < before[1] + 42:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert scans(primary) < before[0] + 30


def test_a_replica_that_falls_behind_the_bound_is_not_read_until_it_has_caught_up(pair: Pair) -> None:
    primary, replica = pair

    async def scenario() -> None:
        async with service(settings_of(primary, replica, bound=3_000)) as client:
            await asyncio.to_thread(replica.run, "SELECT pg_wal_replay_pause()")
            await asyncio.to_thread(primary.run, NEW.format(1))
            found, lag = await loans(client)
            assert found == 0
            assert 0 < lag <= 3_000
            await until(client, lambda lag: lag == 0)
            for _ in range(20):
                assert await loans(client) == (1, 0)
            await asyncio.to_thread(replica.run, "SELECT pg_wal_replay_resume()")
            await until(client, lambda lag: lag > 0)
            assert (await loans(client))[0] == 1

    asyncio.run(scenario())


def test_no_answer_is_older_than_it_says(pair: Pair) -> None:
    """A writer counts up on the primary while replay is paused and resumed, and readers hold each answer against that."""
    primary, replica = pair
    committed: list[float] = []
    seen: list[tuple[int, int]] = []
    dice = random.Random(3)

    async def write_on(connection: psycopg.AsyncConnection) -> None:
        while True:
            await connection.execute(NEW.format(len(committed) + 1))
            committed.append(time.monotonic())
            await asyncio.sleep(0.005)

    async def pause_on(connection: psycopg.AsyncConnection) -> None:
        while True:
            for verb in ("pause", "resume"):
                await connection.execute(f"SELECT pg_wal_replay_{verb}()")
                await asyncio.sleep(dice.uniform(0.05, 0.7))

    async def read_on(client: httpx.AsyncClient) -> None:
        while True:
            asked = time.monotonic()
            found, lag = await loans(client)
            at_least = sum(instant <= asked - lag / 1000 for instant in committed)
            assert found >= at_least
            assert lag <= 400
            seen.append((found, lag))

    async def scenario() -> None:
        async with (
            service(settings_of(primary, replica, bound=400)) as client,
            await psycopg.AsyncConnection.connect(primary.url(), autocommit=True) as writing,
            await psycopg.AsyncConnection.connect(replica.url(), autocommit=True) as pausing,
        ):
            with suppress(TimeoutError):
                async with asyncio.timeout(6), asyncio.TaskGroup() as group:
                    for work in (write_on(writing), pause_on(pausing), read_on(client), read_on(client)):
                        group.create_task(work)

    asyncio.run(scenario())
    assert {lag > 0 for _, lag in seen} == {True, False}
    print(f"{len(seen)} answers, {sum(lag > 0 for _, lag in seen)} of the replica, {len(committed)} writes")


@pytest.mark.parametrize("fate", ["killed", "silent"])
def test_a_replica_that_dies_fails_no_request_and_is_read_again_later(pair: Pair, fate: str) -> None:
    primary, replica = pair
    statuses: list[int] = []

    async def read_on(client: httpx.AsyncClient) -> None:
        while True:
            statuses.append((await client.get(address())).status_code)

    async def scenario() -> None:
        async with service(settings_of(primary, replica, bound=1_000)) as client, asyncio.TaskGroup() as group:
            readers = [group.create_task(read_on(client)) for _ in range(8)]
            await asyncio.sleep(0.3)
            if fate == "killed":
                await asyncio.to_thread(replica.stop)
            else:
                silent = suspended(replica)
            await asyncio.sleep(2)
            await until(client, lambda lag: lag == 0)
            if fate == "killed":
                await asyncio.to_thread(replica.start)
            else:
                for process in silent:
                    process.resume()
            await until(client, lambda lag: lag > 0)
            for reader in readers:
                reader.cancel()

    asyncio.run(scenario())
    assert set(statuses) == {200}


def test_of_two_replicas_the_one_within_the_bound_is_read(pair: Pair) -> None:
    primary, replica = pair

    async def scenario() -> None:
        away = Node(primary.home, "away")
        async with service(settings_of(primary, away, replica, bound=2_000)) as client:
            for _ in range(10):
                assert (await loans(client))[1] > 0

    asyncio.run(scenario())


def test_a_writer_reads_what_it_has_written_from_a_replica_that_lags(pair: Pair) -> None:
    primary, replica = pair
    replica.run("ALTER SYSTEM SET recovery_min_apply_delay = 150", "SELECT pg_reload_conf()")
    lags = []

    async def scenario() -> None:
        async with service(settings_of(primary, replica, bound=1_500)) as client:
            for number in range(1, 13):
                await put(client, f"2020-05-{number:02}T00:00:00Z", nb_previous_loans=number)
                found, lag = await loans(client)
                assert found == number
                lags.append(lag)
            assert (await client.delete(address())).status_code == 204
            assert (await client.get(address())).status_code == 404

    try:
        asyncio.run(scenario())
    finally:
        replica.run("ALTER SYSTEM RESET recovery_min_apply_delay", "SELECT pg_reload_conf()")
    assert max(lags) > 0


def test_a_write_waits_for_a_replica_that_is_away_until_nobody_reads_it_any_more(pair: Pair) -> None:
    primary, replica = pair

    async def scenario() -> None:
        settings = settings_of(primary, replica, bound=1_000)
        async with service(settings) as client, service(settings) as other:
            await asyncio.to_thread(replica.run, "SELECT pg_wal_replay_pause()")
            await put(client, "2020-05-01T00:00:00Z", nb_previous_loans=1)
            assert [await loans(one) for one in (client, other)] == [(1, 0), (1, 0)]

    asyncio.run(scenario())


def test_a_write_whose_caller_does_not_wait_so_long_is_not_answered_as_done(pair: Pair) -> None:
    primary, replica = pair

    async def scenario() -> None:
        async with service(settings_of(primary, replica, bound=30_000)) as client:
            await asyncio.to_thread(replica.run, "SELECT pg_wal_replay_pause()")
            body = {"event_timestamp": "2020-05-01T00:00:00Z", "nb_previous_loans": 1}
            answer = await client.put(address(), json=body, headers={"X-Request-Timeout-Ms": "300"})
            assert (answer.status_code, answer.json()["type"]) == (504, "/problems/deadline-exceeded")
            wait_until(primary, "SELECT 1 FROM online_features WHERE v->>'nb_previous_loans' = '1'")
            await asyncio.to_thread(replica.run, "SELECT pg_wal_replay_resume()")
            assert (await client.put(address(), json=body)).status_code == 200
            assert (await loans(client))[0] == 1

    asyncio.run(scenario())


SYNCHRONOUS = ("ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")


def test_a_synchronous_standby_that_does_not_apply_a_write_is_an_outage_of_writes(pair: Pair) -> None:
    primary, replica = pair
    primary.run(*SYNCHRONOUS)

    async def scenario() -> None:
        async with service(settings_of(primary, replica, bound=20_000, database_timeout_seconds=0.5)) as client:
            await put(client, "2020-05-01T00:00:00Z", nb_previous_loans=1)
            await asyncio.to_thread(replica.run, "SELECT pg_wal_replay_pause()")
            body = {"event_timestamp": "2020-05-02T00:00:00Z", "nb_previous_loans": 2}
            answer = await client.put(address(), json=body)
            assert (answer.status_code, answer.json()["type"]) == (503, "/problems/store-unavailable")
            assert (await loans(client))[0] == 1
            await asyncio.to_thread(replica.run, "SELECT pg_wal_replay_resume()")
            assert (await client.put(address(), json=body)).status_code == 200
            assert (await loans(client))[0] == 2

    asyncio.run(scenario())


def test_without_a_bound_nothing_is_said_and_no_heartbeat_is_written(pair: Pair) -> None:
    primary, replica = pair
    primary.run("DELETE FROM store_heartbeats")

    async def scenario() -> None:
        settings = settings_of(primary, replica, bound=0, replica_url=None, max_store_lag_ms=None)
        async with service(settings, until_in_use=False) as client:
            assert LAG not in (await client.get(address())).headers

    asyncio.run(scenario())
    with psycopg.connect(primary.url()) as connection:
        assert connection.execute("SELECT 1 FROM store_heartbeats").fetchone() is None
