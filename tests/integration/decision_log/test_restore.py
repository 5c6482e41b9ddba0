"""A restore that is done: another PostgreSQL server gets the backup, both services run on it, and nothing is different."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from asgi import client_of, transport_to
from both_services import prediction_app
from decisions import Log
from feature_service.app import create_app as create_feature_app
from feature_service.settings import Settings as FeatureSettings
from folders import database_folder
from local_stack.postgres import _BIN, Server, running_postgres

INSERT = """
    INSERT INTO online_features (client_id, event_timestamp, v)
    SELECT n, timestamptz '2020-01-01+00',
           json_build_object('nb_previous_loans', n, 'avg_amount_loans_previous', 100 + n, 'age', 20 + n,
                             'years_on_the_job', NULL, 'flag_own_car', mod(n, 2))
      FROM generate_series(1, 20) AS n
"""


def program(name: str, *arguments: object) -> bytes:
    done = subprocess.run([str(_BIN / name), *map(str, arguments)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def other_server() -> Iterator[Server]:
    with database_folder("restored") as folder, running_postgres(folder) as running:
        yield running


@asynccontextmanager
async def serving(
    server: Server, features: str, decisions: str, models: Path
) -> AsyncIterator[list[httpx.AsyncClient]]:
    url = SecretStr(server.url(features, user="feature_service"))
    reader = FeatureSettings(database_url=url, database_timeout_seconds=5)  # a busy machine is slow and still right
    writer = SecretStr(server.url(decisions, user="decision_writer"))
    app = create_feature_app(reader)
    async with (
        transport_to(app) as transport,
        client_of(app) as vectors,
        client_of(prediction_app(transport, models, decision_log=True, decision_log_database_url=writer)) as risks,
    ):
        yield [vectors, risks]


async def answers(clients: list[httpx.AsyncClient], ids: list[str]) -> dict[str, Any]:
    vectors, risks = clients
    wanted = {
        f"/online_feature_store/client_id={n}{at}": vectors
        for n in range(1, 22)
        for at in ("", "?as_of=2020-06-01T00:00:00Z")
    }
    wanted |= {f"/credit_risk/client_id={n}/preview": risks for n in range(1, 22)}
    wanted |= {f"/decisions/{one}{part}": risks for one in ids for part in ("", "/proof")} | {"/decisions": risks}
    found = {}
    for address, client in wanted.items():
        method = "POST" if address.endswith("preview") else "GET"
        answer = await client.request(method, address, headers={"X-Request-Timeout-Ms": "10000"})
        body = answer.text if "decisions" in address else {k: v for k, v in answer.json().items() if k != "instance"}
        found[address] = (answer.status_code, body)
    return found


def test_a_restored_backup_answers_and_proves_as_before(
    server: Server, database: str, log: Log, other_server: Server, model_dir: Path, tmp_path: Path
) -> None:
    with psycopg.connect(server.url(database), autocommit=True) as connection:
        connection.execute(INSERT)

    async def before() -> tuple[list[str], dict[str, Any]]:
        async with serving(server, database, log.database, model_dir) as clients:
            decided = [(await clients[1].get(f"/credit_risk/client_id={n}")).json()["decision_id"] for n in range(1, 6)]
            with log.connection() as connection:
                log.sequencer(connection).step()
            return decided, await answers(clients, decided)

    ids, expected = asyncio.run(before())
    assert [expected[f"/decisions/{one}/proof"][0] for one in ids] == [200] * 5

    # As docs/how-to/back-up-and-restore.md: the folder of the key before the database of the log.
    backup = tmp_path / "backup"
    shutil.copytree(log.folder.path, backup / "decision_log")
    shutil.copytree(model_dir, backup / "models")
    (backup / "roles.sql").write_bytes(program("pg_dumpall", "--roles-only", "--dbname", server.url("postgres")))
    for name, source in (("decisions", log.database), ("features", database)):
        (backup / f"{name}.dump").write_bytes(program("pg_dump", "--format", "custom", server.url(source)))

    program("psql", "--file", backup / "roles.sql", other_server.url("postgres"))
    for name in ("decisions", "features"):
        program("createdb", "--maintenance-db", other_server.url("postgres"), name)
        program("pg_restore", "--exit-on-error", "--dbname", other_server.url(name), backup / f"{name}.dump")

    restored = Log(other_server, "decisions", backup / "decision_log", log.vkey)

    async def after() -> dict[str, Any]:
        async with serving(other_server, "features", "decisions", backup / "models") as clients:
            found = await answers(clients, ids)
            new = (await clients[1].get("/credit_risk/client_id=9")).json()["decision_id"]
            with restored.connection() as connection:
                restored.sequencer(connection).step()
            assert (await clients[1].get(f"/decisions/{new}/proof")).status_code == 200  # the log goes on
            return found

    assert asyncio.run(after()) == expected
    assert restored.audit().wrong == []
