"""Vectors written over HTTP, in a real PostgreSQL."""

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from db_init.settings import Settings
from loans import Capture, loaded, loading, loan, write
from local_stack.postgres import Server
from writing import NAMES, address, counted, put, read, service

JANUARY, FEBRUARY, MARCH = (f"2020-0{month}-01T00:00:00Z" for month in (1, 2, 3))
WHOLE: dict[str, Any] = dict(zip(NAMES, (7, 128.90637116931464, 33, None, 1), strict=True))


def test_a_new_client_is_known_at_once_and_what_was_not_said_is_null(server: Server, database: str) -> None:
    async def scenario() -> None:
        async with service(server, database) as client:
            assert await put(client, JANUARY, age=40) == {"applied": True}
            assert await read(client) == (None, None, 40, None, None)
            assert await read(client, JANUARY) == (None, None, 40, None, None)
            assert await read(client, "2019-12-31T23:59:59Z") is None

    asyncio.run(scenario())
    assert counted(server, database) == {"online_features": 1, "feature_history": 1, "quarantine": 0}


def test_absent_values_stay_and_null_makes_unknown(server: Server, database: str) -> None:
    async def scenario() -> None:
        async with service(server, database) as client:
            await put(client, JANUARY, **WHOLE)
            await put(client, FEBRUARY, age=None, years_on_the_job=3)
            assert await read(client) == (7, 128.90637116931464, None, 3, 1)
            await put(client, MARCH, flag_own_car=1)
            assert (await client.get(address())).json()["event_timestamp"] == MARCH
            assert await read(client) == (7, 128.90637116931464, None, 3, 1)
            assert await read(client, JANUARY) == tuple(WHOLE.values())

    asyncio.run(scenario())


def test_a_late_write_counts_for_what_nothing_newer_speaks_of(server: Server, database: str) -> None:
    async def scenario() -> None:
        async with service(server, database) as client:
            await put(client, FEBRUARY, nb_previous_loans=7, age=33)
            assert await put(client, JANUARY, age=99) == {"applied": False, "reason": "stale"}
            assert await put(client, JANUARY, age=98, flag_own_car=1) == {"applied": True, "stale": ["age"]}
            assert await read(client) == (7, None, 33, None, 1)
            assert await read(client, JANUARY) == (None, None, 98, None, 1)
            vector = (await client.get(address())).json()
            assert vector["event_timestamp"] == FEBRUARY
            assert vector["feature_timestamps"] == {"flag_own_car": JANUARY}

    asyncio.run(scenario())
    assert counted(server, database)["feature_history"] == 2


def test_the_outcome_of_an_imported_row_survives_a_write_that_corrects_it(server: Server, database: str) -> None:
    with psycopg.connect(server.url(database)) as connection:
        connection.execute(
            """INSERT INTO feature_history (client_id, event_timestamp, said, outcome) VALUES (5, %s, '{"age": 40}', 1)""",
            [JANUARY],
        )

    async def scenario() -> None:
        async with service(server, database) as client:
            for _ in range(2):
                await put(client, JANUARY, age=41)
            assert await read(client) == await read(client, JANUARY) == (None, None, 41, None, None)

    asyncio.run(scenario())
    with psycopg.connect(server.url(database)) as connection:
        rows = connection.execute("SELECT said->>'age', outcome FROM feature_history ORDER BY seq").fetchall()
    assert rows == [("40", 1), ("41", None)]


def test_the_same_write_twice_leaves_the_same_behind(server: Server, database: str) -> None:
    async def scenario() -> None:
        async with service(server, database) as client:
            for _ in range(2):
                assert await put(client, JANUARY, age=40, flag_own_car=0) == {"applied": True}
                assert await read(client) == await read(client, JANUARY) == (None, None, 40, None, 0)

    asyncio.run(scenario())
    assert counted(server, database)["feature_history"] == 1


def test_of_one_instant_the_later_write_counts_however_its_zone_is_written(server: Server, database: str) -> None:
    async def scenario() -> None:
        async with service(server, database) as client:
            await put(client, JANUARY, **WHOLE)
            assert await put(client, "2020-01-01T01:00:00+01:00", age=41) == {"applied": True}
            assert await read(client) == await read(client, JANUARY) == (7, 128.90637116931464, 41, None, 1)

    asyncio.run(scenario())
    assert counted(server, database)["feature_history"] == 2


def test_the_bounds_of_every_column_are_stored_as_they_are(server: Server, database: str) -> None:
    largest = (2**63 - 1, 1.7976931348623157e308, 100, 100, 1)
    smallest = (0, -0.0, 1, 0, 0)

    async def scenario() -> None:
        async with service(server, database) as client:
            for client_id in (1, 2**63 - 1):
                for instant, values in (("1900-01-01T00:00:00Z", smallest), ("2020-12-31T23:59:59.999999Z", largest)):
                    await put(client, instant, client_id, **dict(zip(NAMES, values, strict=True)))
                    assert await read(client, client_id=client_id) == values
                    assert await read(client, instant, client_id) == values

    asyncio.run(scenario())


def test_writers_of_one_client_at_once_come_to_the_same_everywhere(server: Server, database: str) -> None:
    """Each writes one feature alone, the same number to all in one instant: none may undo what another has said."""
    instants = [datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=n) for n in range(12)]
    writes = [(instant, name) for instant in instants for name in ("age", "years_on_the_job", "nb_previous_loans")]
    random.Random(7).shuffle(writes)

    async def scenario() -> None:
        async with service(server, database) as one, service(server, database) as other:
            await asyncio.gather(
                *(
                    put(client, instant.isoformat(), **{name: instant.day})
                    for position, (instant, name) in enumerate(writes)
                    for client in ((one, other)[position % 2],)
                )
            )
            last = await read(one)
            assert last is not None
            assert (await one.get(address())).json()["event_timestamp"] == "2020-01-12T00:00:00Z"
            assert [last[0], last[2], last[3]] == [12, 12, 12]
            assert await read(one, "2030-01-01T00:00:00Z") == last

    asyncio.run(scenario())


def test_a_written_vector_and_a_loan_of_its_instant(
    server: Server, database: str, settings: Settings, loans_file: Path, capsys: Capture
) -> None:
    loans = [loan(1, 5, "2020-01-01"), loan(2, 5, "2020-02-01", "300")]

    async def scenario() -> None:
        async with service(server, database) as client:
            loaded(settings, capsys, write(loans_file, loans))
            assert await put(client, JANUARY, age=99) == {"applied": False, "reason": "stale"}
            assert await put(client, FEBRUARY, nb_previous_loans=50) == {"applied": True}
            for again in ([], [loan(3, 5, "2019-12-01")]):
                loaded(settings, capsys, write(loans_file, [*loans, *again]))
                now, then = await read(client), await read(client, FEBRUARY)
                assert now is not None
                assert then is not None
                assert (now[0], now[1], now[4]) == (then[0], then[1], then[4])  # ages go on
                assert now[0] == 50
            assert (await read(client, JANUARY) or [None])[0] == 1
            loaded(settings, capsys, write(loans_file, [*loans, loan(4, 5, "2020-02-02")]))
            assert (await read(client) or [None])[0] == 3

    asyncio.run(scenario())


WAITING = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'db_init' AND datname = %s AND wait_event_type = 'Lock')"


def test_a_load_waits_for_a_write_and_what_it_stores_is_received_later(
    server: Server, database: str, settings: Settings, loans_file: Path, capsys: Capture
) -> None:
    loaded(settings, capsys, write(loans_file, [loan(1, 5, "2020-01-01")]))
    file = write(loans_file, [loan(2, 5, "2020-02-01")])
    with (
        psycopg.connect(server.url(database)) as writing,
        psycopg.connect(server.url("postgres"), autocommit=True) as seen,
    ):
        writing.execute("SELECT write_features(5, '2020-02-01+00', '{\"age\": 99}')")
        with loading(settings, file) as load:
            deadline = time.monotonic() + 30
            while seen.execute(WAITING, [database]).fetchone() == (False,):
                assert load.poll() is None, "the load did not wait"
                assert time.monotonic() < deadline
                time.sleep(0.02)
            writing.commit()
            assert load.wait() == 0

    async def scenario() -> None:
        async with service(server, database) as client:
            assert (await read(client, FEBRUARY) or ())[2] == 39
            assert (await read(client, FEBRUARY) or ())[0] == 1

    asyncio.run(scenario())


def test_writes_are_counted_by_what_became_of_them(server: Server, database: str) -> None:
    async def scenario() -> None:
        async with service(server, database) as client:
            await put(client, FEBRUARY, age=40)
            await put(client, FEBRUARY, age=40)
            await put(client, JANUARY, age=40)
            await client.delete(address())
            await client.delete(address())
            scraped = (await client.get("/metrics")).text.splitlines()
            for line in ('feature_writes_total{result="applied"} 2.0', 'feature_writes_total{result="stale"} 1.0',
                         "feature_deletes_total 1.0"):  # fmt: skip
                assert line in scraped

    asyncio.run(scenario())


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_connection_that_was_lost_is_not_noticed_and_a_database_that_is_away_is(
    server: Server, database: str, method: str
) -> None:
    async def scenario() -> None:
        async with service(server, database) as client:
            body = {"event_timestamp": JANUARY, "age": 40}
            assert (await client.put(address(), json=body)).status_code == 200
            with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
                end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
                admin.execute(end, [database])
                assert (await client.request(method, address(), json=body)).status_code in (200, 204)
                admin.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
                admin.execute(end, [database])
                answer = await client.request(method, address(), json=body)
                assert (answer.status_code, answer.json()["type"]) == (503, "/problems/store-unavailable")
                admin.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")
            assert (await client.request(method, address(), json=body)).status_code in (200, 404)

    asyncio.run(scenario())
