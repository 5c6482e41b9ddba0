"""Replays recorded decisions, with the recorded model version or with another one."""

from datetime import datetime
from typing import Any

import orjson

from prediction_service.decisions.deciding import Deciders, decide
from prediction_service.decisions.past import Record, model_of, policy_of, vector_of
from prediction_service.state import State
from service_kit.problems import InvalidRequest
from service_kit.request.ask import Ask
from shared_schemas import InvalidPart

_SAME = (
    "decision", "label", "score", "probability", "threshold", "input_variables", "qa_failure_cases", "imputed", "stale",
    "reason_codes", "decided_by",
)  # fmt: skip
_COMPARED = ("decision", "label", "score", "probability", "reason_codes")


async def replayed(ask: Ask[State], record: Record) -> dict[str, Any]:
    """Decide again with the recorded version and policy, and compare all results bit for bit. Raises ModelGone."""
    by = Deciders(await model_of(ask.state, record), await policy_of(ask.state, record), ask.deadline)
    again = await _again(by, record)
    differences = [name for name in _SAME if again[name] != record[name]]
    return {"identical": not differences, "differences": differences}


async def compared(ask: Ask[State], record: Record, version: str) -> dict[str, Any]:
    """Decide with another model version and the recorded policy, and compare the results.

    Raises ModelGone, and InvalidRequest if the record lacks an input of the version.
    """
    model = await ask.state.past_models.version(version)
    if not model.names <= vector_of(record).keys():
        detail = "The record does not contain every input of this version"
        raise InvalidRequest(errors=[InvalidPart(pointer="query/model_version", detail=detail)])
    again = await _again(Deciders(model, await policy_of(ask.state, record), ask.deadline), record)
    return {
        "recorded": {name: record[name] for name in _COMPARED},
        "replayed": {name: again[name] for name in _COMPARED},
        "differences": [name for name in _COMPARED if again[name] != record[name]],
    }


async def _again(by: Deciders, record: Record) -> dict[str, Any]:
    """Decide on the recorded values and return the keys of `_SAME`, in the form that a record's JSON gives."""
    decided_at = datetime.fromisoformat(record["decided_at"])
    [decision] = await decide(by, [vector_of(record)], now=decided_at)
    said = decision.answer | {
        "decision": decision.verdict.decision,
        "decided_by": decision.verdict.decided_by,
        "reason_codes": decision.reason_codes,
    }
    found: dict[str, Any] = orjson.loads(orjson.dumps({name: said[name] for name in _SAME}))
    return found
