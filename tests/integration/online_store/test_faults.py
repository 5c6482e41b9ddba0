"""Whatever goes wrong with DynamoDB: an answer is right or is a problem, and no write is lost."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import psycopg
import pytest
from structlog.testing import capture_logs

from db_init.settings import Settings as DbSettings
from dynamodb_faults import SECRET, DynamoFaults, dynamodb_faults
from feature_service.definitions.vectors import encode
from feature_service.store.online import Said
from loans import run
from local_stack.postgres import Server
from online_stores import Online, ask, opened, same, service_settings
from service_kit.problems import ProblemError, StoreUnavailable

START = datetime(2020, 1, 1, tzinfo=UTC)
LINES = {
    "throttled": "dynamodb_throttled", "limited": "dynamodb_throttled", "expired": "dynamodb_credentials_expired",
    "refused": "dynamodb_credentials_refused", "denied": "dynamodb_access_denied", "missing": "dynamodb_table_missing",
    "region": "dynamodb_wrong_region", "internal": "dynamodb_failed", "html": "dynamodb_failed",
    "empty": "dynamodb_answer_garbled", "unprocessed": "dynamodb_keys_unprocessed",
    "all_unprocessed": "dynamodb_keys_unprocessed", "hung": "dynamodb_silent", "dropped": "dynamodb_unreachable",
    "lost": "dynamodb_unreachable", "truncated": "dynamodb_answer_garbled", "garbled": "dynamodb_answer_garbled",
    "checksum": "dynamodb_answer_garbled",
}  # fmt: skip
PASSING = [name for name in LINES if name not in ("expired", "refused", "denied", "missing", "region")]
"""Faults that are met by asking again. New credentials are looked for every two seconds at most."""


class Faulty(NamedTuple):
    store: Online
    direct: Online
    """The same table, without faults."""
    proxy: DynamoFaults


@asynccontextmanager
async def faulty(server: Server, database: str, table: str, seconds: float = 2) -> AsyncIterator[Faulty]:
    address, _, upstream = table.partition("&endpoint=")
    async with dynamodb_faults(upstream) as (proxy, endpoint):
        through = service_settings(
            server, database, online_store=f"{address}&endpoint={endpoint}", database_timeout_seconds=seconds
        )
        direct = service_settings(server, database, online_store=table)
        async with opened(through) as store, opened(direct) as other:
            yield Faulty(store, other, proxy)


async def outcome(work: Awaitable[Any]) -> Any:
    try:
        return await work
    except ProblemError as problem:
        return problem.type


@pytest.mark.parametrize("fault", [name for name in LINES if name != "unprocessed"])  # that goes on, key by key
def test_a_fault_that_stays_is_an_outage_with_a_line_of_its_own(
    server: Server, database: str, publishing: DbSettings, fault: str
) -> None:
    seconds = 1.5 if fault in PASSING else 3  # the time in which new credentials are looked for

    async def scenario() -> None:
        async with faulty(server, database, str(publishing.online_store), seconds) as (store, direct, proxy):
            for client_id in (5, 6, 7):
                await direct.writes.write(client_id, Said(START, {"nb_previous_loans": 918_273_645}), ask())
            expected = await direct.reads.vectors([5, 6, 7], ask())
            proxy.fault = lambda: fault
            with capture_logs() as logs:
                with pytest.raises(StoreUnavailable):
                    await store.reads.vectors([5, 6, 7, 8], ask())
                await outcome(store.reads.vector(5, ask()))
            assert LINES[fault] in {line["event"] for line in logs}
            assert "918273645" not in json.dumps(logs, default=str)
            assert SECRET not in json.dumps(logs, default=str)
            proxy.fault = lambda: None
            assert await store.reads.vectors([5, 6, 7, 8], ask()) == expected

    asyncio.run(scenario())


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_is_not_noticed(server: Server, database: str, publishing: DbSettings, fault: str) -> None:
    async def scenario() -> None:
        async with faulty(server, database, str(publishing.online_store), 10) as (store, direct, proxy):
            once = iter(
                [] if fault == "empty" else [fault]
            )  # an empty answer is what a write that was done is answered with
            proxy.fault = lambda: next(once, None)
            await store.writes.write(5, Said(START, {"age": 40}), ask())
            assert await store.reads.vector(5, ask()) == await direct.reads.vector(5, ask()) is not None
            once = iter([fault])
            found = await store.reads.vectors([5, 6, 7], ask())
            assert found == await direct.reads.vectors([5], ask())

    asyncio.run(scenario())


def test_under_faults_of_every_kind_no_answer_is_wrong(server: Server, database: str, publishing: DbSettings) -> None:
    dice, clients = random.Random(11), range(1, 41)

    async def scenario() -> Counter[str]:
        counted = Counter[str]()
        async with faulty(server, database, str(publishing.online_store), 1) as (store, direct, proxy):
            for client_id in clients:
                await direct.writes.write(client_id, Said(START, {"nb_previous_loans": client_id}), ask())
            vectors = await direct.reads.vectors(clients, ask())
            expected = {client_id: encode(vector) for client_id, vector in vectors.items()}
            proxy.fault = lambda: dice.choice([*LINES, None, None, None, None])

            async def look() -> None:
                for _ in range(25):
                    client_id = dice.randrange(1, 61)
                    found = await outcome(store.reads.vector(client_id, ask()))
                    right = found == expected.get(client_id)
                    counted["right" if right else found if isinstance(found, str) else "wrong"] += 1

            await asyncio.gather(*(look() for _ in range(16)))
        return counted

    counted = asyncio.run(scenario())
    print(dict(counted))
    assert set(counted) <= {"right", "/problems/store-unavailable"}
    assert counted["right"] > 0
    assert counted["/problems/store-unavailable"] > 0


def test_writes_and_erasures_under_faults_are_in_both_stores_in_the_end(
    server: Server, database: str, publishing: DbSettings
) -> None:
    dice, clients = random.Random(13), range(1, 21)
    confirmed: dict[int, int] = {}

    async def scenario() -> Counter[str]:
        counted = Counter[str]()
        async with faulty(server, database, str(publishing.online_store), 1) as (store, direct, proxy):
            proxy.fault = lambda: dice.choice([*LINES, *[None] * 12])

            async def change(client_id: int) -> None:
                for number in range(8):
                    one = dice.choice([store, direct])
                    if dice.random() < 0.15:
                        done = await outcome(one.writes.erase(client_id, "id", ask()))
                        confirmed.pop(client_id, None)
                    else:
                        said = Said(START + timedelta(days=number), {"nb_previous_loans": number})
                        done = await outcome(one.writes.write(client_id, said, ask()))
                        confirmed[client_id] = number
                    counted[done if isinstance(done, str) else "done"] += 1

            await asyncio.gather(*(change(client_id) for client_id in clients))
        return counted

    counted = asyncio.run(scenario())
    print(dict(counted))
    assert counted["/problems/store-unavailable"] > 0
    assert run(publishing, "publish") == 0
    assert same(server, database, str(publishing.online_store))
    with psycopg.connect(server.url(database)) as connection:
        rows = connection.execute("SELECT client_id, (v->>'nb_previous_loans')::int FROM online_features").fetchall()
    assert confirmed.items() <= dict(rows).items()
