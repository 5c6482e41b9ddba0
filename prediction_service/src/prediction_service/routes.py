"""The routes of the prediction service: parse, ask for features and the model, answer."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from prediction_service.decision import Explain, Model, decide
from prediction_service.feature_client import FeatureClient
from service_kit.problems import ClientNotFound, InvalidRequest
from service_kit.routing import NOT_FOUND, ClientIdInPath, json_response, problem_responses
from shared_schemas import CreditRisk, CreditRiskBatch, CreditRiskBatchRequest, FeatureValues, InvalidPart

PROBLEMS = problem_responses(
    {
        422: "The request is not valid: `/problems/invalid-request`",
        502: "The feature service answers nonsense: `/problems/feature-service-broken`",
        503: "Away for the moment: `/problems/feature-service-unavailable`, `/problems/store-unavailable` or "
        "`/problems/model-unavailable`. Try again after `Retry-After` seconds.",
        504: "The feature service is too slow: `/problems/feature-service-timeout`",
    }
)

router = APIRouter(tags=["predictions"])


def _features(request: Request) -> FeatureClient:
    client: FeatureClient = request.state.features
    return client


def _model(request: Request) -> Model:
    model: Model = request.state.models.champion
    return model


Features = Annotated[FeatureClient, Depends(_features)]
Champion = Annotated[Model, Depends(_model)]


@router.get(
    "/credit_risk/client_id={client_id:path}",
    summary="How likely a client is to default",
    response_model=CreditRisk,
    responses=PROBLEMS | NOT_FOUND,
)
async def credit_risk_of_client(
    request: Request, client_id: ClientIdInPath, features: Features, champion: Champion, explain: Explain = False
) -> Response:
    found = await features.vector(client_id, request.scope["request_id"])
    if found is None:
        raise ClientNotFound
    request.scope["log_fields"] = {"feature_request_id": found.request_id}
    [answer] = await decide(champion, [found.vector], explain=explain)
    return json_response(answer)


@router.post(
    "/credit_risk/batch",
    summary="How likely each of many clients is to default",
    response_model=CreditRiskBatch,
    responses=PROBLEMS,
)
async def credit_risk_of_clients(
    request: Request, wanted: CreditRiskBatchRequest, features: Features, champion: Champion, explain: Explain = False
) -> Response:
    ids = wanted.client_ids
    limit = request.state.settings.max_batch_ids
    if len(ids) > limit:
        raise InvalidRequest(errors=[InvalidPart(pointer="#/client_ids", detail=f"At most {limit} ids in one batch")])
    found = await features.vectors(ids, request.scope["request_id"]) if ids else {}
    answers = await decide(
        champion, [found[client_id].vector for client_id in ids if client_id in found], explain=explain
    )
    return json_response(
        {"predictions": answers, "not_found": [client_id for client_id in ids if client_id not in found]}
    )


@router.post(
    "/credit_risk",
    summary="How likely a client with these values is to default",
    response_model=CreditRisk,
    responses={status: described for status, described in PROBLEMS.items() if status in (422, 503)},
)
async def credit_risk_of_values(values: FeatureValues, champion: Champion, explain: Explain = False) -> Response:
    [answer] = await decide(champion, [values.model_dump() | {"event_timestamp": None}], explain=explain)
    return json_response(answer)
