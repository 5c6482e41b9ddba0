"""The dossier of a version, over HTTP, from artefact, log and monitoring."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree

import httpx
import pytest
from pydantic import SecretStr

from asgi import client_of, transport_to
from both_services import FakeStore, assert_problem, feature_app, prediction_app
from credit_default import ROW
from decisions import Log
from prediction_service.versions.folder import activate, promotions
from registries import copy_version
from watched import decided, record, step


@pytest.fixture
def registry(model_dir: Path, tmp_path: Path) -> Path:
    return Path(copytree(model_dir, tmp_path / "models"))


async def asked(log: Log, registry: Path, *addresses: str, html: bool = False) -> list[httpx.Response]:
    settings = {"decision_log": True, "decision_log_database_url": SecretStr(log.url("decision_writer"))}
    headers = {"Accept": "text/html"} if html else {}
    async with (
        transport_to(feature_app(FakeStore([ROW]))) as transport,
        client_of(prediction_app(transport, registry, **settings)) as client,
    ):
        return [await client.get(address, headers=headers) for address in addresses]


def test_the_dossier_has_what_is_known_and_names_what_is_lacking(log: Log, registry: Path) -> None:
    first, missing = asyncio.run(asked(log, registry, "/models/first/dossier", "/models/other/dossier"))
    assert_problem(missing, 404, "model-not-found")
    found = first.json()
    assert found["data"]["rows"] == 3_000
    assert {feature["name"] for feature in found["features"]} >= {"age", "flag_own_car"}
    assert found["validation"]["grouped"]["folds"]["auc"]["mean"] > 0.5
    assert found["population"]["clients"] == 3_000
    assert found["fairness"][0]["group"] == "age>=62"
    assert {one["part"] for one in found["lacking"]} == {"monitoring", "changes", "log_checkpoint"}
    assert all(found[one["part"]] is None for one in found["lacking"])


def test_changes_promotions_and_monitoring_appear_once_they_are_there(log: Log, registry: Path) -> None:
    copy_version(registry, "second", created_at=datetime.now(UTC).isoformat(), threshold=0.3)
    activate(registry, "second")
    record(log, *(decided(registry, client, datetime.now(UTC), model_version="second") for client in range(1, 250)))
    step(log, registry, datetime.now(UTC))
    [answer] = asyncio.run(asked(log, registry, "/models/second/dossier"))
    found = answer.json()
    assert found["roles"] == ["champion"]
    assert found["changes"]["before"] == "first"
    assert found["changes"]["threshold"][1] == 0.3
    assert [(one["version"], one["before"]) for one in found["promotions"]] == [("second", "first")]
    score, *_ = found["monitoring"]["stability"]
    assert score["clients"] == 249
    assert [one.version for one in promotions(registry)] == ["first", "second"]


def test_the_page_is_escaped_and_runs_nothing(log: Log, registry: Path) -> None:
    file = registry / "first" / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["training"]["note"] = "<script>alert(1)</script>"
    file.write_text(json.dumps(manifest))
    [answer] = asyncio.run(asked(log, registry, "/models/first/dossier", html=True))
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "&lt;script&gt;" in answer.text
    assert "<script" not in answer.text
    assert "What is lacking" in answer.text
