"""The operations of Feast's feature server, each at its own address and below /feast, as at the front door."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from pydantic import BaseModel

from feature_service.errors import FeatureViewNotFound, PushSourceNotFound
from feature_service.feast.columns import columns_of
from feature_service.feast.dialect import FEAST
from feature_service.feast.frames import Row, rows_of
from feature_service.feast.messages import (
    Columns,
    OnlineFeatures,
    OnlineFeaturesRequest,
    PushRequest,
    WriteRequest,
    read_message,
    refused,
)  # fmt: skip
from feature_service.feast.names import JOIN_KEY, push_source_of, view_of, wanted_features
from feature_service.routes.writing import writer_of
from feature_service.state import State
from service_kit.operations import Answer, Operations
from service_kit.request.ask import Ask

_UNAVAILABLE = {503: "The store is unavailable. Try again after `Retry-After` seconds.", 504: "No answer in time."}
_READ_PROBLEMS = {404: "No such feature view or service.", 422: "The request is not valid."} | _UNAVAILABLE
_WRITE_PROBLEMS = {403: "The key may not write, or the service takes no writes."} | _READ_PROBLEMS
_IN_A_THREAD = 2_000
"""From this number of values on, an answer takes more than a millisecond to build."""
_WRITES_AT_ONCE = 2
"""Concurrent writes of one request: the number of the writer's connections."""


async def online_features(ask: Ask[State], body: bytes) -> bytes:
    """Features of clients, for clients of Feast

    In columns, in the order of the request; a repeated id has a value each time. A value is null unless its status is
    PRESENT.
    """
    asked = read_message(OnlineFeaturesRequest, body)
    ids, limit = asked.entities.client_id, ask.state.settings.max_batch_ids
    if len(ids) > limit:
        raise refused(f"#/entities/{JOIN_KEY}", f"At most {limit} ids in one request")
    served = await ask.state.store.feature_set.current(ask)
    names = wanted_features(served, asked.features, asked.feature_service)
    features = [feature for name in names for feature in served.features if feature.name == name]
    vectors = await ask.state.store.vectors(ids, ask, None, served.layout_of(names)) if ids else {}
    now = datetime.now(UTC)
    if len(ids) * len(names) < _IN_A_THREAD:
        results = columns_of(ids, features, vectors, now)
    else:
        results = await asyncio.to_thread(columns_of, ids, features, vectors, now)
    view = view_of(served)
    shown = [f"{view}__{name}" for name in names] if asked.full_feature_names else names
    metadata: dict[str, Any] = {"feature_names": [JOIN_KEY, *shown]}
    if asked.include_feature_view_version_metadata:
        metadata["feature_view_metadata"] = [{"name": view}]
    return orjson.dumps({"results": results, "metadata": metadata}, option=orjson.OPT_UTC_Z)


async def push(ask: Ask[State], body: bytes) -> Answer:
    """Write what is new about clients, through the push source

    Each row is written like a PUT. No row is written unless all are valid. Repeating a push changes nothing.
    """
    pushed = read_message(PushRequest, body)
    served = await ask.state.store.feature_set.current(ask)
    if pushed.push_source_name != push_source_of(served):
        raise PushSourceNotFound
    await _write(ask, pushed.df)
    return Answer(b"")


async def write_to_online_store(ask: Ask[State], body: bytes) -> Answer:
    """Write what is new about clients, through the feature view

    Like /push.
    """
    written = read_message(WriteRequest, body)
    served = await ask.state.store.feature_set.current(ask)
    if written.feature_view_name != view_of(served):
        raise FeatureViewNotFound
    await _write(ask, written.df)
    return Answer(b"null", media_type="application/json")


async def health(ask: Ask[State]) -> Answer:
    """Whether features can be read."""
    await ask.state.store.ping(ask)
    return Answer(b"")


async def _write(ask: Ask[State], frame: Columns) -> None:
    served = await ask.state.store.feature_set.current(ask)
    rows = await asyncio.to_thread(rows_of, frame, served, ask.state.settings.max_batch_ids)
    by_client: dict[int, list[Row]] = {}
    for row in rows:
        by_client.setdefault(row.client_id, []).append(row)
    waiting = iter(by_client.values())

    async def write_next() -> None:
        for of_client in waiting:  # # rows of one client in order: of two with the same instant, the later counts
            await _write_client(ask, of_client)

    writers = [asyncio.create_task(write_next()) for _ in range(_WRITES_AT_ONCE)]
    try:
        await asyncio.gather(*writers)
    finally:
        for one in writers:
            one.cancel()


async def _write_client(ask: Ask[State], rows: Sequence[Row]) -> None:
    for client_id, said in rows:
        await writer_of(ask.state).write(client_id, said, ask)


def _body(model: type[BaseModel]) -> Any:
    schema = model.model_json_schema()
    return lambda _: {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def feast_operations() -> list[Operations[State]]:
    return [_below(""), _below("/feast")]


def _below(prefix: str) -> Operations[State]:
    operations = Operations[State]("Feast", prefix, FEAST)
    read, write = "features:read", "features:write"
    operations.declare(
        "POST", "/get-online-features", OnlineFeatures, scope=read, problems=_READ_PROBLEMS, hot=True,
        document=_body(OnlineFeaturesRequest),
    )(online_features)  # fmt: skip
    operations.declare(
        "POST", "/push", scope=write, problems=_WRITE_PROBLEMS, needs=writer_of, document=_body(PushRequest)
    )(push)
    operations.declare(
        "POST", "/write-to-online-store", "application/json", scope=write, problems=_WRITE_PROBLEMS, needs=writer_of,
        document=_body(WriteRequest),
    )(write_to_online_store)  # fmt: skip
    operations.declare("GET", "/health", scope=None, problems=_UNAVAILABLE)(health)
    return operations
