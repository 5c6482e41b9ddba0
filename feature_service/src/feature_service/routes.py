"""The routes of the feature service: parse, ask the store, answer."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import AwareDatetime

from feature_service.store import FeatureStore, encode_batch
from service_kit.problems import ClientNotFound, InvalidRequest
from shared_schemas import (
    FeatureBatch,
    FeatureBatchRequest,
    FeatureDefinitions,
    FeatureVector,
    InvalidPart,
    Problem,
    feature_definitions,
    parse_client_id,
)

JSON = "application/json"

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": description}
    for status, description in (
        (422, "The request is not valid: `/problems/invalid-request`"),
        (503, "PostgreSQL is away: `/problems/store-unavailable`. Try again after `Retry-After` seconds."),
    )
}
NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: {"model": Problem, "description": "No such client (at that instant): `/problems/client-not-found`"}
}

router = APIRouter(tags=["features"])


def _store(request: Request) -> FeatureStore:
    store: FeatureStore = request.state.store
    return store


Store = Annotated[FeatureStore, Depends(_store)]


def client_id_in_path(
    client_id: Annotated[str, Path(description="Id of a client, 1 to 2^63 - 1.", examples=["5008804"])],
) -> int:
    parsed = parse_client_id(client_id)
    if parsed is None:
        detail = "A client id is a whole number from 1 to 2^63 - 1, in digits alone"
        raise InvalidRequest(errors=[InvalidPart(pointer="path/client_id", detail=detail)])
    return parsed


ClientIdInPath = Annotated[int, Depends(client_id_in_path)]
AsOf = Annotated[AwareDatetime | None, Query(description="Answer as it stood at this instant, not now.")]


# The id takes the rest of the path, so that whatever stands there is judged as an id and never as an unknown address.
@router.get(
    "/online_feature_store/client_id={client_id:path}",
    summary="The features of one client",
    response_model=FeatureVector,
    responses=PROBLEMS | NOT_FOUND,
)
async def read_vector(client_id: ClientIdInPath, store: Store, as_of: AsOf = None) -> Response:
    if as_of is None:
        vector = await store.vector(client_id)
    else:
        vector = (await store.vectors([client_id], as_of)).get(client_id)
    if vector is None:
        raise ClientNotFound
    return Response(vector, media_type=JSON)


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
    return Response(encode_batch(wanted.client_ids, vectors), media_type=JSON)


@router.get("/feature_definitions", summary="What each feature means")
async def read_definitions() -> FeatureDefinitions:
    return feature_definitions()
