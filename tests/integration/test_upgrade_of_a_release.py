"""Data and a model of the previous release, brought up to date: the present code answers as that release did.

tests/integration/previous_release/capture.py made both, with that release's code.
"""

import asyncio
import json
from pathlib import Path
from shutil import copytree
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from asgi import client_of, transport_to
from both_services import prediction_app
from db_init.migrate import migrate
from db_init.settings import Settings
from feature_service.app import create_app as create_feature_app
from feature_service.settings import Settings as FeatureSettings
from local_stack.postgres import Server
from migrations import at_revision

RELEASE = Path(__file__).parent / "previous_release"
ANSWERS: dict[str, Any] = json.loads((RELEASE / "answers.json").read_text())
VERSION = (RELEASE / "version.txt").read_text()


@pytest.fixture
def release(server: Server) -> Settings:
    """A database as the previous release left it."""
    settings = at_revision(server, "previous_release", "0001")
    with psycopg.connect(settings.database_url.get_secret_value()) as connection, connection.cursor() as cursor:
        for table in ("feature_history", "online_features"):
            with cursor.copy(f"COPY {table} FROM STDIN (FORMAT csv, HEADER)") as copy:
                copy.write((RELEASE / f"{table}.csv").read_bytes())
    return settings


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    copytree(RELEASE / "model", tmp_path / "models" / VERSION)
    (tmp_path / "models" / "current").write_text(VERSION)
    return tmp_path / "models"


def test_after_the_upgrade_every_answer_is_what_it_was(release: Settings, registry: Path, server: Server) -> None:
    migrate(release)
    reader = SecretStr(server.url("previous_release", user="feature_service"))

    async def scenario() -> dict[str, Any]:
        features = create_feature_app(FeatureSettings(database_url=reader))
        async with (
            transport_to(features) as transport,
            client_of(features) as vectors,
            client_of(prediction_app(transport, registry)) as risks,
        ):
            found = {}
            for address in ANSWERS:
                answer = await (risks if "credit_risk" in address else vectors).get(address)
                found[address] = {"status": answer.status_code, "body": answer.json()}
            return found

    found = asyncio.run(scenario())
    assert len(found) == 120
    for address, before in ANSWERS.items():
        assert changes(before["body"], found[address]["body"]) == {}, address
        assert found[address]["status"] == before["status"]


NEW_BY_DESIGN = {"instance", "reason_texts_version"}  # an id of the request; the version now tells the texts' digest


def changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What was said before and is not said any more, or otherwise."""
    kept = before.keys() - NEW_BY_DESIGN
    return {name: (before[name], after.get(name)) for name in kept if after.get(name) != before[name]}
