"""Builds the record of a decision: one JSON document. Its bytes are committed to, stored and served."""

from datetime import datetime
from typing import Literal, NamedTuple, Protocol
from uuid import UUID

from decision_log import Entry, Listed, sealed, uuid7
from prediction_service.decisions.deciding import Decision
from prediction_service.policy.rules import ServedPolicy
from prediction_service.scoring.decision import NOT_FEATURES
from prediction_service.versions.artefact import Manifest

Origin = Literal["request", "batch", "portfolio", "reconsider"]


class RecordedModel(Protocol):
    """The parts of a model that a record contains."""

    version: str
    manifest: Manifest
    manifest_sha256: str


class Circumstances(NamedTuple):
    """The common parts of all records of one request. `caller` is the name of an API key."""

    decided_at: datetime
    origin: Origin
    caller: str | None
    request_id: str | None
    reconsiders: UUID | None = None


def entry_of(decision: Decision, model: RecordedModel, policy: ServedPolicy, of: Circumstances) -> Entry:
    """Build the record of a decision, with a new id and its commitment."""
    answer, verdict, vector = decision.answer, decision.verdict, decision.scored.vector
    manifest, inputs = model.manifest, answer["input_variables"]
    listed = Listed(
        uuid7(), "decision", of.decided_at, answer["client_id"], verdict.decision, answer["score"], model.version, of.origin
    )  # fmt: skip
    document = {
        "kind": listed.kind,
        "decision_id": listed.decision_id,
        "decided_at": of.decided_at,
        "client_id": answer["client_id"],
        "decision": verdict.decision,
        "label": answer["label"],
        "score": answer["score"],
        "probability": answer["probability"],
        "threshold": answer["threshold"],
        "input_variables": inputs,
        "event_timestamp": answer["event_timestamp"],
        "feature_timestamps": vector.get("feature_timestamps"),
        "feature_set": manifest.feature_set,
        "feature_set_sha256": manifest.feature_set_sha256,
        "qa_failure_cases": answer["qa_failure_cases"],
        "imputed": answer["imputed"],
        "stale": answer["stale"],
        "model_version": model.version,
        "manifest_sha256": model.manifest_sha256,
        "policy_version": policy.version,
        "policy_sha256": policy.sha256,
        "reason_codes": decision.reason_codes,
        "caller": of.caller,
        "request_id": of.request_id,
        "reconsiders": of.reconsiders,
        "decided_by": verdict.decided_by,
        "origin": of.origin,
        "other_variables": {
            name: value for name, value in vector.items() if name not in inputs and name not in NOT_FEATURES
        },
    }
    return sealed(listed, document)
