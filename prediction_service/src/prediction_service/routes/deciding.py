"""The operations that decide: fetch features, score, apply the policy, record, answer."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field

from prediction_service.decisions.deciding import Deciders, Decision, decide, said
from prediction_service.decisions.record import Circumstances, Origin, entry_of
from prediction_service.features.answers import Found
from prediction_service.state import State
from prediction_service.versions.serving import ServedModel
from prediction_service.versions.values import Values
from service_kit.operations import Operations, json_bytes
from service_kit.problems import ClientNotFound, InvalidRequest
from service_kit.request.ask import Ask
from shared_schemas import CreditRisk, CreditRiskBatch, CreditRiskBatchRequest, InvalidPart

PROBLEMS = {
    422: "The request is not valid: `/problems/invalid-request`",
    502: "The feature service gave an invalid answer: `/problems/feature-service-broken`",
    503: "Temporarily unavailable: `/problems/feature-service-unavailable`, `/problems/feature-service-refused-us`, "
    "`/problems/feature-set-mismatch`, "
    "`/problems/store-unavailable`, `/problems/model-unavailable`, `/problems/policy-unavailable` or "
    "`/problems/decision-log-unavailable`; or the service is overloaded: `/problems/overloaded`. "
    "Try again after `Retry-After` seconds.",
    504: "The feature service is too slow: `/problems/feature-service-timeout`; or the model is too slow: "
    "`/problems/deadline-exceeded`",
}
NOT_FOUND = {404: "No such client: `/problems/client-not-found`"}

operations = Operations[State]("predictions")


class Explain(BaseModel):
    """Whether the answer contains an explanation."""

    explain: bool = Field(
        default=False,
        description="Add to each answer the contribution of every feature, and sentences for the adverse reasons.",
    )


def _champion(state: State) -> ServedModel:
    return state.models.champion


async def found_vector(ask: Ask[State], client_id: int) -> Found:
    """Fetch the vector of a client. Raises ClientNotFound."""
    found = await ask.state.features.vector(client_id, ask)
    if found is None:
        raise ClientNotFound
    ask.log_fields["feature_request_id"] = found.request_id
    return found


def _tell_challenger(model: ServedModel, decisions: Sequence[Decision]) -> None:
    scored = [decision.scored for decision in decisions]
    model.decided([one.vector for one in scored], [one.probability for one in scored])


async def recorded(
    ask: Ask[State], vectors: Sequence[Mapping[str, Any]], origin: Origin, *, explain: bool, **more: Any
) -> list[Mapping[str, Any]]:
    """Decide on vectors, record all decisions or none, and return their answers. `more`: further `Circumstances`."""
    state, now = ask.state, ask.state.clock()
    model, policy = state.models.champion, state.policies.current
    by = Deciders(model, policy, ask.deadline, reasons=state.recording.on)
    decisions = await decide(by, vectors, now=now, explain=explain)
    if not state.recording.on:
        _tell_challenger(model, decisions)
        return [said(decision, policy, None, None) for decision in decisions]
    of = Circumstances(now, origin, ask.log_fields.get("api_key"), ask.request_id, **more)
    entries = [entry_of(decision, model, policy, of) for decision in decisions]
    await state.recording.record(entries, ask)
    _tell_challenger(model, decisions)
    return [
        said(decision, policy, str(entry.listed.decision_id), b64encode(entry.commitment).decode())
        for decision, entry in zip(decisions, entries, strict=True)
    ]


@operations.declare(
    "GET",
    "/credit_risk/client_id={client_id}",
    CreditRisk,
    scope="predict",
    problems=PROBLEMS | NOT_FOUND,
    hot=True,
)
async def credit_risk_of_client(ask: Ask[State], client_id: int, query: Explain) -> bytes:
    """Decide about a client

    The decision is recorded before the answer is sent. Each request decides again, also with the same X-Request-ID. A
    preview answers without a decision.
    """
    found = await found_vector(ask, client_id)
    [answer] = await recorded(ask, [found.vector], "request", explain=query.explain)
    return json_bytes(answer)


@operations.declare(
    "POST",
    "/credit_risk/client_id={client_id}/preview",
    CreditRisk,
    scope="predict",
    problems=PROBLEMS | NOT_FOUND,
)
async def preview_of_client(ask: Ask[State], client_id: int, query: Explain) -> bytes:
    """Preview the decision about a client

    Answers like a decision, but nothing is decided or recorded: `decision_id` and `commitment` are null.
    """
    found = await found_vector(ask, client_id)
    model, policy = ask.state.models.champion, ask.state.policies.current
    by = Deciders(model, policy, ask.deadline, reasons=False)
    [decision] = await decide(by, [found.vector], now=ask.state.clock(), explain=query.explain)
    return json_bytes(said(decision, policy, None, None))


@operations.declare("POST", "/credit_risk/batch", CreditRiskBatch, scope="predict", problems=PROBLEMS, hot=True)
async def credit_risk_of_clients(ask: Ask[State], query: Explain, body: CreditRiskBatchRequest) -> bytes:
    """Decide about many clients

    Each element is a separate decision, also for duplicates. Either all are recorded before the answer, or none.
    """
    ids, limit = body.client_ids, ask.state.settings.max_batch_ids
    if len(ids) > limit:
        raise InvalidRequest(errors=[InvalidPart(pointer="#/client_ids", detail=f"At most {limit} ids in one batch")])
    found = await ask.state.features.vectors(ids, ask) if ids else {}
    vectors = [found[client_id].vector for client_id in ids if client_id in found]
    answers = await recorded(ask, vectors, "batch", explain=query.explain)
    not_found = [client_id for client_id in ids if client_id not in found]
    return json_bytes({"predictions": answers, "not_found": not_found})


def _values_document(state: State) -> dict[str, Any]:
    """The schema of the body, made from the inputs of the champion; empty while there is no champion."""
    champion = state.models.served_champion
    if champion is None:
        return {}
    return {"requestBody": {"content": {"application/json": {"schema": champion.values.schema()}}}}


@operations.declare(
    "POST",
    "/credit_risk",
    CreditRisk,
    scope="predict",
    problems={status: PROBLEMS[status] for status in (422, 503, 504)},
    needs=_champion,
    document=_values_document,
)
async def credit_risk_of_values(ask: Ask[State], query: Explain, body: Values) -> bytes:
    """Preview the decision about a client with these values

    Nothing is recorded, because the values belong to no known client.
    """
    model, policy = _champion(ask.state), ask.state.policies.current
    values = model.values.read(body.root) | {"event_timestamp": None}
    by = Deciders(model, policy, ask.deadline, reasons=False)
    [decision] = await decide(by, [values], explain=query.explain)
    _tell_challenger(model, [decision])
    return json_bytes(_of_values(decision, policy.version))


def _of_values(decision: Decision, policy_version: str) -> dict[str, Any]:
    return decision.answer | {"decision": decision.verdict.decision, "policy_version": policy_version}
