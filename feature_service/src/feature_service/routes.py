"""The routes of the feature service: parse, ask the store, answer."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AwareDatetime

from feature_service.store import FeatureStore, encode_batch
from service_kit.problems import ClientNotFound, InvalidRequest
from service_kit.routing import NOT_FOUND, ClientIdInPath, problem_responses
from shared_schemas import (
    FeatureBatch,
    FeatureBatchRequest,
    FeatureDefinitions,
    FeatureVector,
    InvalidPart,
    feature_definitions,
)

PROBLEMS = problem_responses(
    {
        422: "The request is not valid: `/problems/invalid-request`",
        503: "PostgreSQL is away: `/problems/store-unavailable`. Try again after `Retry-After` seconds.",
    }
)

router = APIRouter(tags=["features"])


def _store(request: Request) -> FeatureStore:
    store: FeatureStore = request.state.store
    return store


Store = Annotated[FeatureStore, Depends(_store)]


AsOf = Annotated[AwareDatetime | None, Query(description="Answer as it stood at this instant, not now.")]


@router.get(
    "/online_feature_store/client_id={client_id:path}",
    summary="The features of one client",
    response_model=FeatureVector,
    responses=PROBLEMS | NOT_FOUND,
)
async def read_vector(request: Request, client_id: ClientIdInPath, store: Store, as_of: AsOf = None) -> Response:
    if as_of is None:
        vector = await store.vector(client_id, request.scope["request_id"])
    else:
        vector = (await store.vectors([client_id], as_of)).get(client_id)
    if vector is None:
        raise ClientNotFound
    return Response(vector, media_type="application/json")


@router.post(
    "/online_feature_store/batch",
    summary="The features of many clients",
    response_model=FeatureBatch,
    responses=PROBLEMS,
)
async def read_batch(request: Request, wanted: FeatureBatchRequest, store: Store) -> Response:
    limit = request.state.settings.max_batch_ids
    if len(wanted.client_ids) > limit:
        raise InvalidRequest(errors=[InvalidPart(pointer="#/client_ids", detail=f"At most {limit} ids in one batch")])
    vectors = await store.vectors(wanted.client_ids, wanted.as_of)
    return Response(encode_batch(wanted.client_ids, vectors), media_type="application/json")


@router.get("/feature_definitions", summary="What each feature means")
async def read_definitions() -> FeatureDefinitions:
    return feature_definitions()
