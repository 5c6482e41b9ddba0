"""A set of 60 features gets one more while both services answer: no request fails, and the next model reads it."""

import asyncio
import csv
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from bench.wide import write_clients, write_feature_set
from db_init.__main__ import main as db_init
from db_init.migrate import migrate
from db_init.settings import Settings
from local_stack.postgres import Server
from prediction_service.commands import main as prediction_service
from prediction_service.train import main as train
from running import service

CLIENTS = 600
JANUARY = "2026-01-01T00:00:00Z"
ADDED = """
[[feature]]
name = "income"
type = "number"
unit = "euros a year"
minimum = 0
description = "Income of the client."
"""


class Callers:
    """Four callers that ask for predictions until they are told to stop."""

    def __init__(self, predictions: httpx.AsyncClient) -> None:
        self._predictions = predictions
        self._stop = asyncio.Event()
        self.statuses: Counter[int] = Counter()
        self.versions: Counter[str] = Counter()

    async def ask(self, seed: int) -> None:
        random = Random(seed)
        while not self._stop.is_set():
            answer = await self._predictions.get(f"/credit_risk/client_id={random.randint(1, CLIENTS)}")
            self.statuses[answer.status_code] += 1
            if answer.status_code == 200:
                self.versions[answer.json()["model_version"]] += 1

    async def during(self, scenario: Any) -> None:
        async with asyncio.TaskGroup() as group:
            for seed in range(4):
                group.create_task(self.ask(seed))
            try:
                await scenario(self)
            finally:
                self._stop.set()


def _dated(clients: Path) -> None:
    """As of January: a model learns from what was known at the event whose outcome it is told."""
    header, *lines = clients.read_text(encoding="utf-8").splitlines()
    dated = [f"{header},event_timestamp", *(f"{line},{JANUARY}" for line in lines)]
    clients.write_text("\n".join([*dated, ""]), encoding="utf-8")


def _incomes(file: Path) -> None:
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["id", "income", "event_timestamp"])
        writer.writerows([client_id, 1000 * (client_id % 90), JANUARY] for client_id in range(1, CLIENTS + 1))


def _trained(rows: Path, models: Path, version: str, *more: str) -> None:
    quick = ["--folds", "2", "--repeats", "1", "--default-parameters"]
    assert train([str(rows), "--model-dir", str(models), "--version", version, *quick, *more]) == 0


async def _until(condition: Any) -> None:
    async with asyncio.timeout(30):
        while not await condition():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.05)


def test_a_61st_feature_arrives_under_load(
    server: Server, tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.url(database)
    monkeypatch.setenv("DB_INIT_DATABASE_URL", url)
    migrate(Settings(database_url=SecretStr(url)))
    features, clients, rows, models = (
        tmp_path / name for name in ("wide.toml", "clients.csv", "rows.parquet", "models")
    )
    write_feature_set(features)
    write_clients(clients, CLIENTS)
    _dated(clients)
    for command in (["apply", features], ["import-features", clients], ["export-training", rows]):
        assert db_init([str(part) for part in command]) == 0
    _trained(rows, models, "before")

    async def scenario(callers: Callers, asking: httpx.AsyncClient, known: httpx.AsyncClient) -> None:
        def run(*command: object) -> Any:
            return asyncio.to_thread(db_init, [str(part) for part in command])

        await _until(lambda: _seen(callers.versions, "before"))
        features.write_text(features.read_text(encoding="utf-8") + ADDED, encoding="utf-8")
        assert await run("apply", features) == 0
        await _until(lambda: _serves(known, "income"))
        incomes = tmp_path / "incomes.csv"
        _incomes(incomes)
        assert await run("import-features", incomes, "--partial") == 0
        assert (await known.get("/online_feature_store/client_id=7")).json()["income"] == 7000.0
        assert (await asking.get("/credit_risk/client_id=7")).json()["model_version"] == "before"
        assert await run("export-training", rows) == 0
        await asyncio.to_thread(_trained, rows, models, "after", "--no-activate")
        assert set(callers.versions) == {"before"}
        assert await asyncio.to_thread(prediction_service, ["promote", "after", "--model-dir", str(models)]) == 0
        await _until(lambda: _seen(callers.versions, "after"))
        answer = (await asking.get("/credit_risk/client_id=7")).json()
        assert (answer["model_version"], answer["input_variables"].get("income")) == ("after", 7000.0)

    async def whole() -> Callers:
        with (
            service("feature_service", database_url=server.url(database, user="feature_service")) as known,
            service(
                "prediction_service", feature_service_url=known.base, model_dir=models, decision_log="off"
            ) as asking,
        ):
            async with (
                httpx.AsyncClient(base_url=known.base, timeout=10) as features_client,
                httpx.AsyncClient(base_url=asking.base, timeout=10) as predictions,
            ):
                await _until(lambda: _ready(predictions))
                callers = Callers(predictions)
                await callers.during(lambda told: scenario(told, predictions, features_client))
                return callers

    callers = asyncio.run(whole())
    assert set(callers.statuses) == {200}
    assert set(callers.versions) == {"before", "after"}
    print(f"{sum(callers.statuses.values())} requests, none failed: {dict(callers.versions)}")


async def _seen(versions: Counter[str], version: str) -> bool:
    return versions[version] > 0


async def _ready(client: httpx.AsyncClient) -> bool:
    return (await client.get("/health/ready")).status_code == 200


async def _serves(client: httpx.AsyncClient, feature: str) -> bool:
    return feature in (await client.get("/online_feature_store/client_id=7")).json()
