"""Builds a dossier from the artefact of a version, the decision log and monitoring, and lists the missing parts."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from prediction_service.versions.folder import Promotion
from shared_schemas import ModelDetails

WHY_LACKING = {
    "intended_use": "the model card of the version has no section on use and limits",
    "data": "the manifest does not describe the training rows",
    "features": "the manifest defines no features",
    "validation": "the manifest has no measures",
    "calibration": "the manifest has no calibration",
    "fairness": "no feature of the set has a basis to compare groups by, or the version is of an earlier release",
    "population": "the version has no training population, because it is of an earlier release",
    "monitoring": "no decision of this version is monitored: it does not decide, or no monitor has run",
    "changes": "there is no earlier version in the registry",
    "promotions": "no promotion of this version is recorded",
    "log_checkpoint": "decisions are not recorded, or the log has no checkpoint yet",
}
"""The reason for each part that can be without content."""


class Lacking(BaseModel):
    model_config = ConfigDict(frozen=True)

    part: str
    why: str


class Changed(BaseModel):
    """Changes since the previous version. `added` and `removed`: inputs. The other fields: values before and now."""

    model_config = ConfigDict(frozen=True)

    before: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    threshold: tuple[float | None, float | None]
    training_sha256: tuple[str | None, str | None]
    metrics: dict[str, tuple[float | None, float | None]]


class Dossier(BaseModel):
    """The dossier of a model version. `lacking` has the reason for each part that is null."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    model_version: str
    made_at: datetime
    roles: tuple[str, ...]
    intended_use: str | None
    data: dict[str, Any] | None
    features: tuple[dict[str, Any], ...] | None
    left_out: dict[str, str]
    validation: dict[str, Any] | None
    calibration: dict[str, Any] | None
    fairness: tuple[dict[str, Any], ...] | None
    population: dict[str, Any] | None
    monitoring: dict[str, Any] | None
    changes: Changed | None
    promotions: tuple[dict[str, Any], ...] | None
    log_checkpoint: str | None
    lacking: tuple[Lacking, ...]


class Sources(BaseModel):
    """The sources of a dossier. None if a source does not exist."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    details: ModelDetails
    before: ModelDetails | None
    promotions: tuple[Promotion, ...]
    population: dict[str, Any] | None
    monitoring: dict[str, Any] | None
    log_checkpoint: str | None


def dossier_of(sources: Sources, made_at: datetime) -> Dossier:
    details = sources.details
    validation = dict(details.validation or {})
    fairness = validation.pop("fairness", None)
    parts: dict[str, Any] = {
        "intended_use": _section(details.card or "", "Use and limits"),
        "data": dict(details.training) if details.training else None,
        "features": tuple(feature.model_dump(mode="json") for feature in details.features or ()) or None,
        "validation": validation or None,
        "calibration": _calibration(validation),
        "fairness": tuple(fairness) if fairness else None,
        "population": sources.population,
        "monitoring": sources.monitoring,
        "changes": changed(sources.before, details) if sources.before else None,
        "promotions": tuple(one._asdict() for one in sources.promotions if one.version == details.version) or None,
        "log_checkpoint": sources.log_checkpoint,
    }
    return Dossier(
        model_version=details.version,
        made_at=made_at,
        roles=tuple(details.roles),
        left_out=details.left_out or {},
        lacking=tuple(Lacking(part=name, why=why) for name, why in WHY_LACKING.items() if parts[name] is None),
        **parts,
    )


def _section(card: str, title: str) -> str | None:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", card, re.MULTILINE | re.DOTALL)
    return found[1].strip() or None if found else None


def _calibration(validation: Mapping[str, Any]) -> dict[str, Any] | None:
    """The calibration slope for each way to split the rows."""
    found = {
        split: validation[split]["calibration_slope"]
        for split in ("grouped", "plain")
        if isinstance(validation.get(split), dict) and validation[split].get("calibration_slope")
    }
    return found or None


def changed(before: ModelDetails, now: ModelDetails) -> Changed:
    earlier, later = set(before.feature_names or ()), set(now.feature_names or ())
    measures = sorted({*(before.metrics or {}), *(now.metrics or {})})
    return Changed(
        before=before.version,
        added=tuple(sorted(later - earlier)),
        removed=tuple(sorted(earlier - later)),
        threshold=(before.threshold, now.threshold),
        training_sha256=((before.training or {}).get("sha256"), (now.training or {}).get("sha256")),
        metrics={name: ((before.metrics or {}).get(name), (now.metrics or {}).get(name)) for name in measures},
    )
