"""What the prediction service tells of its model versions."""

import asyncio
import json
import math
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

from asgi import client_of
from prediction_service.app import create_app
from prediction_service.settings import Settings
from prediction_service.versions.artefact import record_files
from prediction_service.versions.folder import activate, clear_role, give_role
from prediction_service.versions.serving import verified
from registries import copy_version
from shared_schemas import ModelDetails, ModelList


def asked(model_dir: Path, url: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with client_of(create_app(Settings(decision_log=False, model_dir=model_dir))) as client:
            return await client.get(url)

    return asyncio.run(ask())


@pytest.fixture
def registry(model_dir: Path, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(model_dir, tmp_path / "models"))
    copy_version(folder, "newer", created_at="2100-01-01T00:00:00+02:00")
    return folder


def test_versions_are_listed_newest_first_and_the_champion_is_named(registry: Path) -> None:
    answer = asked(registry, "/models")
    listed = ModelList.model_validate_json(answer.content)
    assert [(model.version, model.roles) for model in listed.models] == [("newer", []), ("first", ["champion"])]
    assert (listed.champion, listed.challenger) == ("first", None)
    assert answer.json()["models"][0]["created_at"] == "2099-12-31T22:00:00Z"
    assert listed.models[1].metrics is not None
    assert 0.5 < listed.models[1].metrics["auc"] < 1
    assert listed.models[1].unreadable is None


SECRET = "do-not-tell"
SPOILED: dict[str, bytes | None] = {
    "no JSON": SECRET.encode(), "another form": f'{{"{SECRET}": 1}}'.encode(), "bytes": b"\xff" + SECRET.encode(), "none": None,
}  # fmt: skip


@pytest.mark.parametrize("manifest", SPOILED)
def test_an_unreadable_version_is_listed_with_the_reason_and_none_of_its_content(registry: Path, manifest: str) -> None:
    folder = copy_version(registry, "spoiled")
    (folder / "manifest.json").unlink()
    if (content := SPOILED[manifest]) is not None:
        (folder / "manifest.json").write_bytes(content)
    answer = asked(registry, "/models")
    last = ModelList.model_validate_json(answer.content).models[-1]
    assert (last.version, last.kind, last.metrics) == ("spoiled", None, None)
    assert last.unreadable is not None
    one = asked(registry, "/models/spoiled")
    assert one.json()["unreadable"] == last.unreadable
    assert SECRET not in answer.text + one.text
    assert str(registry) not in answer.text + one.text


def test_another_version_in_the_manifest_is_not_repeated(registry: Path) -> None:
    copy_version(registry, "spoiled", version=SECRET)
    for url in ("/models", "/models/spoiled"):
        answer = asked(registry, url)
        assert "its manifest" in answer.text
        assert SECRET not in answer.text


@pytest.mark.parametrize("name", ["card.md", "tables.json"])
def test_a_file_that_nobody_vouches_for_is_not_shown(registry: Path, name: str) -> None:
    (registry / "newer" / name).write_text(f'{{"tables": "{SECRET}"}}')
    details = ModelDetails.model_validate_json(asked(registry, "/models/newer").content)
    assert details.unreadable == "a file of it is missing or is not the one that its manifest vouches for"
    assert details.card is None
    assert details.tables is None


def test_a_version_tells_everything_that_is_kept_about_it(registry: Path) -> None:
    details = ModelDetails.model_validate_json(asked(registry, "/models/first").content)
    folder = registry / "first"
    assert details.card == (folder / "card.md").read_text()
    assert details.tables is not None
    assert [table["name"] for table in details.tables["tables"]][:2] == [
        "nb_previous_loans",
        "avg_amount_loans_previous",
    ]
    assert details.training is not None
    assert details.training["rows"] == 3_000
    assert details.files is not None
    assert details.files["card.md"].size == (folder / "card.md").stat().st_size
    assert details.roles == ["champion"]
    assert details.threshold_policy
    assert details.threshold is not None


@pytest.mark.parametrize(
    "version",
    [
        "none",
        "..",
        "..%2Fmodels%2Ffirst",
        "first/",
        "first%2F..%2Ffirst",
        ".new-x",
        "current",
        "%00",
    ],
)
def test_what_names_no_version_is_not_found(registry: Path, version: str) -> None:
    (registry / ".new-x").mkdir()
    answer = asked(registry, f"/models/{version}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    if ".." not in version or "%" in version:  # the client itself resolves plain dots
        assert answer.json()["type"] == "/problems/model-not-found"


def test_a_registry_without_versions_is_an_empty_list(tmp_path: Path) -> None:
    empty: dict[str, Any] = {"champion": None, "challenger": None, "models": []}
    assert asked(tmp_path, "/models").json() == empty


def test_the_document_describes_them(model_dir: Path) -> None:
    document = asked(model_dir, "/openapi.json").json()
    assert {"/models", "/models/{version}"} <= document["paths"].keys()
    for name, path in (("ModelList", "/models"), ("ModelDetails", "/models/{version}")):
        answer = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
        assert answer["schema"] == {"$ref": f"#/components/schemas/{name}"}
    one = document["paths"]["/models/{version}"]["get"]
    assert one["responses"].keys() == {"200", "404", "422"}
    assert [parameter["name"] for parameter in one["parameters"]] == ["version"]


def test_a_challenger_is_followed_and_compared_and_changes_no_answer(registry: Path) -> None:
    values = {"age": 40, "nb_previous_loans": 7}

    async def scenario() -> None:
        async with client_of(create_app(Settings(decision_log=False, model_dir=registry))) as client:
            plain = await client.post("/credit_risk", json=values)
            give_role(registry, "challenger", "newer")
            await asyncio.sleep(2)  # the promise
            assert (await client.get("/models")).json()["challenger"] == "newer"
            assert (await client.post("/credit_risk", json=values)).content == plain.content
            await asyncio.sleep(0.01)
            text = (await client.get("/metrics")).text
            assert 'prediction_shadow_rows_total{agreement="agree",challenger="newer"} 1.0' in text
            activate(registry, "newer")
            await asyncio.sleep(2)
            assert (await client.post("/credit_risk", json=values)).json()["model_version"] == "newer"
            clear_role(registry, "challenger")
            activate(registry, "first")
            await asyncio.sleep(2)
            await client.post("/credit_risk", json=values)
            await asyncio.sleep(0.01)
            assert (await client.get("/models")).json()["challenger"] is None
            assert (
                'prediction_shadow_rows_total{agreement="agree",challenger="newer"} 1.0'
                in (await client.get("/metrics")).text
            )

    asyncio.run(scenario())


def test_versions_are_switched_under_load_without_a_failure_or_a_mixture(registry: Path) -> None:
    """Each answer is wholly of one version: its threshold and probability are those of the version that it names."""
    tables = json.loads((registry / "newer" / "tables.json").read_text())
    probes = json.loads((registry / "newer" / "probes.json").read_text())
    tables["base"] += 0.5
    for probe in probes:
        odds = probe["probability"] / (1 - probe["probability"]) * math.exp(0.5)
        probe["probability"] = odds / (1 + odds)
    (registry / "newer" / "tables.json").write_text(json.dumps(tables))
    (registry / "newer" / "probes.json").write_text(json.dumps(probes))
    shutil.rmtree(registry / "other", ignore_errors=True)
    files = {name: record.model_dump() for name, record in record_files(registry / "newer").items()}
    copy_version(registry, "other", source="newer", threshold=0.9, files=files)
    seen: dict[str, set[tuple[float, float, float]]] = {}
    stop = asyncio.Event()

    async def ask(client: httpx.AsyncClient) -> None:
        while not stop.is_set():
            answer = await client.post("/credit_risk?explain=true", json={"age": 40, "nb_previous_loans": 7})
            assert answer.status_code == 200
            body = answer.json()
            parts = (body["probability"], body["threshold"], body["base_log_odds"])
            await asyncio.sleep(0)  # no socket is involved: nothing else hands the loop on
            seen.setdefault(body["model_version"], set()).add(parts)

    async def switch() -> None:
        for turn in range(6):
            activate(registry, ("other", "first")[turn % 2])
            await asyncio.sleep(1.2)
        stop.set()

    async def scenario() -> None:
        async with (
            client_of(create_app(Settings(decision_log=False, model_dir=registry))) as client,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(8):
                group.create_task(ask(client))
            group.create_task(switch())

    asyncio.run(scenario())
    assert seen == {version: {whole(registry / version)} for version in ("first", "other")}


def whole(folder: Path) -> tuple[float, float, float]:
    """Probability, threshold and base that this version alone gives."""
    model = verified(folder)
    assert model.scorecard is not None
    assert model.explainer is not None
    return model.scorecard.probability((7, None, 40, None, None)), model.threshold, model.explainer.base_log_odds
