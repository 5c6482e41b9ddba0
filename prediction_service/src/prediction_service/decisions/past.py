"""Reads the record of a past decision, and the vector, model version and policy of that decision."""

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from decision_log import Erased
from prediction_service.errors import DecisionErased, DecisionNotFound, ModelGone, NotADecision
from prediction_service.policy.folder import known_policy
from prediction_service.policy.rules import ServedPolicy
from prediction_service.recording.log import asked
from prediction_service.scoring.decision import Vector
from prediction_service.state import State
from prediction_service.versions.serving import ServedModel
from service_kit.problems import InvalidRequest
from service_kit.request.ask import Ask
from shared_schemas import InvalidPart

Record = dict[str, Any]
"""A record, parsed from its JSON."""


def decision_id_of(text: str) -> UUID:
    """Parse a decision id from a path. Raises InvalidRequest."""
    try:
        found = UUID(text)
    except ValueError:
        found = None
    if found is None or str(found) != text.lower():
        detail = "A decision id is a UUID: 32 hexadecimal digits in five groups"
        raise InvalidRequest(errors=[InvalidPart(pointer="path/decision_id", detail=detail)])
    return found


async def record_bytes(ask: Ask[State], decision_id: UUID) -> bytes:
    """The committed bytes of a record. Raises DecisionNotFound and DecisionErased."""
    found = await asked(ask.state.recording.log.records.get(decision_id, ask.deadline), ask)
    if found is None:
        raise DecisionNotFound
    if isinstance(found, Erased):
        raise DecisionErased(f"The record {found.by} of the log documents the erasure.")
    return found


async def record_of(ask: Ask[State], text: str) -> Record:
    """The parsed record of a decision. Raises NotADecision for other records, and the errors of `record_bytes`."""
    record: Record = orjson.loads(await record_bytes(ask, decision_id_of(text)))
    if record["kind"] != "decision":
        raise NotADecision
    return record


def vector_of(record: Record) -> Vector:
    """The vector of the decision."""
    times = record["feature_timestamps"] or {}
    return {
        "client_id": record["client_id"],
        **record["input_variables"],
        **record["other_variables"],
        "event_timestamp": datetime.fromisoformat(record["event_timestamp"]),
        "feature_timestamps": {name: datetime.fromisoformat(text) for name, text in times.items()},
    }


async def model_of(state: State, record: Record) -> ServedModel:
    """The model version of the decision. Raises ModelGone."""
    name, digest = record["model_version"], record["manifest_sha256"]
    champion = state.models.served_champion
    if champion is not None and (champion.version, champion.manifest_sha256) == (name, digest):
        return champion
    return await state.past_models.version(name, digest)


async def policy_of(state: State, record: Record) -> ServedPolicy:
    """The policy of the decision. Raises ModelGone."""
    found = await asyncio.to_thread(
        known_policy, state.settings.model_dir, record["policy_version"], record["policy_sha256"]
    )
    if found is None:
        raise ModelGone("The policy of this version is gone.")
    return found
