"""The operations that read features."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field

from feature_service.definitions.served import ServedSet
from feature_service.definitions.vectors import Layout, encode_batch, encode_page
from feature_service.state import State
from service_kit.operations import Answer, Operations
from service_kit.problems import ClientNotFound, InvalidRequest
from service_kit.request.ask import Ask
from shared_schemas import (
    MAX_CLIENT_ID,
    FeatureBatch,
    FeatureBatchRequest,
    FeatureDefinitions,
    FeaturePage,
    FeatureVector,
    Instant,
    InvalidPart,
)
from shared_schemas.feature_sets import MAX_FEATURES

PROBLEMS = {
    422: "The request is not valid: `/problems/invalid-request`; or it is of an instant before the history is kept: "
    "`/problems/before-retention`; or it needs the system of record (history, pages), and the "
    "service is not connected to that: `/problems/needs-system-of-record`",
    503: "The store is unavailable: `/problems/store-unavailable`, or the service is overloaded: `/problems/overloaded`. "
    "Try again after `Retry-After` seconds.",
    504: "No answer before the deadline of the request: `/problems/deadline-exceeded`",
}
NOT_FOUND = {404: "No such client: `/problems/client-not-found`"}
_HEADER = {
    "Feature-Set": {"description": "Name and digest of the feature set that is served.", "schema": {"type": "string"}}
}
_LAG = {
    "X-Store-Lag-Ms": {
        "description": "Milliseconds by which the state that was read may be behind the primary; 0: it was read there. Only "
        "where the service reads replicas.",
        "schema": {"type": "integer", "minimum": 0},
    }
}
_OF_A_STATE: Mapping[str, Any] = {"responses": {"200": {"headers": _HEADER | _LAG}}}
_WITH_HEADER: Mapping[str, Any] = {"responses": {"200": {"headers": _HEADER}}}
_UNCHANGED: Mapping[str, Any] = {
    "responses": {"200": {"headers": _HEADER}, "304": {"description": "The set is that of `If-None-Match`."}}
}

operations = Operations[State]("features")


class AsOf(BaseModel):
    """The instant for which the request is answered."""

    as_of: Instant | None = Field(default=None, description="Answer as it stood at this instant, not now.")


class PageOf(BaseModel):
    """Which vectors a page contains."""

    after: int = Field(default=0, ge=0, le=MAX_CLIENT_ID, description="Ids above this one.")
    limit: int | None = Field(
        default=None, ge=1, description="At most so many vectors; 1,000 unless configured otherwise."
    )
    features: str | None = Field(
        default=None,
        description="Which features, as `name` or `name@version` with commas between, in the order of the answer; absent is "
        "all of the set.",
    )


def _with_schemas(state: State | None) -> Mapping[str, Any]:
    served = state.store.feature_set.served if state else None
    return {**_OF_A_STATE, "components": served.schemas} if served else _OF_A_STATE


async def _served(ask: Ask[State]) -> ServedSet:
    """The set in force, which the answer names in a header."""
    served = await ask.state.store.feature_set.current(ask)
    ask.answer_headers = (*ask.answer_headers, served.header) if ask.answer_headers else (served.header,)
    return served


@operations.declare(
    "GET",
    "/online_feature_store/client_id={client_id}",
    FeatureVector,
    scope="features:read",
    problems=PROBLEMS | NOT_FOUND,
    hot=True,
    document=_with_schemas,
)
async def read_vector(ask: Ask[State], client_id: int, query: AsOf) -> bytes:
    """The features of one client."""
    vector = await ask.state.store.vector(client_id, ask, query.as_of)
    if vector is None:
        raise ClientNotFound
    await _served(ask)
    return vector


@operations.declare(
    "POST",
    "/online_feature_store/batch",
    FeatureBatch,
    scope="features:read",
    problems=PROBLEMS,
    hot=True,
    document=lambda _: _OF_A_STATE,
)
async def read_batch(ask: Ask[State], body: FeatureBatchRequest) -> bytes:
    """The features of many clients

    All features of the set in force, or those that the request names. An older version of a feature can be named as
    long as it is retained.
    """
    limit = ask.state.settings.max_batch_ids
    if len(body.client_ids) > limit:
        raise InvalidRequest(errors=[InvalidPart(pointer="#/client_ids", detail=f"At most {limit} ids in one batch")])
    served = await _served(ask)
    layout = served.layout if body.features is None else served.layout_of(body.features)
    vectors = await ask.state.store.vectors(body.client_ids, ask, body.as_of, layout)
    return encode_batch(body.client_ids, vectors)


@operations.declare(
    "GET",
    "/online_feature_store",
    FeaturePage,
    scope="features:read",
    problems=PROBLEMS,
    document=lambda _: _WITH_HEADER,
)
async def read_page(ask: Ask[State], query: PageOf) -> bytes:
    """The features of all clients, by pages

    In the order of the client ids. A client that is written meanwhile appears as it is when its page is read. All
    features of the set in force, or those that the request names. An older version of a feature can be named as long as
    it is retained.
    """
    most = ask.state.settings.max_batch_ids
    limit = most if query.limit is None else query.limit
    if limit > most:
        raise InvalidRequest(errors=[InvalidPart(pointer="query/limit", detail=f"At most {most} vectors in one page")])
    served = await _served(ask)
    selection = None if query.features is None else query.features.split(",")
    layout = served.layout if selection is None else _layout_of(selection, served)
    found = await ask.state.store.page(query.after, limit + 1, ask, layout)
    page = found[:limit]
    return encode_page(page, page[-1]["client_id"] if len(found) > limit else None, selection)


def _layout_of(selection: Sequence[str], served: ServedSet) -> Layout:
    """The layout of the features that the query names. Raises InvalidRequest."""
    if len(selection) > MAX_FEATURES:
        detail = f"At most {MAX_FEATURES} features in one request"
        raise InvalidRequest(errors=[InvalidPart(pointer="query/features", detail=detail)])
    try:
        return served.layout_of(selection)
    except InvalidRequest as refused:
        parts = [_of_query(part) for part in refused.errors or ()]
        raise InvalidRequest(errors=parts) from refused


def _of_query(part: InvalidPart) -> InvalidPart:
    """An error about a feature at its place in a body, as an error about its place in the query."""
    place = int(part.pointer.rpartition("/")[2]) + 1
    return InvalidPart(pointer="query/features", detail=f"{part.detail}: number {place} of those that are named")


@operations.declare(
    "GET",
    "/feature_definitions",
    FeatureDefinitions,
    scope="features:read",
    problems=PROBLEMS,
    document=lambda _: _UNCHANGED,
)
async def read_definitions(ask: Ask[State]) -> Answer:
    """What each feature means

    The ETag changes with the set. With the ETag in `If-None-Match`, an unchanged set is answered with 304.
    """
    served = await _served(ask)
    return Answer(served.definitions_body, headers={"ETag": served.etag})
