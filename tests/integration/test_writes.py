"""Vectors written over HTTP, in a real PostgreSQL."""

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from db_init.settings import Settings
from loans import Capture, loaded, loading, loan, write
from local_stack.postgres import Server
from shared_schemas import FEATURE_NAMES
from writing import address, counted, put, read, service

JANUARY, FEBRUARY, MARCH = (f"2020-0{month}-01T00:00:00Z" for month in (1, 2, 3))
WHOLE: dict[str, Any] = dict(zip(FEATURE_NAMES, (7, 128.90637116931464, 33, None, 1), strict=True))


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
            await put(client, MARCH)
            assert (await client.get(address())).json()["event_timestamp"] == MARCH
            assert await read(client) == (7, 128.90637116931464, None, 3, 1)
            assert await read(client, JANUARY) == tuple(WHOLE.values())

    asyncio.run(scenario())


def test_a_write_that_is_late_changes_nothing_anywhere(server: Server, database: str) -> None:
    async def scenario() -> None:
        async with service(server, database) as client:
            await put(client, FEBRUARY, **WHOLE)
            assert await put(client, JANUARY, age=99) == {"applied": False, "reason": "stale"}
            assert await read(client) == tuple(WHOLE.values())
            assert await read(client, JANUARY) is None

    asyncio.run(scenario())
    assert counted(server, database)["feature_history"] == 1


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
    assert counted(server, database)["feature_history"] == 1


def test_the_bounds_of_every_column_are_stored_as_they_are(server: Server, database: str) -> None:
    largest = (2**31 - 1, 1.7976931348623157e308, 100, 100, 1)
    smallest = (0, 0.0, 1, 0, 0)

    async def scenario() -> None:
        async with service(server, database) as client:
            for client_id in (1, 2**63 - 1):
                for instant, values in (("0001-01-01T00:00:00Z", smallest), ("9999-12-31T23:59:59.999999Z", largest)):
                    await put(client, instant, client_id, **dict(zip(FEATURE_NAMES, values, strict=True)))
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
                assert now == then
                assert now is not None
                assert now[0] == 50
            assert (await read(client, JANUARY) or [None])[0] == 1
            loaded(settings, capsys, write(loans_file, [*loans, loan(4, 5, "2020-02-02")]))
            assert (await read(client) or [None])[0] == 3

    asyncio.run(scenario())


WAITING = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'db_init' AND datname = %s AND wait_event_type = 'Lock')"


def test_a_load_does_not_undo_a_write_of_its_instant_that_comes_while_it_runs(
    server: Server, database: str, settings: Settings, loans_file: Path, capsys: Capture
) -> None:
    loaded(settings, capsys, write(loans_file, [loan(1, 5, "2020-01-01")]))
    file = write(loans_file, [loan(2, 5, "2020-02-01")])
    with (
        psycopg.connect(server.url(database)) as writing,
        psycopg.connect(server.url("postgres"), autocommit=True) as seen,
    ):
        writing.execute("UPDATE online_features SET age = 99, event_timestamp = '2020-02-01+00' WHERE client_id = 5")
        writing.execute("INSERT INTO feature_history (client_id, age, event_timestamp) VALUES (5, 99, '2020-02-01+00')")
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
            for found in (await read(client), await read(client, FEBRUARY)):
                assert (found or ())[2] == 99

    asyncio.run(scenario())


def test_writes_are_counted_by_what_became_of_them(server: Server, database: str) -> None:
    async def scenario() -> None:
        async with service(server, database) as client:
            await put(client, FEBRUARY)
            await put(client, FEBRUARY)
            await put(client, JANUARY)
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
            body = {"event_timestamp": JANUARY}
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


VALUES = {
    "nb_previous_loans": st.integers(0, 2**31 - 1),
    "avg_amount_loans_previous": st.floats(0, allow_infinity=False),
    "age": st.integers(1, 100),
    "years_on_the_job": st.integers(0, 100),
    "flag_own_car": st.integers(0, 1),
}
WRITES = st.lists(
    st.tuples(
        st.integers(1, 2),
        st.integers(1, 6),
        st.fixed_dictionaries({}, optional={name: st.none() | values for name, values in VALUES.items()}),
    ),
    max_size=12,
)


def modelled(writes: list[tuple[int, int, dict[str, Any]]]) -> dict[int, list[tuple[int, dict[str, Any]]]]:
    """Of each client the vectors that stand, by day."""
    stored: dict[int, list[tuple[int, dict[str, Any]]]] = {1: [], 2: []}
    for client_id, day, values in writes:
        vectors = stored[client_id]
        newest, merged = vectors[-1] if vectors else (0, dict.fromkeys(FEATURE_NAMES))
        if day >= newest:
            stored[client_id] = [*(one for one in vectors if one[0] < day), (day, merged | values)]
    return stored


@hypothesis_settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(WRITES)
def test_writes_in_turn_come_to_what_a_plain_dict_comes_to(
    server: Server, database: str, writes: list[tuple[int, int, dict[str, Any]]]
) -> None:
    def instant(day: int) -> str:
        return f"2020-01-{day:02}T00:00:00Z"

    async def scenario() -> None:
        async with service(server, database) as client:
            for client_id in (1, 2):
                await client.delete(address(client_id))
            for number, (client_id, day, values) in enumerate(writes):
                newest = max([one[0] for one in modelled(writes[:number])[client_id]], default=0)
                assert (await put(client, instant(day), client_id, **values))["applied"] == (day >= newest)
            for client_id, vectors in modelled(writes).items():
                expected = [tuple(vector.values()) for _, vector in vectors]
                assert await read(client, client_id=client_id) == (expected[-1] if expected else None)
                for (day, _), stands in zip(vectors, expected, strict=True):
                    assert await read(client, instant(day), client_id) == stands

    asyncio.run(scenario())
