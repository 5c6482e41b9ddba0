"""Both applications, whole but for store and network."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import repeat
from pathlib import Path
from typing import Any

import httpx
import orjson
from fastapi import FastAPI

from db_init.feature_sets.reading import read_feature_set
from db_init.feature_sets.stored import SHIPPED
from feature_service.app import create_app as create_feature_app
from feature_service.definitions.served import ServedSet
from feature_service.definitions.vectors import Layout, Vector, day_of, encode, read_rows
from feature_service.settings import Settings as FeatureSettings
from law import Event, InForce, in_force
from prediction_service.app import create_app as create_prediction_app
from prediction_service.features.client import FeatureClient
from prediction_service.settings import Settings as PredictionSettings
from service_kit.problems import StoreUnavailable
from service_kit.request.ask import Ask
from shared_schemas import Problem

CREDIT_DEFAULT = ServedSet(1, "d" * 64, read_feature_set(SHIPPED / "credit_default" / "feature_set.toml"), mark="1")


def as_sent(instant: datetime) -> bytes:
    """As PostgreSQL sends it: microseconds since the year 2000."""
    return ((instant - datetime(2000, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)).to_bytes(8, signed=True)


def as_read(row: Mapping[str, Any], served: ServedSet = CREDIT_DEFAULT) -> Vector:
    """The vector of a row that is flat: client_id, values by key, event_timestamp."""
    said = {key: value for key, value in row.items() if key not in ("client_id", "event_timestamp")}
    stored = (row["client_id"], as_sent(row["event_timestamp"]), orjson.dumps(said).decode(), None)
    [vector] = read_rows([stored], served.layout, [day_of(datetime.now(UTC))])
    return vector


def encoded(row: Mapping[str, Any], served: ServedSet = CREDIT_DEFAULT) -> bytes:
    """Its bytes."""
    return encode(as_read(row, served))


class FakeFollowed:
    """A feature set that stays the one in force, until the test says otherwise."""

    def __init__(self, served: ServedSet) -> None:
        self.served: ServedSet = served

    async def current(self, _: Ask[Any]) -> ServedSet:
        return self.served


class FakeStore:
    """The store as lists of events; `away` is PostgreSQL's absence. Keeps the tests of the real one (test_stores.py)."""

    def __init__(self, rows: Iterable[Mapping[str, Any]] = (), served: ServedSet = CREDIT_DEFAULT) -> None:
        self.events: dict[int, list[Event]] = {}
        self.feature_set = FakeFollowed(served)
        self.away = False
        for row in rows:
            said = {key: value for key, value in row.items() if key not in ("client_id", "event_timestamp")}
            self.add(row["client_id"], Event(row["event_timestamp"], said))

    def add(self, client_id: int, event: Event) -> None:
        self.events.setdefault(client_id, []).append(event)

    async def vector(self, client_id: int, ask: Ask[Any], as_of: datetime | None = None) -> bytes | None:
        vector = (await self.vectors([client_id], ask, as_of)).get(client_id)
        return None if vector is None else encode(vector)

    async def vectors(
        self, client_ids: Iterable[int], ask: Ask[Any], as_of: datetime | None = None, layout: Layout | None = None
    ) -> dict[int, Vector]:
        await self.ping(ask)
        layout = layout or self.feature_set.served.layout
        day = day_of(as_of or datetime.now(UTC))
        found = {client_id: in_force(self.events.get(client_id, ()), as_of) for client_id in client_ids}
        rows = [_stored(i, vector) for i, vector in found.items() if vector]
        return {vector["client_id"]: vector for vector in read_rows(rows, layout, repeat(day))}

    async def page(self, after: int, limit: int, ask: Ask[Any], layout: Layout | None = None) -> list[Vector]:
        wanted = sorted(client_id for client_id in self.events if client_id > after)[:limit]
        return list((await self.vectors(wanted, ask, None, layout)).values())

    async def ping(self, ask: Ask[Any]) -> None:
        if self.away:
            raise StoreUnavailable


def _stored(client_id: int, vector: InForce) -> tuple[int, bytes, str, str | None]:
    times = orjson.dumps(vector.older, option=orjson.OPT_UTC_Z).decode() if vector.older else None
    return client_id, as_sent(vector.instant), orjson.dumps(vector.values).decode(), times


def feature_app(store: FakeStore, **options: Any) -> FastAPI:
    @asynccontextmanager
    async def open_store(_: FeatureSettings) -> AsyncIterator[Any]:
        yield store

    return create_feature_app(FeatureSettings(**options), open_store)


def prediction_app(transport: httpx.AsyncBaseTransport, model_dir: Path, **options: Any) -> FastAPI:
    @asynccontextmanager
    async def open_client(settings: PredictionSettings) -> AsyncIterator[FeatureClient]:
        yield FeatureClient(transport, "http://features", httpx.Timeout(settings.feature_service_timeout_seconds))

    given = {"decision_log": False, "feature_service_timeout_seconds": 0.3} | options
    settings = PredictionSettings(model_dir=model_dir, **given)
    return create_prediction_app(settings, open_client)


def assert_problem(answer: httpx.Response, status: int, kind: str) -> Problem:
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{kind}")
    assert answer.headers["content-type"] == "application/problem+json"
    problem = Problem.model_validate(answer.json())
    assert problem.instance == f"urn:uuid:{answer.headers['x-request-id']}"
    assert ("retry-after" in answer.headers) == (status == 503)
    return problem
