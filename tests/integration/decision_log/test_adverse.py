"""An adverse decision of a lender with categories, from the answer to the proof that holds without any database."""

import asyncio
import csv
import random
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from both_services import FakeStore
from db_init.feature_sets.reading import read_feature_set
from deciding import deciding, sequence
from decisions import Log
from feature_service.definitions.served import ServedSet
from prediction_service.train import main as train
from shared_schemas import Feature, FeatureSet

FILE = Path(__file__).parents[3] / "examples" / "german_credit" / "feature_set.toml"
PEOPLE = 2_500
MORE_FAVOURABLE = {"decline": ("refer", "approve"), "refer": ("approve",)}


def value(feature: Feature, draw: random.Random) -> Any:
    if feature.categories:
        return draw.choice(feature.categories)
    least, most = int(feature.minimum or feature.exclusive_minimum or 0) + 1, int(feature.maximum or 10_000)
    return draw.randint(least, most)


@pytest.fixture(scope="module")
def applicants() -> list[dict[str, Any]]:
    draw = random.Random(5)
    features = read_feature_set(FILE).features
    return [{"id": n} | {each.name: value(each, draw) for each in features} for n in range(1, PEOPLE + 1)]


@pytest.fixture(scope="module")
def trained(applicants: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry whose model has learnt that long terms and empty accounts go bad."""
    folder, draw = tmp_path_factory.mktemp("german"), random.Random(6)
    rows, models = folder / "rows.csv", folder / "models"
    with rows.open("w", newline="") as out:
        writer = csv.DictWriter(out, [*applicants[0], "status"])
        writer.writeheader()
        for one in applicants:
            empty = one["status_of_existing_checking_account"] == "... < 0 DM"
            bad = draw.random() < 0.02 + 0.004 * one["duration_in_month"] + 0.25 * empty
            writer.writerow(one | {"status": int(bad)})
    options = ["--feature-set", str(FILE), "--folds", "2", "--repeats", "1", "--default-parameters"]
    assert train([str(rows), "--model-dir", str(models), "--version", "first", *options]) == 0
    return models


def store_of(applicants: list[dict[str, Any]], feature_set: FeatureSet) -> FakeStore:
    keys = {feature.name: feature.key for feature in feature_set.features}
    rows = [
        {"client_id": one["id"], "event_timestamp": datetime(2025, 1, 1, tzinfo=UTC)}
        | {keys[name]: found for name, found in one.items() if name != "id"}
        for one in applicants
    ]
    return FakeStore(rows, ServedSet(1, "d" * 64, feature_set, mark="1"))


async def declined(client: httpx.AsyncClient) -> Any:
    """A decline which a single change would have turned."""
    for client_id in range(1, PEOPLE + 1):
        said = (await client.get(f"/credit_risk/client_id={client_id}", params={"explain": "true"})).json()
        if said["decision"] == "decline":
            statement = (await client.get(f"/decisions/{said['decision_id']}/statement")).json()
            if any(one["to"] is not None for one in statement["variations"]):
                return said, statement
    raise AssertionError("nobody was declined by a feature that can be changed")


def command(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Without any setting: no database, no folder of the log."""
    return subprocess.run(
        [sys.executable, "-m", "decision_log", *map(str, arguments)],
        cwd=cwd, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_from_the_answer_to_the_proof(
    log: Log, trained: Path, applicants: list[dict[str, Any]], tmp_path: Path
) -> None:
    feature_set = read_feature_set(FILE)
    outside = tmp_path / "outside"
    outside.mkdir()
    record, proof = outside / "record", outside / "p.tlog-proof"
    ids: list[str] = []

    async def scenario() -> None:
        async with deciding(log, trained, store=store_of(applicants, feature_set)) as (client, _):
            said, statement = await declined(client)
            ids.append(said["decision_id"])
            address = f"/decisions/{said['decision_id']}"
            kept = await client.get(address)
            record.write_bytes(kept.content)
            assert kept.json()["reason_codes"] == said["reason_codes"]
            assert 1 <= len(said["reason_codes"]) <= 4
            assert not {"personal_status_and_sex", "foreign_worker"} & said["input_variables"].keys()
            assert {"personal_status_and_sex", "foreign_worker"} <= kept.json()["other_variables"].keys()
            assert [one["text"] for one in said["reason_codes"]] == [one["text"] for one in statement["reasons"]]
            await varied(client, said, statement)
            made = await client.post(f"{address}/reviews", json={"conclusion": "upheld", "comment": "read again"})
            assert made.status_code == 201
            replayed = (await client.post(f"{address}/replay")).json()
            assert replayed == {"identical": True, "differences": []}
            sequence(log)
            proof.write_text((await client.get(f"{address}/proof")).text)

    asyncio.run(scenario())
    verify = ("verify", "--record", record, "--proof", proof, "--key", log.vkey)
    assert command(*verify, cwd=outside).returncode == 0
    assert log.audit().wrong == []
    log.execute(
        "UPDATE records SET record = set_byte(record, 40, get_byte(record, 40) # 1) WHERE decision_id = %s", ids[0]
    )
    assert ids[0] in (log.audit().first or "")
    assert command(*verify, cwd=outside).returncode == 0  # what was kept outside still proves what was decided
    [(changed,)] = log.execute("SELECT record FROM records WHERE decision_id = %s", ids[0])
    record.write_bytes(bytes(changed))  # type: ignore[call-overload]
    assert command(*verify, cwd=outside).returncode == 1


async def varied(client: httpx.AsyncClient, said: Any, statement: Any) -> None:
    """Each variation of the statement, scored once more, gives a more favourable decision."""
    found = [one for one in statement["variations"] if one["to"] is not None]
    assert found
    for one in found:
        assert said["input_variables"][one["feature"]] == one["from"]
        values = said["input_variables"] | {one["feature"]: one["to"]}
        again = (await client.post("/credit_risk", json=values)).json()
        assert again["decision"] in MORE_FAVOURABLE[said["decision"]], one
