"""The operations on recorded decisions: list, read, prove, state, replay, reconsider."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from decision_log import Erased, Listed, NotSequenced, Query
from prediction_service.decisions.past import decision_id_of, record_bytes, record_of
from prediction_service.decisions.replay import compared, replayed
from prediction_service.errors import DecisionErased, DecisionNotFound, NotSequencedYet
from prediction_service.recording.log import asked
from prediction_service.routes.deciding import PROBLEMS, Explain, found_vector, recorded
from prediction_service.state import State
from prediction_service.statement.page import HEADERS, page
from prediction_service.statement.statement import statement_of
from service_kit.operations import Answer, Operations, json_bytes
from service_kit.request.ask import Ask
from shared_schemas import MAX_CLIENT_ID, CreditRisk, Instant
from shared_schemas.decisions import DecisionCounts, DecisionList, DecisionOutcome, DecisionRecord, Replayed, Statement

AWAY = "The decision log is unavailable: `/problems/decision-log-unavailable`. Try again after `Retry-After` seconds."
LOG_PROBLEMS = {
    422: PROBLEMS[422],
    503: AWAY,
    404: "This installation records no decisions: `/problems/decision-log-off`",
}
OF_ONE = LOG_PROBLEMS | {
    404: "No such decision: `/problems/decision-not-found`, or no decisions are recorded: `/problems/decision-log-off`",
    410: "The decision was erased: `/problems/decision-erased`",
}
GONE = "The model version or policy is gone: `/problems/model-gone`; or the record is not a decision: `/problems/not-a-decision`"
_FIRST, _LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, tzinfo=UTC)

operations = Operations[State]("decisions")


class Period(BaseModel):
    """Decisions made from `from` to before `to`."""

    start: Instant | None = Field(default=None, alias="from")
    end: Instant | None = Field(default=None, alias="to")


class Which(Period):
    """Filters of the list. An absent filter does not restrict it."""

    model_config = {"protected_namespaces": ()}

    client_id: int | None = Field(default=None, ge=1, le=MAX_CLIENT_ID)
    decision: DecisionOutcome | None = None
    model_version: str | None = Field(default=None, max_length=64, pattern=r"^[^\x00]*\z")
    before: UUID | None = Field(default=None, description="The `next_before` of the previous page.")
    limit: int = Field(default=100, ge=1, le=1_000)


class ByWhich(BaseModel):
    """The model version that replays."""

    model_config = {"protected_namespaces": ()}

    model_version: str | None = Field(
        default=None, description="The model version that replays; absent: the recorded one."
    )


@operations.declare("GET", "/decisions", DecisionList, scope="decisions:read", problems=LOG_PROBLEMS)
async def list_decisions(ask: Ask[State], query: Which) -> bytes:
    """List decisions, reviews and erasures

    Newest first.
    """
    wanted = Query(
        query.client_id, query.decision, query.model_version, query.start, query.end, query.before, query.limit
    )
    found = await asked(ask.state.recording.log.records.list(wanted, ask.deadline), ask)
    return json_bytes(
        {
            "decisions": [_listed(row) for row in found.records],
            "next_before": found.next_before and str(found.next_before),
        }
    )


def _listed(row: Listed) -> dict[str, object]:
    # The JSON writer does not know the class of the database driver's UUIDs.
    return {name: value for name, value in row._asdict().items() if name != "reviews"} | {
        "decision_id": str(row.decision_id)
    }


@operations.declare("GET", "/decisions/counts", DecisionCounts, scope="decisions:read", problems=LOG_PROBLEMS)
async def count_decisions(ask: Ask[State], query: Period) -> bytes:
    """Count decisions by day and model version."""
    records = ask.state.recording.log.records
    days = await asked(records.counts(query.start or _FIRST, query.end or _LAST, ask.deadline), ask)
    return json_bytes({"days": [day._asdict() for day in days]})


@operations.declare("GET", "/decisions/{decision_id}/proof", "text/plain", scope="decisions:read", problems=OF_ONE)
async def prove_decision(ask: Ask[State], decision_id: str) -> bytes:
    """Prove that a record is in the log

    The proof has the format c2sp.org/tlog-proof@v1. Its extra data is the salt of the commitment. It can be verified
    offline. Until the next checkpoint, about a second, the answer is 503 `/problems/not-sequenced-yet`.
    """
    found = await asked(ask.state.recording.log.tree.proof(decision_id_of(decision_id), ask.deadline), ask)
    if isinstance(found, NotSequenced):
        raise NotSequencedYet
    if isinstance(found, Erased):
        raise DecisionErased(f"The record {found.by} of the log documents the erasure.")
    if found is None:
        raise DecisionNotFound
    return found.encode()


@operations.declare(
    "GET", "/decisions/{decision_id}/statement", Statement, scope="decisions:read", problems=OF_ONE | {409: GONE}
)
async def read_statement(ask: Ask[State], decision_id: str) -> Answer:
    """Read the statement for the client

    JSON, or with `Accept: text/html` a page to print. It is a draft that the creditor's lawyers must check.
    """
    said = await statement_of(ask.state, await record_of(ask, decision_id))
    if prefers_html(ask.accept):
        return Answer(page(said), headers=HEADERS, media_type="text/html; charset=utf-8")
    return Answer(json_bytes(said), headers={"Vary": "Accept"})


@operations.declare("GET", "/decisions/{decision_id}", DecisionRecord, scope="decisions:read", problems=OF_ONE)
async def read_decision(ask: Ask[State], decision_id: str) -> bytes:
    """Read a record, byte for byte as it was committed"""
    return await record_bytes(ask, decision_id_of(decision_id))


@operations.declare(
    "POST", "/decisions/{decision_id}/replay", Replayed, scope="decisions:read", problems=OF_ONE | {409: GONE}
)
async def replay_decision(ask: Ask[State], decision_id: str, query: ByWhich) -> bytes:
    """Replay a recorded decision

    Decides again from the recorded values with the recorded version and policy, and compares the results bit for bit.
    The answer names the keys that differ. With `model_version`, that version decides instead. Nothing is recorded.
    """
    record = await record_of(ask, decision_id)
    if query.model_version is None:
        return json_bytes(await replayed(ask, record))
    return json_bytes(await compared(ask, record, query.model_version))


_RECONSIDER = PROBLEMS | OF_ONE | {503: PROBLEMS[503], 409: "The record is not a decision: `/problems/not-a-decision`"}


@operations.declare("POST", "/decisions/{decision_id}/reconsider", CreditRisk, scope="predict", problems=_RECONSIDER)
async def reconsider_decision(ask: Ask[State], decision_id: str, query: Explain) -> bytes:
    """Decide again about the client of an earlier decision

    Decides on the client's present features. The new record names the earlier one.
    """
    record = await record_of(ask, decision_id)
    found = await found_vector(ask, record["client_id"])
    earlier: dict[str, Any] = {"reconsiders": UUID(record["decision_id"])}
    [answer] = await recorded(ask, [found.vector], "reconsider", explain=query.explain, **earlier)
    return json_bytes(answer)


def prefers_html(accept: bytes) -> bool:
    """Whether the header field `Accept` names HTML, and JSON not before it."""
    html, json = accept.find(b"text/html"), accept.find(b"application/json")
    return html >= 0 and (json < 0 or html < json)
