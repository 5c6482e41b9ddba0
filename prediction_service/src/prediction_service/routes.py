"""The routes of the prediction service: parse, ask for features and the model, answer."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ValidationError
from starlette.types import Scope

from prediction_service.decision import Explain, Model, decide
from service_kit.batching import Call
from service_kit.lanes import BodyLane, ClientLane
from service_kit.problems import ClientNotFound, InvalidRequest
from service_kit.routing import NOT_FOUND, ClientIdInPath, json_bytes, json_response, problem_responses
from shared_schemas import CreditRisk, CreditRiskBatch, CreditRiskBatchRequest, FeatureValues, InvalidPart

PROBLEMS = problem_responses(
    {
        422: "The request is not valid: `/problems/invalid-request`",
        502: "The feature service answers nonsense: `/problems/feature-service-broken`",
        503: "Away for the moment: `/problems/feature-service-unavailable`, `/problems/store-unavailable` or "
        "`/problems/model-unavailable`; or too much is going on: `/problems/overloaded`. Try again after `Retry-After` seconds.",
        504: "The feature service is too slow: `/problems/feature-service-timeout`",
    }
)

router = APIRouter(tags=["predictions"])


async def _model(request: Request) -> Model:
    model: Model = request.state.models.champion
    return model


Champion = Annotated[Model, Depends(_model)]


@router.get(
    "/credit_risk/client_id={client_id:path}",
    summary="How likely a client is to default",
    response_model=CreditRisk,
    responses=PROBLEMS | NOT_FOUND,
)
async def credit_risk_of_client(request: Request, client_id: ClientIdInPath, explain: Explain = False) -> Response:
    return Response(await _decision(request.scope, client_id, explain=explain), media_type="application/json")


async def _decision(scope: Scope, client_id: int, *, explain: bool) -> bytes:
    state = scope["state"]
    model = state["models"].champion
    found = await state["features"].vector(client_id, Call(scope["request_id"], scope["deadline"]))
    if found is None:
        raise ClientNotFound
    scope.setdefault("log_fields", {})["feature_request_id"] = found.request_id
    [answer] = await decide(model, [found.vector], explain=explain)
    return json_bytes(answer)


_EXPLAIN = {b"": False, b"explain=false": False, b"explain=true": True}
"""The queries that the lanes know."""


async def _decision_in_lane(scope: Scope, client_id: int) -> bytes | None:
    explain = _EXPLAIN.get(scope["query_string"])
    return None if explain is None else await _decision(scope, client_id, explain=explain)


@router.post(
    "/credit_risk/batch",
    summary="How likely each of many clients is to default",
    response_model=CreditRiskBatch,
    responses=PROBLEMS,
)
async def credit_risk_of_clients(
    request: Request, wanted: CreditRiskBatchRequest, explain: Explain = False
) -> Response:
    return Response(await _decisions(request.scope, wanted, explain=explain), media_type="application/json")


async def _decisions(scope: Scope, wanted: CreditRiskBatchRequest, *, explain: bool) -> bytes:
    ids, state = wanted.client_ids, scope["state"]
    limit = state["settings"].max_batch_ids
    if len(ids) > limit:
        raise InvalidRequest(errors=[InvalidPart(pointer="#/client_ids", detail=f"At most {limit} ids in one batch")])
    model = state["models"].champion
    found = await state["features"].vectors(ids, Call(scope["request_id"], scope["deadline"])) if ids else {}
    vectors = [found[client_id].vector for client_id in ids if client_id in found]
    answers = await decide(model, vectors, explain=explain)
    not_found = [client_id for client_id in ids if client_id not in found]
    return json_bytes({"predictions": answers, "not_found": not_found})


async def _decisions_in_lane(scope: Scope, body: bytes) -> bytes | None:
    explain = _EXPLAIN.get(scope["query_string"])
    if explain is None:
        return None
    try:
        wanted = CreditRiskBatchRequest.model_validate_json(body)
    except ValidationError:
        return None
    return await _decisions(scope, wanted, explain=explain)


LANES = (ClientLane("/credit_risk/client_id=", _decision_in_lane), BodyLane("/credit_risk/batch", _decisions_in_lane))


@router.post(
    "/credit_risk",
    summary="How likely a client with these values is to default",
    response_model=CreditRisk,
    responses={status: described for status, described in PROBLEMS.items() if status in (422, 503)},
)
async def credit_risk_of_values(values: FeatureValues, champion: Champion, explain: Explain = False) -> Response:
    [answer] = await decide(champion, [values.model_dump() | {"event_timestamp": None}], explain=explain)
    return json_response(answer)
