"""The feature service on two databases: each client is found, one database is away, and databases that are not what they should be."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psycopg
import pytest
from structlog.testing import capture_logs

from asgi import client_of
from feature_service.app import create_app
from feature_service.settings import Settings
from loans import loan, run, write
from replicated import Node, suspended, wait_until
from sharded import FIRST, SECOND, Sharded, on_two_servers
from writing import address, put

OLD = "2020-01-01T00:00:00Z"
BATCH = "/online_feature_store/batch"
AWAY = (503, "/problems/store-unavailable")


@asynccontextmanager
async def service(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(create_app(settings)) as client:
        yield client


async def known(client: httpx.AsyncClient, client_ids: list[int]) -> list[int]:
    """Those that a batch finds, in its order."""
    answer = await client.post(BATCH, json={"client_ids": client_ids})
    return [vector["client_id"] for vector in answer.raise_for_status().json()["features"]]


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"]


def test_every_way_to_a_client_leads_to_its_database(sharded: Sharded) -> None:
    clients = [*FIRST[:4], *SECOND[:4]]

    async def scenario() -> None:
        async with service(sharded.service()) as client:
            for client_id in clients:
                await put(client, OLD, client_id, nb_previous_loans=client_id)
            assert sharded.rows("SELECT client_id FROM online_features ORDER BY 1") == tuple(
                [(client_id,) for client_id in sorted(own)] for own in (FIRST[:4], SECOND[:4])
            )
            mixed = [SECOND[0], FIRST[0], 999, SECOND[1], SECOND[0], FIRST[2]]
            assert await known(client, mixed) == [one for one in mixed if one != 999]
            asked = {"client_ids": mixed, "as_of": "2020-06-01T00:00:00Z"}
            at_instant = (await client.post(BATCH, json=asked)).json()
            assert [vector["client_id"] for vector in at_instant["features"]] == [one for one in mixed if one != 999]
            assert all(vector["nb_previous_loans"] == vector["client_id"] for vector in at_instant["features"])
            assert await pages(client, 3) == sorted(clients)
            for client_id in (FIRST[0], SECOND[0]):
                assert (await client.delete(address(client_id))).status_code == 204
                assert (await client.get(address(client_id))).status_code == 404
            assert await pages(client, 100) == sorted(set(clients) - {FIRST[0], SECOND[0]})
            ready = (await client.get("/health/ready")).json()
            assert ready == {"status": "ready", "database_1": "ready", "database_2": "ready"}

    asyncio.run(scenario())


async def pages(client: httpx.AsyncClient, limit: int) -> list[int]:
    found: list[int] = []
    after: int | None = 0
    while after is not None:
        query = {"after": after, "limit": limit}
        page = (await client.get("/online_feature_store", params=query)).raise_for_status().json()
        found += [vector["client_id"] for vector in page["features"]]
        after = page["next_after"]
    return found


def test_an_erasure_finds_lines_that_no_client_could_be_read_of(sharded: Sharded, tmp_path: Path) -> None:
    loans = write(tmp_path / "loans.csv", [loan(1, SECOND[0])])
    with loans.open("a") as torn:
        torn.write(f"2,{SECOND[0]},torn\n")
    assert run(sharded.settings, "load", loans) == 0
    refused = "SELECT reason FROM quarantine"
    assert sharded.rows(refused) == ([("malformed_line",)], [])

    async def scenario() -> None:
        async with service(sharded.service()) as client:
            assert (await client.delete(address(SECOND[0]))).status_code == 204
            assert "feature_deletes_total 1.0" in (await client.get("/metrics")).text.splitlines()

    asyncio.run(scenario())
    assert sharded.rows(refused) == ([], [])


@pytest.mark.parametrize("urls", ["swapped", "one", "unprepared"])
def test_a_database_with_another_share_is_an_outage_and_no_unknown_client(sharded: Sharded, urls: str) -> None:
    first, second = sharded.reader
    one, other = sharded.writer
    if urls == "unprepared":
        sharded.run("DELETE FROM database_shard")
    given = {
        "swapped": {"database_url": f"{second} {first}", "writer_database_url": f"{other} {one}"},
        "one": {"database_url": first, "writer_database_url": one},
        "unprepared": {},
    }[urls]

    async def scenario() -> None:
        async with service(sharded.service(**given)) as client:
            for client_id in (FIRST[0], SECOND[0]):
                assert problem(await client.get(address(client_id))) == AWAY
                written = await client.put(address(client_id), json={"event_timestamp": OLD, "nb_previous_loans": 1})
                assert problem(written) == AWAY
            assert problem(await client.get("/health/ready")) == AWAY

    with capture_logs() as logs:
        asyncio.run(scenario())
    told = {(line["asked_for"], line["is_recorded_as"]) for line in logs if line["event"] == "database_is_another"}
    one_of, two_of = "database 1 of 2", "database 2 of 2"
    assert (
        told
        == {
            "swapped": {(one_of, two_of), (two_of, one_of)},
            "one": {("database 1 of 1", one_of)},
            "unprepared": {(one_of, "database 1 of 1"), (two_of, "database 1 of 1")},
        }[urls]
    )


def test_while_feature_sets_differ_the_one_before_is_served(sharded: Sharded) -> None:
    other = "UPDATE feature_sets SET digest = 'other', document = replace(document::text, 'Age of', 'Years of')::json"

    async def scenario() -> None:
        async with service(sharded.service()) as client:
            await put(client, OLD, FIRST[0], nb_previous_loans=1)
            before = (await client.get(address(FIRST[0]))).headers["Feature-Set"]
            with psycopg.connect(sharded.owner[1], autocommit=True) as connection:
                connection.execute(other)
            await until(client, {"feature_sets": "differ"})
            assert (await client.get(address(FIRST[0]))).headers["Feature-Set"] == before
            async with service(sharded.service()) as later:
                assert problem(await later.get(address(FIRST[0]))) == AWAY
            with psycopg.connect(sharded.owner[0], autocommit=True) as connection:
                connection.execute(other)
            await until(client, {})
            assert "digest=other" in (await client.get(address(FIRST[0]))).headers["Feature-Set"]

    with capture_logs() as logs:
        asyncio.run(scenario())
    assert [line["log_level"] for line in logs if line["event"] == "feature_sets_differ"] == ["error", "error"]


async def until(client: httpx.AsyncClient, details: dict[str, str]) -> None:
    expected = {"status": "ready", "database_1": "ready", "database_2": "ready"} | details
    deadline = time.monotonic() + 10
    while (await client.get("/health/ready")).json() != expected:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def apart() -> Iterator[tuple[Sharded, Node, Node]]:
    with on_two_servers() as running:
        yield running


@pytest.mark.parametrize("fate", ["killed", "silent"])
def test_one_database_away_is_an_outage_of_its_own_clients_only(apart: tuple[Sharded, Node, Node], fate: str) -> None:
    sharded, _, second = apart

    async def scenario() -> None:
        async with service(sharded.service(database_timeout_seconds=0.6)) as client:
            for client_id in (FIRST[0], SECOND[0]):
                await put(client, OLD, client_id, nb_previous_loans=1)
            silent = []
            if fate == "killed":
                await asyncio.to_thread(second.stop)
            else:
                silent = suspended(second)
            try:
                await without_the_second(client)
                async with service(sharded.service(database_timeout_seconds=0.6)) as later:
                    assert (await later.get(address(FIRST[0]))).status_code == 200
            finally:
                for process in silent:
                    process.resume()
                if fate == "killed":
                    await asyncio.to_thread(second.start)
            await until(client, {})
            assert (await client.get(address(SECOND[0]))).status_code == 200
            assert await known(client, [SECOND[0], FIRST[0]]) == [SECOND[0], FIRST[0]]

    with capture_logs() as logs:
        asyncio.run(scenario())
    assert {line["database"] for line in logs if line["event"] == "store_unavailable"} == {2}


async def without_the_second(client: httpx.AsyncClient) -> None:
    async def found(client_id: int) -> int:
        return (await client.get(address(client_id))).status_code

    both = [FIRST[0], SECOND[0]] * 16
    assert await asyncio.gather(*map(found, both)) == [200, 503] * 16
    assert await known(client, [FIRST[0], FIRST[1]]) == [FIRST[0]]
    assert problem(await client.post(BATCH, json={"client_ids": [FIRST[0], SECOND[0]]})) == AWAY
    assert problem(await client.get("/online_feature_store")) == AWAY
    body = {"event_timestamp": "2020-02-01T00:00:00Z", "nb_previous_loans": 2}
    assert (await client.put(address(FIRST[0]), json=body)).json() == {"applied": True}
    assert problem(await client.put(address(SECOND[0]), json=body)) == AWAY
    assert (await client.get(address(FIRST[0]), params={"as_of": OLD})).json()["nb_previous_loans"] == 1
    assert problem(await client.get(address(SECOND[0]), params={"as_of": OLD})) == AWAY
    assert (await client.delete(address(FIRST[1]))).status_code == 404
    assert problem(await client.delete(address(SECOND[1]))) == AWAY
    asked = time.monotonic()
    ready = await client.get("/health/ready")
    assert time.monotonic() - asked < 0.5  # the patience of the gateway's check
    assert ready.json() == {"status": "ready", "database_1": "ready", "database_2": "away"}


def test_a_load_whose_second_database_is_killed_goes_on_when_that_is_back(
    apart: tuple[Sharded, Node, Node], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sharded, _, second = apart
    sharded.run("TRUNCATE online_features, feature_history, quarantine")
    loans = write(tmp_path / "loans.csv", [loan(n, client_id) for n, client_id in enumerate([*FIRST, *SECOND], 1)])
    clients = "SELECT client_id FROM online_features ORDER BY 1"
    with ThreadPoolExecutor() as pool, psycopg.connect(second.url()) as connection:
        connection.execute("LOCK TABLE online_features IN ACCESS SHARE MODE")
        connection.execute("LOCK TABLE quarantine IN ACCESS EXCLUSIVE MODE")
        loading = pool.submit(run, sharded.settings, "load", loans)
        wait_until(second, "SELECT FROM pg_locks WHERE NOT granted AND relation = 'quarantine'::regclass")
        second.stop()
        assert loading.result() == 1
        connection.close()
    told = capsys.readouterr().err
    assert "Database 2 of 2: The database went away" in told
    assert "What was done in the databases before it stays" in told
    assert run(sharded.settings, "load", loans) == 1  # it is away still: nothing begins
    assert "Database 2 of 2: The database does not answer" in capsys.readouterr().err
    second.start()
    assert sharded.rows(clients) == ([(one,) for one in FIRST], [])

    assert run(sharded.settings, "load", loans) == 0
    assert "database 1 of 2 has this file already" in capsys.readouterr().err
    assert sharded.rows(clients) == ([(one,) for one in FIRST], [(one,) for one in SECOND])
