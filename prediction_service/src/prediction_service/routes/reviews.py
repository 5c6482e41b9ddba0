"""The operations that add reviews and outcomes to decisions, and the one that erases decisions."""

from base64 import b64encode
from uuid import UUID

from pydantic import BaseModel, Field

from decision_log import EntryRefused, Listed, Outcome, sealed, uuid7
from prediction_service.decisions.past import Record, decision_id_of, record_bytes, record_of
from prediction_service.decisions.retention import months_after, months_before
from prediction_service.errors import DecisionNotFound, ErasureOff, Retention
from prediction_service.recording.log import asked
from prediction_service.routes.decisions import AWAY, LOG_PROBLEMS, OF_ONE
from prediction_service.state import State
from service_kit.operations import Operations, json_bytes
from service_kit.problems import InvalidRequest
from service_kit.request.ask import Ask
from shared_schemas import MAX_CLIENT_ID, InvalidPart
from shared_schemas.decisions import ObservedOutcomes, Recorded, Review, ReviewList, TakenOutcomes

_NO_DECISION = "The record is not a decision: `/problems/not-a-decision`"

operations = Operations[State]("decisions")


class OfClient(BaseModel):
    client_id: int = Field(ge=1, le=MAX_CLIENT_ID)


@operations.declare(
    "POST",
    "/decisions/{decision_id}/reviews",
    Recorded,
    scope="decisions:review",
    problems=OF_ONE | {409: _NO_DECISION},
    status=201,
)
async def review_decision(ask: Ask[State], decision_id: str, body: Review) -> bytes:
    """Record a person's review of a decision

    A review is a separate record, read and proved like a decision. Its text is personal data, as the decision is.
    """
    record = await record_of(ask, decision_id)
    _check_changes(body, record)
    listed = Listed(
        uuid7(),
        "review",
        ask.state.clock(),
        decision=body.decision or record["decision"],
        reviews=UUID(record["decision_id"]),
    )
    document = {
        "kind": listed.kind,
        "decision_id": listed.decision_id,
        "reviews": listed.reviews,
        "decided_at": listed.decided_at,
        "conclusion": body.conclusion,
        "decision": listed.decision,
        "comment": body.comment,
        "caller": ask.log_fields.get("api_key"),
    }
    entry = sealed(listed, document)
    try:
        await ask.state.recording.record([entry], ask)
    except EntryRefused as error:  # the decision was erased in the meantime
        raise DecisionNotFound from error
    return json_bytes({"decision_id": str(listed.decision_id), "commitment": b64encode(entry.commitment).decode()})


def _check_changes(review: Review, record: Record) -> None:
    changes = review.decision is not None and review.decision != record["decision"]
    if (review.conclusion == "changed") != changes:
        detail = "A changed decision must differ from the reviewed one, an upheld one must not"
        raise InvalidRequest(errors=[InvalidPart(pointer="#/decision", detail=detail)])


@operations.declare("GET", "/decisions/{decision_id}/reviews", ReviewList, scope="decisions:read", problems=OF_ONE)
async def list_reviews(ask: Ask[State], decision_id: str) -> bytes:
    """List the reviews of a decision"""
    reviewed = decision_id_of(decision_id)
    await record_bytes(ask, reviewed)
    found = await asked(ask.state.recording.log.records.reviews(reviewed, ask.deadline), ask)
    return b'{"reviews":[' + b",".join(found) + b"]}"


@operations.declare(
    "DELETE",
    "/decisions",
    scope="decisions:erase",
    problems=LOG_PROBLEMS
    | {403: "Erasure is not set up: `/problems/erasure-off`; or the key lacks the scope: `/problems/forbidden`"}
    | {409: "Decisions within the retention period remain: `/problems/retention`"},
    status=204,
)
async def erase_decisions(ask: Ask[State], query: OfClient) -> bytes:
    """Erase the decisions about a client that are older than the retention period

    Their reviews and outcomes are erased, too. A record of the erasure is added to the log; it contains record ids, but
    no client. If younger decisions remain, the answer is 409, with the day from which all of them can be erased.
    """
    erasure = ask.state.recording.log.erasure
    if erasure is None:
        raise ErasureOff
    months = ask.state.settings.retention_months
    oldest = months_before(ask.state.clock(), months)
    left = await asked(erasure.of_client(query.client_id, oldest, ask.log_fields.get("api_key"), ask.deadline), ask)
    if left.newest is not None:
        raise Retention(f"All of them can be erased from {months_after(left.newest, months):%Y-%m-%d} on.")
    return b""


@operations.declare("POST", "/outcomes", TakenOutcomes, scope="outcomes:write", problems=LOG_PROBLEMS | {503: AWAY})
async def take_outcomes(ask: Ask[State], body: ObservedOutcomes) -> bytes:
    """Store observed outcomes of decisions

    Safe to repeat. An outcome with a later `observed_at` corrects an earlier one.
    """
    given = [Outcome(each.decision_id, each.observed_at, each.defaulted) for each in body.outcomes]
    taken = await asked(ask.state.recording.log.outcomes.add(given, ask.deadline), ask)
    return json_bytes(taken._asdict() | {"refused": [refused._asdict() for refused in taken.refused]})
