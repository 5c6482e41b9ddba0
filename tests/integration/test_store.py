"""The feature service on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from asgi import client_of
from db_init.settings import Settings as DbSettings
from feature_service.app import create_app
from feature_service.settings import Settings
from local_stack.postgres import Server

LOANS = """
    INSERT INTO feature_history (client_id, event_timestamp, event_id, said)
    VALUES (5, '2019-03-01+00', 1, '{"age": {"since": "1980-06-15"}, "years_on_the_job": {"since": "2019-09-01"},
                                     "nb_previous_loans": 0, "avg_amount_loans_previous": null, "flag_own_car": 1}'),
           (5, '2020-03-01+00', 2, '{"age": {"since": "1980-06-15"}, "years_on_the_job": {"since": "2019-09-01"},
                                     "nb_previous_loans": 1, "avg_amount_loans_previous": 100.5, "flag_own_car": 1}'),
           (5, '2020-03-01+00', 3, '{"age": {"since": "1980-06-15"}, "years_on_the_job": {"since": "3021-09-18"},
                                     "nb_previous_loans": 1, "avg_amount_loans_previous": 100.5, "flag_own_car": 0}'),
           (6, '2020-01-01+00', NULL, '{"age": 50, "years_on_the_job": 3, "nb_previous_loans": 4,
                                        "avg_amount_loans_previous": 7.25, "flag_own_car": null}')
"""
ONLINE = """
    INSERT INTO online_features (client_id, event_timestamp, v)
    SELECT 5, timestamptz '2020-03-01+00', json_build_object('nb_previous_loans', 1, 'avg_amount_loans_previous', 100.5, 'age', 41,
                                                             'flag_own_car', 0) UNION ALL
    SELECT n, '2020-01-01+00', json_build_object('nb_previous_loans', n % 60, 'years_on_the_job', 2)
      FROM generate_series(100, 1999) AS n
"""


@asynccontextmanager
async def service(server: Server, database: str) -> AsyncIterator[httpx.AsyncClient]:
    url = SecretStr(server.url(database, user="feature_service"))
    async with client_of(create_app(Settings(database_url=url, database_timeout_seconds=10))) as client:
        yield client


@pytest.fixture
def filled(settings: DbSettings, database: str) -> str:
    with psycopg.connect(settings.database_url.get_secret_value()) as connection:
        connection.execute(LOANS)
        connection.execute(ONLINE)
    return database


def test_a_vector_comes_back_as_it_is_stored(server: Server, filled: str) -> None:
    async def scenario() -> None:
        async with service(server, filled) as client:
            answer = await client.get("/online_feature_store/client_id=5")
            assert answer.json() == {
                "client_id": 5, "nb_previous_loans": 1, "avg_amount_loans_previous": 100.5, "age": 41,
                "years_on_the_job": None, "flag_own_car": 0, "event_timestamp": "2020-03-01T00:00:00Z",
            }  # fmt: skip
            assert (await client.get("/online_feature_store/client_id=4")).status_code == 404
            assert (await client.get("/health/ready")).status_code == 200

    asyncio.run(scenario())


def test_many_at_once_each_get_their_own(server: Server, filled: str) -> None:
    async def scenario() -> None:
        async with service(server, filled) as client:
            ids = [*range(90, 300), *range(120, 140)]
            answers = await asyncio.gather(*(client.get(f"/online_feature_store/client_id={i}") for i in ids))
            for client_id, answer in zip(ids, answers, strict=True):
                assert answer.status_code == (200 if client_id >= 100 else 404)
                if client_id >= 100:
                    assert answer.json()["client_id"] == client_id
                    assert answer.json()["nb_previous_loans"] == client_id % 60

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("as_of", "vector"),
    [
        ("2019-02-28T23:59:59Z", None),
        ("2019-03-01T00:00:00Z", (0, None, 38, None, 1)),
        ("2019-12-31T00:00:00Z", (0, None, 39, 0, 1)),
        ("2020-06-14T00:00:00Z", (1, 100.5, 39, None, 0)),
        ("2020-06-15T02:00:00+02:00", (1, 100.5, 40, None, 0)),
        ("2030-01-01T00:00:00Z", (1, 100.5, 49, None, 0)),
    ],
)
def test_as_of_answers_as_it_stood_then(
    server: Server, filled: str, as_of: str, vector: tuple[float | None, ...] | None
) -> None:
    async def scenario() -> None:
        async with service(server, filled) as client:
            answer = await client.get("/online_feature_store/client_id=5", params={"as_of": as_of})
            assert answer.status_code == (200 if vector else 404)
            if vector:
                assert tuple(answer.json().values())[1:6] == vector
            body = {"client_ids": [5, 6], "as_of": as_of}
            batch = (await client.post("/online_feature_store/batch", json=body)).json()
            assert [found["client_id"] for found in batch["features"]] == [
                *([5] if vector else []), *([6] if datetime.fromisoformat(as_of) >= datetime(2020, 1, 1, tzinfo=UTC) else []),
            ]  # fmt: skip

    asyncio.run(scenario())


def test_ages_that_were_imported_are_served_as_they_are(server: Server, filled: str) -> None:
    async def scenario() -> None:
        async with service(server, filled) as client:
            answer = await client.get("/online_feature_store/client_id=6?as_of=2025-01-01T00:00:00Z")
            assert tuple(answer.json().values())[1:6] == (4, 7.25, 50, 3, None)

    asyncio.run(scenario())


def test_a_thousand_ids_are_one_answer(server: Server, filled: str) -> None:
    async def scenario() -> None:
        async with service(server, filled) as client:
            ids = list(range(1500, 2500))
            batch = (await client.post("/online_feature_store/batch", json={"client_ids": ids})).json()
            assert [vector["client_id"] for vector in batch["features"]] == ids[:500]
            assert batch["not_found"] == ids[500:]

    asyncio.run(scenario())


def test_a_database_that_goes_away_is_an_outage_and_its_return_is_noticed(server: Server, filled: str) -> None:
    async def scenario() -> None:
        async with service(server, filled) as client:
            assert (await client.get("/online_feature_store/client_id=5")).status_code == 200
            with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
                admin.execute(f"ALTER DATABASE {filled} ALLOW_CONNECTIONS false")
                admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [filled])
                for _ in range(3):
                    answer = await client.get("/online_feature_store/client_id=5")
                    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/store-unavailable")
                assert (await client.get("/health/ready")).status_code == 503
                assert (await client.get("/health/live")).status_code == 200
                admin.execute(f"ALTER DATABASE {filled} ALLOW_CONNECTIONS true")
            assert (await client.get("/online_feature_store/client_id=5")).status_code == 200

    asyncio.run(scenario())
