"""Recorded decisions to monitor, and the monitor at a chosen time, for tests."""

import asyncio
import hashlib
import json
import random
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from decision_log import Entry, Listed, Source, open_database, sealed, uuid7
from decisions import Log
from prediction_service.monitor.process import Monitor
from prediction_service.monitoring.reference import Reference
from prediction_service.settings import Settings
from prediction_service.versions.catalogue import reference_of

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
VALUES = {
    "nb_previous_loans": 5,
    "avg_amount_loans_previous": 116.0,
    "age": 43,
    "years_on_the_job": 1,
    "flag_own_car": 1,
}


def _id_at(at: datetime) -> UUID:
    """An id of version 7 that was made then."""
    return UUID(int=int(at.timestamp() * 1000) << 80 | uuid7().int & ((1 << 80) - 1))


def decided(registry: Path, client_id: int, at: datetime = NOW, **changes: Any) -> Entry:
    """A decision of the version "first", or of another one."""
    said: dict[str, Any] = {
        "origin": "request",
        "model_version": "first",
        "probability": 0.2,
        "label": 0,
        "values": VALUES,
    } | changes
    version = said["model_version"]
    digest = hashlib.sha256((registry / version / "manifest.json").read_bytes()).hexdigest()
    listed = Listed(_id_at(at), "decision", at, client_id, "approve", 200, version, said["origin"])
    document = {
        "kind": "decision",
        "decision_id": listed.decision_id,
        "decided_at": at,
        "client_id": client_id,
        "label": said["label"],
        "probability": said["probability"],
        "model_version": version,
        "manifest_sha256": said.get("manifest_sha256", digest),
        "input_variables": said["values"],
        "other_variables": {},
        "qa_failure_cases": said.get("failed"),
        "stale": None,
        "event_timestamp": "2020-04-11T00:00:00Z",
        "feature_timestamps": None,
    }
    return sealed(listed, document)


def record(log: Log, *entries: Entry) -> None:
    log.record(*entries)


def settings_of(log: Log, registry: Path, **changes: Any) -> Settings:
    return Settings(model_dir=registry, monitor_database_url=SecretStr(log.url("decision_monitor")), **changes)


def step(
    log: Log, registry: Path, now: datetime = NOW, *, rebuild: bool = False, outcomes: bool = True, share: float = 1.0,
    **changes: Any,
) -> int:  # fmt: skip
    settings = settings_of(log, registry, **changes)

    async def scenario() -> int:
        async with open_database(Source(log.url("decision_monitor"), None, 30), 1) as database:
            monitor = Monitor(settings, database, lambda: now, share)
            if rebuild:
                await monitor.rebuild()
            return await monitor.step(outcomes=outcomes)

    return asyncio.run(scenario())


def population(registry: Path) -> Reference:
    found = reference_of(registry, "first")
    assert found is not None
    return found


def as_trained(registry: Path, clients: Iterable[int], at: datetime, seed: int = 1) -> list[Entry]:
    """Decisions whose scores and ages are spread like those of training."""
    draw = random.Random(seed)
    histogram = population(registry).histogram
    scores = draw.choices(histogram.upto, histogram.clients, k=10_000)
    return [
        decided(registry, client, at, probability=draw.choice(scores), values=VALUES | {"age": draw.randint(20, 69)})
        for client in clients
    ]


def only_of(registry: Path, *streams: str) -> None:
    """Leaves these features in the population of the version."""
    reference = population(registry)
    kept = tuple(feature for feature in reference.features if feature.name in streams)
    changed = reference.model_copy(update={"features": kept, "groups": (), "streams": 2 + len(kept)})
    folder = registry / "first"
    (folder / "reference.json").write_text(changed.model_dump_json())
    manifest = json.loads((folder / "manifest.json").read_text())
    content = (folder / "reference.json").read_bytes()
    manifest["files"]["reference.json"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    (folder / "manifest.json").write_text(json.dumps(manifest))
