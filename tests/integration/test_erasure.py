"""The erasure of a client leaves no trace of it, spares all others, and is not undone by a load."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import psycopg
import pytest

from db_init import database as db_init_database
from db_init.settings import Settings
from feature_service.store.postgresql import writer
from loans import run
from local_stack.postgres import Server
from writing import address, counted, put, read, service

CLIENT = 5008804
JANUARY = "2020-01-01T00:00:00Z"
FORMS = ["5008804", " 5008804 ", "\t5008804\n", "5008804.0", "5008804.000", "0005008804", 5008804]
OTHER_FORMS = [
    "50088040",
    "15008804",
    "5008804.5",
    "-5008804",
    "5008804x",
    "x5008804",
    "5008804 5008804",
    "",
    None,
    5008805,
]
TEXTS = [
    "1,5008804,2020-01-01",
    'x,"5008804,y',
    "1, 5008804.0 ,2",
    "1,05008804",
    ",5008804,",
    '"one, two",5008804,x',
    '1,"5008804",x',
    '1,5008804,"x',
    "1,5008804,x\ny",
]
OTHER_TEXTS = [
    "1,50088041,x",
    "1,15008804",
    "1,5008804.25",
    "1,3.5008804",
    "1,2,3",
    "",
    "5008804",
    "5008804,7,2020-01-01",
    "1,7,5008804",
    '"one,5008804",7,x',
    '"5008804,7,x',
    "1,7 5008804,x",
    "id 05008804",
]


def refuse(server: Server, name: str, row: object) -> None:
    with psycopg.connect(server.url(name)) as connection:
        connection.execute(
            "INSERT INTO quarantine SELECT 'file', count(*) + 1, 'reason', %s::jsonb FROM quarantine", [json.dumps(row)]
        )


def erased(server: Server, name: str) -> int:
    async def scenario() -> int:
        async with service(server, name) as client:
            return (await client.delete(address(CLIENT))).status_code

    return asyncio.run(scenario())


def test_a_client_is_gone_from_everywhere_and_the_others_are_not(server: Server, database: str) -> None:
    with psycopg.connect(server.url(database)) as connection:
        for client_id in (CLIENT, 7):
            connection.execute(
                "INSERT INTO feature_history (client_id, event_timestamp, event_id, said, outcome) VALUES (%s, '2019-01-01+00', %s, '{}', 1)",
                [client_id, client_id],
            )
    refuse(server, database, {"id": str(CLIENT), "loan_id": "1"})
    refuse(server, database, {"id": "7", "loan_id": "1"})

    async def scenario() -> None:
        async with service(server, database) as client:
            for client_id in (CLIENT, 7):
                await put(client, JANUARY, client_id, age=40)
            assert (await client.delete(address(CLIENT))).status_code == 204
            assert await read(client, client_id=CLIENT) is None
            assert await read(client, "2030-01-01T00:00:00Z", CLIENT) is None
            again = await client.delete(address(CLIENT))
            assert (again.status_code, again.json()["type"]) == (404, "/problems/client-not-found")
            assert await read(client, client_id=7) == (None, None, 40, None, None)

    asyncio.run(scenario())
    assert counted(server, database) == {"online_features": 1, "feature_history": 2, "quarantine": 1}


def test_what_was_erased_can_be_written_anew_from_nothing(server: Server, database: str) -> None:
    async def scenario() -> None:
        async with service(server, database) as client:
            await put(client, "2020-02-01T00:00:00Z", age=40, flag_own_car=1)
            assert (await client.delete(address())).status_code == 204
            assert await put(client, JANUARY, age=41) == {"applied": True}
            assert await read(client) == (None, None, 41, None, None)

    asyncio.run(scenario())


@pytest.mark.parametrize("form", FORMS, ids=repr)
def test_a_refused_line_of_the_client_is_a_trace_in_every_form_of_its_id(
    server: Server, database: str, form: str
) -> None:
    refuse(server, database, {"id": form, "loan_id": "1"})
    assert erased(server, database) == 204
    assert counted(server, database)["quarantine"] == 0


@pytest.mark.parametrize("text", TEXTS)
def test_a_malformed_line_with_the_id_in_it_is_a_trace(server: Server, database: str, text: str) -> None:
    refuse(server, database, {"text": text, "columns": ["loan_id", "id"]})
    assert erased(server, database) == 204
    assert counted(server, database)["quarantine"] == 0


@pytest.mark.parametrize("place", [{}, {"id_column": 1}, {"columns": ["id", "age"]}])
def test_a_malformed_line_of_a_file_that_names_the_id_first_is_compared_there(
    server: Server, database: str, place: dict[str, object]
) -> None:
    refuse(server, database, {"text": f"{CLIENT},40,3", **place})
    refuse(server, database, {"text": f"7,{CLIENT},3", **place})
    assert erased(server, database) == 204
    assert counted(server, database)["quarantine"] == 1


def test_a_file_of_vectors_in_another_order_leaves_no_trace_either(
    server: Server, database: str, settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "vectors.csv"
    file.write_text(
        "nb_previous_loans,id,avg_amount_loans_previous,age,years_on_the_job,flag_own_car,status\n"
        f"1,{CLIENT},2.5,40,3,1,0,too many\n{CLIENT},7,2.5,40,3,1,0,too many\n"
    )
    assert run(settings, "import-features", file) == 0
    assert counted(server, database)["quarantine"] == 2
    assert erased(server, database) == 204
    assert counted(server, database)["quarantine"] == 1


def test_refused_lines_of_others_stay(server: Server, database: str) -> None:
    rows: list[object] = [{"id": form, "loan_id": str(CLIENT)} for form in OTHER_FORMS]
    rows += [{"text": text, "columns": ["loan_id", "id"]} for text in OTHER_TEXTS]
    rows += [{"text": "1,5008804", "columns": columns} for columns in ("id", None, [], ["id"], ["loan_id"])]
    rows += [{"loan_id": "1"}, [], "5008804"]
    for row in rows:
        refuse(server, database, row)
    assert erased(server, database) == 404
    assert counted(server, database)["quarantine"] == len(rows)


@contextmanager
def load_running(server: Server, name: str) -> Iterator[None]:
    with psycopg.connect(server.url(name)) as connection, db_init_database.exclusive(connection, pytest.fail):
        yield


def test_while_a_load_runs_nothing_is_erased_and_afterwards_it_is(server: Server, database: str) -> None:
    async def scenario() -> None:
        async with service(server, database) as client:
            await put(client, JANUARY, age=40)
            with load_running(server, database):
                answer = await client.delete(address())
                assert (answer.status_code, answer.json()["type"]) == (503, "/problems/load-running")
                assert int(answer.headers["retry-after"]) > 0
                assert await read(client) == (None, None, 40, None, None)
                assert await put(client, JANUARY, age=41) == {"applied": True}
            assert (await client.delete(address())).status_code == 204

    asyncio.run(scenario())
    assert counted(server, database) == {"online_features": 0, "feature_history": 0, "quarantine": 0}


def test_a_load_waits_for_an_erasure(server: Server, database: str) -> None:
    with (
        psycopg.connect(server.url(database, user="feature_writer")) as erasing,
        psycopg.connect(server.url(database)) as load,
    ):
        assert erasing.execute(writer._NO_LOAD.replace("$1", "%s"), [writer.LOADERS_LOCK]).fetchone() == (True,)
        load.execute("SET lock_timeout = '100ms'")
        load.commit()
        said: list[str] = []
        with pytest.raises(psycopg.errors.LockNotAvailable), db_init_database.exclusive(load, said.append):
            pytest.fail("the load runs")
        assert said


def test_the_service_and_the_loader_mean_the_same_lock() -> None:
    assert writer.LOADERS_LOCK == db_init_database._LOCK


@pytest.mark.parametrize(
    ("method", "held"), [("PUT", "pg_advisory_xact_lock"), ("DELETE", "pg_advisory_xact_lock_shared")]
)
def test_writes_and_the_erasure_of_one_client_wait_for_each_other(
    server: Server, database: str, method: str, held: str
) -> None:
    async def scenario() -> None:
        async with service(server, database) as client:
            await put(client, JANUARY, age=40)
            body = {"event_timestamp": JANUARY, "age": 40}
            with psycopg.connect(server.url(database)) as other:
                other.execute(f"SELECT {held}(-5)")
                asked = asyncio.create_task(client.request(method, address(), json=body))
                of_another_client = await client.request(method, address(6), json=body)
                assert of_another_client.status_code in (200, 404)
                await asyncio.sleep(0.2)
                assert not asked.done()
                other.commit()
            assert (await asked).status_code in (200, 204)

    asyncio.run(scenario())


def test_a_write_and_an_erasure_at_once_leave_all_or_nothing(server: Server, database: str) -> None:
    """Never a vector without its history, nor a history without its vector."""

    async def scenario() -> None:
        async with service(server, database) as one, service(server, database) as other:
            for number in range(1, 40):
                await asyncio.gather(
                    put(one, JANUARY, number, age=40), other.delete(address(number)), put(one, JANUARY, number, age=41)
                )

    asyncio.run(scenario())
    with psycopg.connect(server.url(database)) as connection:
        differing = connection.execute(
            """SELECT * FROM online_features AS o FULL JOIN feature_history AS h USING (client_id)
                WHERE (o.event_timestamp, o.v->>'age') IS DISTINCT FROM (h.event_timestamp, h.said->>'age')"""
        ).fetchall()
    assert differing == []


def test_the_history_is_not_searched_from_end_to_end(server: Server, database: str) -> None:
    async def scenario() -> str:
        connection = await asyncpg.connect(server.url(database))
        try:
            await connection.execute("SET enable_seqscan = off")
            plan = await connection.fetch(f"EXPLAIN {writer._ERASE}", 5, *writer._traces(5), "id")
            return "\n".join(row[0] for row in plan)
        finally:
            await connection.close()

    plan = asyncio.run(scenario())
    assert "feature_history_past" in plan
    assert "Seq Scan on feature_history" not in plan
