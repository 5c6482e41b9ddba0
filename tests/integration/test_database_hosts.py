"""A primary and a streaming replica behind one URL, and TLS on the way to a database."""

import asyncio
import gc
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import httpx
import psycopg
import pytest
import trustme
import uvloop
from pydantic import SecretStr

from asgi import client_of
from feature_service.app import create_app
from feature_service.settings import Settings
from local_stack.postgres import Server
from replicated import Node, primary_and_replica, wait_until
from service_kit.telemetry.logs import report_unhandled

ROW = """
    INSERT INTO online_features (client_id, event_timestamp, v)
    VALUES (5, '2020-04-11+00', '{"nb_previous_loans":7,"avg_amount_loans_previous":128.9,"age":33,"years_on_the_job":null,"flag_own_car":1}')
"""
VECTOR = "/online_feature_store/client_id=5"


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Node, Node]]:
    with primary_and_replica() as (primary, replica):
        primary.run(ROW)
        wait_until(replica, "SELECT FROM online_features")
        yield primary, replica


@pytest.fixture
def pair(servers: tuple[Node, Node]) -> tuple[Node, Node]:
    """A primary, and a replica that has all of it. Both run, whatever the test before has done to them."""
    for node in servers:
        if not node.runs():
            node.start()
    wait_until(servers[1], "SELECT FROM online_features")
    return servers


@asynccontextmanager
async def service(url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(create_app(Settings(database_url=SecretStr(url)))) as client:
        yield client


async def statuses(client: httpx.AsyncClient, times: int = 8) -> set[int]:
    answers = await asyncio.gather(*(client.get(VECTOR) for _ in range(times)))
    return {answer.status_code for answer in answers}


def test_reads_go_on_when_either_server_dies_and_after_it_is_back(pair: tuple[Node, Node]) -> None:
    async def scenario() -> None:
        async with service(hosts(*pair)) as client:
            for node in pair:
                assert await statuses(client) == {200}
                await asyncio.to_thread(node.stop)
                for _ in range(5):
                    assert await statuses(client) == {200}
                await asyncio.to_thread(node.start)
            assert await statuses(client) == {200}
            for node in pair:
                await asyncio.to_thread(node.stop)
            answer = await client.get(VECTOR)
            assert (answer.status_code, answer.json()["type"]) == (503, "/problems/store-unavailable")
            await asyncio.to_thread(pair[0].start)
            assert await statuses(client) == {200}

    asyncio.run(scenario())


def test_a_reader_in_the_middle_of_it_notices_nothing(pair: tuple[Node, Node]) -> None:
    async def scenario() -> None:
        seen: list[int] = []
        async with service(hosts(*pair)) as client:

            async def read_on() -> None:
                while True:
                    seen.append((await client.get(VECTOR)).status_code)

            async with asyncio.TaskGroup() as group:
                readers = [group.create_task(read_on()) for _ in range(8)]
                await asyncio.sleep(0.2)
                before = len(seen)
                await asyncio.to_thread(pair[0].stop)
                await asyncio.sleep(0.3)
                for reader in readers:
                    reader.cancel()
            assert before
            assert len(seen) > before
            assert set(seen) == {200}

    asyncio.run(scenario())


def hosts(*nodes: Node, attributes: str = "any") -> str:
    addresses = ",".join(f"127.0.0.1:{node.port}" for node in nodes)
    return f"postgresql://feature_service@{addresses}/postgres?target_session_attrs={attributes}"


@pytest.mark.parametrize(
    ("attributes", "first", "alone"), [("any", 0, True), ("prefer-standby", 1, True), ("read-only", 0, True), ("standby", 1, False)]
)  # fmt: skip
def test_the_url_says_which_server_is_asked(pair: tuple[Node, Node], attributes: str, first: int, alone: bool) -> None:
    async def asked_port() -> int:
        connection = await asyncpg.connect(hosts(*pair, attributes=attributes), timeout=3)
        try:
            port: int = await connection.fetchval("SELECT inet_server_port()")
            return port
        finally:
            await connection.close()

    # The reader's role is read-only on the primary, too.
    assert asyncio.run(asked_port()) == pair[first].port
    pair[1].stop()
    if alone:
        assert asyncio.run(asked_port()) == pair[0].port
    else:
        with pytest.raises((OSError, asyncpg.TargetServerAttributeNotMatched)):
            asyncio.run(asked_port())


def test_a_replica_alone_that_is_away_is_an_outage(pair: tuple[Node, Node]) -> None:
    async def scenario() -> None:
        async with service(hosts(*pair, attributes="standby")) as client:
            assert await statuses(client) == {200}
            await asyncio.to_thread(pair[1].stop)
            assert await statuses(client) == {503}
            await asyncio.to_thread(pair[1].start)
            assert await statuses(client) == {200}

    asyncio.run(scenario())


def test_the_readers_role_ends_what_takes_too_long(server: Server, database: str) -> None:
    with psycopg.connect(server.url(database, user="feature_service"), autocommit=True) as connection:
        shown = {
            name: connection.execute(f"SHOW {name}").fetchone()
            for name in ("statement_timeout", "idle_in_transaction_session_timeout", "default_transaction_read_only")
        }
    assert list(shown.values()) == [("10s",), ("10s",), ("on",)]


def test_a_lost_network_is_noticed_by_the_server(pair: tuple[Node, Node]) -> None:
    url = pair[0].url().replace("//postgres@", "//feature_service@")
    with psycopg.connect(url, autocommit=True) as connection:
        for name, value in (("idle", "30"), ("interval", "10"), ("count", "3")):
            assert connection.execute(f"SHOW tcp_keepalives_{name}").fetchone() == (value,)


@asynccontextmanager
async def tls_door(server: Server, certificates: ssl.SSLContext) -> AsyncIterator[int]:
    """A port that speaks PostgreSQL's TLS and nothing else, with the test's server behind it."""

    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while chunk := await source.read(65_536):
            target.write(chunk)
        target.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.readexactly(8) != b"\x00\x00\x00\x08\x04\xd2\x16\x2f":
            writer.close()
            return
        writer.write(b"S")
        try:
            await writer.start_tls(certificates)
            behind = await asyncio.open_unix_connection(str(server._socket_dir / ".s.PGSQL.5432"))
            await asyncio.gather(copy(reader, behind[1]), copy(behind[0], writer))
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("query", "host", "status"),
    [
        ("sslmode=verify-full&sslrootcert={own}", "localhost", 200),
        ("sslmode=require", "localhost", 200),
        ("sslmode=verify-full&sslrootcert={other}", "localhost", 503),
        ("sslmode=verify-full&sslrootcert={own}", "127.0.0.1", 503),
        ("sslmode=verify-ca&sslrootcert={own}", "127.0.0.1", 200),
        ("sslmode=disable", "localhost", 503),
    ],
)
def test_tls_is_as_strict_as_the_url_says(
    server: Server, database: str, tmp_path: Path, query: str, host: str, status: int
) -> None:
    own, other = trustme.CA(), trustme.CA()
    files = {"own": tmp_path / "own.pem", "other": tmp_path / "other.pem"}
    own.cert_pem.write_to_path(files["own"])
    other.cert_pem.write_to_path(files["other"])
    certificates = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.issue_cert("localhost").configure_cert(certificates)
    with psycopg.connect(server.url(database)) as connection:
        connection.execute(ROW)

    async def scenario() -> None:
        async with tls_door(server, certificates) as port:
            url = f"postgresql://feature_service@{host}:{port}/{database}?{query.format(**files)}"
            async with service(url) as client:
                assert (await client.get(VECTOR)).status_code == status

    asyncio.run(scenario())


def test_the_failure_of_a_look_up_that_was_given_up_is_not_reported_again(caplog: pytest.LogCaptureFixture) -> None:
    url = SecretStr("postgresql://feature_service@nowhere.invalid/features")

    async def main() -> None:
        app = create_app(Settings(database_url=url, database_timeout_seconds=0.0005))
        async with app.router.lifespan_context(app):
            with pytest.raises(OSError, match=r"known|resolution"):  # by now those that were given up have ended, too
                await asyncio.get_running_loop().create_connection(asyncio.Protocol, "nowhere.invalid", 5)
            await asyncio.sleep(0.1)
            gc.collect()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
    assert [record.message for record in caplog.records if record.name == "asyncio"] == []


def test_other_failures_that_nobody_asks_for_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(report_unhandled)
        loop.create_future().set_exception(ValueError())
        gc.collect()
        await asyncio.sleep(0)

    asyncio.run(main())
    assert "Future exception was never retrieved" in caplog.text
