"""`publish`: whatever changes the online store, and whenever it is killed, the table comes to hold the same."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from aiobotocore.session import get_session

from asgi import client_of
from db_init.publishing.table import open_table
from db_init.settings import Settings as DbSettings
from feature_service.app import create_app
from feature_service.settings import Settings
from feature_service.store.online import Said
from loans import Capture, loan, run, write
from local_stack.postgres import Server
from online_stores import MARKED, ask, marked, opened, same, service_settings
from service_kit.problems import StoreUnavailable
from shared_schemas.online_items import TableAddress

START = datetime(2020, 1, 1, tzinfo=UTC)
MANY = """
    INSERT INTO online_features (client_id, event_timestamp, v)
    SELECT n, '2020-01-01+00', json_build_object('nb_previous_loans', n) FROM generate_series(1, %s) AS n
"""


def reported(settings: DbSettings, capsys: Capture, *options: str) -> dict[str, Any]:
    capsys.readouterr()
    assert run(settings, "publish", "--report", "json", *options) == 0
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return report


def executed(settings: DbSettings, statement: str, *values: object) -> None:
    with psycopg.connect(settings.database_url.get_secret_value()) as connection:
        connection.execute(statement, values)


def put(server: Server, database: str, client_id: int, number: int) -> None:
    """With a service that knows nothing of the table."""

    async def scenario() -> None:
        async with opened(service_settings(server, database)) as store:
            await store.writes.write(client_id, Said(START, {"nb_previous_loans": number}), ask())

    asyncio.run(scenario())


def test_what_every_door_changes_is_brought_once(
    server: Server, database: str, publishing: DbSettings, loans_file: Path, tmp_path: Path, capsys: Capture
) -> None:
    table = str(publishing.online_store)
    assert run(publishing, "load", write(loans_file, [loan(n, n, "2020-01-01") for n in range(1, 8)])) == 0
    assert reported(publishing, capsys)["published"] == 7
    assert same(server, database, table)
    put(server, database, 3, 50)
    put(server, database, 9, 1)
    vectors = tmp_path / "vectors.csv"
    vectors.write_text("id,age,event_timestamp\n4,44,2020-02-01\n")
    assert run(publishing, "import-features", vectors, "--partial") == 0
    assert marked(server, database) == 3
    assert reported(publishing, capsys)["published"] == 3
    assert same(server, database, table)
    executed(publishing, "DELETE FROM online_features WHERE client_id = 5")
    assert reported(publishing, capsys)["erased"] == 1
    assert same(server, database, table)
    assert reported(publishing, capsys) | {"seconds": 0} == {
        "published": 0, "erased": 0, "already_there": 0, "left": 0, "seconds": 0,
    }  # fmt: skip


def test_nothing_is_marked_before_it_is_published_and_after_that_is_stopped(
    server: Server, database: str, settings: DbSettings, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_INIT_ONLINE_STORE", table)
    put(server, database, 5, 1)
    assert marked(server, database) == 0
    assert run(settings, "publish", "--create-table") == 0
    put(server, database, 5, 2)
    assert marked(server, database) == 1
    assert run(settings, "publish", "--stop") == 0
    put(server, database, 5, 3)
    assert marked(server, database) == 0


def test_a_service_that_writes_changes_nothing_where_nothing_is_marked(
    server: Server, database: str, table: str
) -> None:
    async def scenario() -> None:
        async with opened(service_settings(server, database, online_store=table)) as store:
            for work in (store.writes.write(5, Said(START, {"age": 40}), ask()), store.writes.erase(5, "id", ask())):
                with pytest.raises(StoreUnavailable):
                    await work

    asyncio.run(scenario())
    with psycopg.connect(server.url(database)) as connection:
        assert connection.execute("SELECT count(*) FROM feature_history").fetchone() == (0,)


def test_until_a_table_is_filled_nobody_is_unknown(
    server: Server, database: str, publishing: DbSettings, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = table.replace("dynamodb://", "dynamodb://other-")
    monkeypatch.setenv("DB_INIT_ONLINE_STORE", other)
    executed(publishing, MANY, 3)

    async def found() -> Any:
        async with opened(service_settings(server, database, online_store=other)) as store:
            return await store.reads.vectors([1, 2, 3, 4], ask())

    executed(publishing, "UPDATE feature_sets SET current = false")  # a publish that ends before it brings the set
    assert run(publishing, "publish", "--create-table") == 0
    executed(publishing, "UPDATE feature_sets SET current = true")
    with pytest.raises(StoreUnavailable):
        asyncio.run(found())
    assert run(publishing, "publish") == 0
    assert sorted(asyncio.run(found())) == [1, 2, 3]


def test_after_a_restore_a_full_publish_makes_both_the_same(
    server: Server, database: str, publishing: DbSettings, capsys: Capture
) -> None:
    executed(publishing, MANY, 20)
    reported(publishing, capsys)
    # PostgreSQL as it was before: other vectors, fewer clients, and revisions that the table knows already.
    executed(publishing, "DELETE FROM online_features WHERE client_id > 15")
    executed(publishing, "UPDATE online_features SET v = '{\"nb_previous_loans\": 99}'")
    executed(publishing, "DELETE FROM online_changes")
    executed(publishing, "SELECT setval('online_revisions', 1)")
    report = reported(publishing, capsys, "--full")
    assert (report["published"], report["erased"]) == (15, 5)
    assert same(server, database, str(publishing.online_store))


def test_a_publish_that_is_killed_ten_times_loses_nothing_and_brings_nothing_back(
    server: Server, database: str, settings: DbSettings, table: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice, clients, killed = random.Random(17), 2_000, 0
    monkeypatch.setenv("DB_INIT_ONLINE_STORE", table)
    executed(settings, MANY, clients)
    variables = os.environ | {"DB_INIT_DATABASE_URL": settings.database_url.get_secret_value()}
    command = [sys.executable, "-m", "db_init", "publish", "--create-table", "--wait", "0"]
    while killed < 10:
        with psycopg.connect(server.url(database), autocommit=True) as connection:
            before = connection.execute(MARKED).fetchone()
            process = subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while process.poll() is None and connection.execute(MARKED).fetchone() == before:
                time.sleep(0.02)  # until it is at work: marking, or publishing
        time.sleep(dice.uniform(0, 0.4))
        killed += process.poll() is None
        process.kill()
        process.wait()
        changed = dice.sample(range(1, clients + 1), 500)
        executed(settings, "UPDATE online_features SET v = '{\"age\": 41}' WHERE client_id = ANY (%s)", changed)
        executed(settings, "DELETE FROM online_features WHERE client_id = ANY (%s)", changed[:3])
    print(reported(settings, capsys))
    assert same(server, database, table)


@pytest.fixture
def follower(publishing: DbSettings) -> Iterator["subprocess.Popen[str]"]:
    """`publish --follow`, which has brought three clients."""
    executed(publishing, MANY, 3)
    variables = os.environ | {"DB_INIT_DATABASE_URL": publishing.database_url.get_secret_value()}
    command = [sys.executable, "-m", "db_init", "publish", "--follow", "--wait", "0"]
    process = subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        assert '"published": 3' in process.stderr.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_publisher_that_follows_ends_when_its_table_is_gone(
    follower: "subprocess.Popen[str]", publishing: DbSettings
) -> None:
    asyncio.run(deleted(publishing))
    _, said = follower.communicate(timeout=30)
    assert (follower.returncode, "There is no table" in said) == (1, True)


def test_a_publisher_that_follows_fills_a_table_that_was_made_again(
    follower: "subprocess.Popen[str]", publishing: DbSettings, server: Server, database: str
) -> None:
    follower.send_signal(signal.SIGSTOP)  # it must not look between the two: where there is no table, it ends
    try:
        asyncio.run(deleted(publishing, make_again=True))
    finally:
        follower.send_signal(signal.SIGCONT)
    assert follower.stderr is not None
    assert "Publishing everything again" in follower.stderr.readline()
    assert '"published": 6' in follower.stderr.readline()
    assert same(server, database, str(publishing.online_store))


async def deleted(settings: DbSettings, *, make_again: bool = False) -> None:
    address = TableAddress.read(str(settings.online_store))
    where = {"region_name": address.region, "endpoint_url": address.endpoint}
    async with get_session().create_client("dynamodb", **where) as client:
        await client.delete_table(TableName=address.table)
    if make_again:
        async with open_table(address) as table:
            assert await table.create()


def test_without_the_system_of_record_vectors_are_served_and_the_rest_is_refused(
    server: Server, database: str, publishing: DbSettings, capsys: Capture
) -> None:
    executed(publishing, MANY, 3)
    reported(publishing, capsys)
    alone = Settings.model_validate({"database_url": "", "online_store": publishing.online_store})

    async def scenario() -> None:
        one, pages = "/online_feature_store/client_id=2", "/online_feature_store"
        whole = create_app(service_settings(server, database))
        async with client_of(create_app(alone)) as client, client_of(whole) as other:
            for path in (one, "/online_feature_store/client_id=4", "/feature_definitions"):
                assert (await client.get(path)).content == (await other.get(path)).content or path.endswith("=4")
            assert (await client.get(one)).json()["nb_previous_loans"] == 2
            assert (await client.get("/online_feature_store/client_id=4")).status_code == 404
            assert (await client.get("/health/ready")).status_code == 200
            body = {"event_timestamp": "2020-01-01T00:00:00Z", "age": 40}
            for answer in (
                await client.get(one, params={"as_of": "2020-01-01T00:00:00Z"}),
                await client.get(pages),
                await client.put(one, json=body),
                await client.delete(one),
            ):
                assert_needs_record(answer)

    asyncio.run(scenario())


def assert_needs_record(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/needs-system-of-record")
