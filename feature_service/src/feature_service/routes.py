"""The routes of the feature service: parse, ask the store, answer."""

import re
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import ValidationError
from starlette.types import Scope

from feature_service.store import encode_batch
from service_kit.batching import Call
from service_kit.lanes import BodyLane, ClientLane
from service_kit.problems import ClientNotFound, InvalidRequest
from service_kit.routing import NOT_FOUND, ClientIdInPath, problem_responses
from shared_schemas import (
    FeatureBatch,
    FeatureBatchRequest,
    FeatureDefinitions,
    FeatureVector,
    Instant,
    InvalidPart,
    feature_definitions,
)

PROBLEMS = problem_responses(
    {
        422: "The request is not valid: `/problems/invalid-request`",
        503: "PostgreSQL is away: `/problems/store-unavailable`, or too much is going on: `/problems/overloaded`. "
        "Try again after `Retry-After` seconds.",
        504: "No answer in the time that the request may take: `/problems/deadline-exceeded`",
    }
)

router = APIRouter(tags=["features"])


AsOf = Annotated[Instant | None, Query(description="Answer as it stood at this instant, not now.")]


@router.get(
    "/online_feature_store/client_id={client_id:path}",
    summary="The features of one client",
    response_model=FeatureVector,
    responses=PROBLEMS | NOT_FOUND,
)
async def read_vector(request: Request, client_id: ClientIdInPath, as_of: AsOf = None) -> Response:
    return Response(await _vector(request.scope, client_id, as_of), media_type="application/json")


async def _vector(scope: Scope, client_id: int, as_of: datetime | None) -> bytes:
    vector: bytes | None = await scope["state"]["store"].vector(
        client_id, Call(scope["request_id"], scope["deadline"]), as_of
    )
    if vector is None:
        raise ClientNotFound
    return vector


_UTC_INSTANT = re.compile(rb"as_of=([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)")


async def _vector_in_lane(scope: Scope, client_id: int) -> bytes | None:
    as_of = None
    if query := scope["query_string"]:
        found = _UTC_INSTANT.fullmatch(query)
        if not found:
            return None
        try:
            as_of = datetime.fromisoformat(found[1].decode("ascii"))
        except ValueError:
            return None
    return await _vector(scope, client_id, as_of)


@router.post(
    "/online_feature_store/batch",
    summary="The features of many clients",
    response_model=FeatureBatch,
    responses=PROBLEMS,
)
async def read_batch(request: Request, wanted: FeatureBatchRequest) -> Response:
    return Response(await _vectors(request.scope, wanted), media_type="application/json")


async def _vectors(scope: Scope, wanted: FeatureBatchRequest) -> bytes:
    limit = scope["state"]["settings"].max_batch_ids
    if len(wanted.client_ids) > limit:
        raise InvalidRequest(errors=[InvalidPart(pointer="#/client_ids", detail=f"At most {limit} ids in one batch")])
    vectors = await scope["state"]["store"].vectors(
        wanted.client_ids, Call(scope["request_id"], scope["deadline"]), wanted.as_of
    )
    return encode_batch(wanted.client_ids, vectors)


async def _vectors_of_body(scope: Scope, body: bytes) -> bytes | None:
    try:
        wanted = FeatureBatchRequest.model_validate_json(body)
    except ValidationError:
        return None
    return await _vectors(scope, wanted)


LANES = (
    ClientLane("/online_feature_store/client_id=", _vector_in_lane),
    BodyLane("/online_feature_store/batch", _vectors_of_body),
)


@router.get("/feature_definitions", summary="What each feature means")
async def read_definitions() -> FeatureDefinitions:
    return feature_definitions()
