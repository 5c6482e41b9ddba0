"""No space for a record: no answer leaves unrecorded, nothing is half recorded, and with space it goes on."""

import asyncio
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from both_services import assert_problem
from deciding import deciding
from decision_log.migrate import migrate
from decision_log.settings import Settings
from decisions import Log, entry
from local_stack.postgres import running_postgres

ASK = "/credit_risk/client_id=5"


@pytest.fixture
def small_disk() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="small-") as folder:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=256m,mode=0755", "tmpfs", folder], capture_output=True, check=False
        )
        if mounted.returncode:
            pytest.skip("a small disk of its own needs the right to mount one")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


def filled(disk: Path) -> Path:
    """The file that takes all that is left."""
    ballast = disk / "ballast"
    space = os.statvfs(disk)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, space.f_bavail * space.f_frsize)
    return ballast


async def until_refused(client: httpx.AsyncClient) -> tuple[list[str], httpx.Response]:
    """Decisions until one is refused; the pages that exist already may hold some more."""
    answered: list[str] = []
    for _ in range(2_000):
        answer = await client.get(ASK)
        if answer.status_code != httpx.codes.OK:
            return answered, answer
        answered.append(answer.json()["decision_id"])
    raise AssertionError("a full disk took 2,000 records")


def test_a_full_disk_is_a_503_and_with_space_decisions_go_on(small_disk: Path, model_dir: Path, tmp_path: Path) -> None:
    answered: list[str] = []

    async def scenario(log: Log) -> None:
        async with deciding(log, model_dir) as (client, _):
            answered.append((await client.get(ASK)).json()["decision_id"])
            ballast = filled(small_disk)
            more, refused = await until_refused(client)
            answered.extend(more)
            assert_problem(refused, 503, "decision-log-unavailable")
            batch = await client.post("/credit_risk/batch", json={"client_ids": [5] * 1_000})
            assert_problem(batch, 503, "decision-log-unavailable")
            assert (await client.get(f"/decisions/{answered[0]}")).status_code == httpx.codes.OK
            ballast.unlink()
            answered.append((await client.get(ASK)).json()["decision_id"])

    with running_postgres(small_disk) as server:
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE decisions")
        migrate(Settings(database_url=SecretStr(server.url("decisions"))))
        log = Log(server, "decisions", tmp_path / "log")
        asyncio.run(scenario(log))
        assert sorted(str(one) for (one,) in log.execute("SELECT decision_id FROM records")) == sorted(answered)
        assert log.sequenced(entry()) == len(answered) + 1
        assert log.audit().wrong == []


def test_a_batch_whose_recording_fails_half_way_is_recorded_not_at_all(log: Log, model_dir: Path) -> None:
    log.execute("CREATE SEQUENCE written")
    log.execute("GRANT USAGE ON SEQUENCE written TO decision_writer")
    log.execute("""
        CREATE FUNCTION fail_at_500() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('written') = 500 THEN RAISE EXCEPTION 'no space' USING ERRCODE = 'disk_full'; END IF;
            RETURN NEW;
        END $$
    """)
    log.execute("CREATE TRIGGER fails BEFORE INSERT ON records FOR EACH ROW EXECUTE FUNCTION fail_at_500()")
    batch = {"client_ids": [5, 6] * 500}

    async def scenario() -> None:
        async with deciding(log, model_dir) as (client, _):
            refused = await client.post("/credit_risk/batch", json=batch)
            assert_problem(refused, 503, "decision-log-unavailable")
            assert log.execute("SELECT last_value FROM written") == [(500,)]
            assert log.execute("SELECT (SELECT count(*) FROM records), (SELECT count(*) FROM queue)") == [(0, 0)]
            answer = (await client.post("/credit_risk/batch", json=batch)).json()
            ids = {one["decision_id"] for one in answer["predictions"]}
            assert len(ids) == 1_000
            assert {str(one) for (one,) in log.execute("SELECT decision_id FROM records")} == ids

    asyncio.run(scenario())
    assert log.sequenced() == 1_000
    assert log.audit().wrong == []
