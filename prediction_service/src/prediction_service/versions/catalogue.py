"""Summaries and details of the versions in a registry folder, read without loading the models."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from prediction_service.monitoring.reference import Reference
from prediction_service.versions.artefact import Manifest, ModelRefused, read_manifest, vouched_content
from prediction_service.versions.folder import is_version_name, versions
from shared_schemas import ModelDetails, ModelFile, ModelRole, ModelSummary

Roles = Mapping[str, list[ModelRole]]
"""Roles by version, for the versions that have one."""

_NO_MANIFEST = "its manifest is missing, cannot be read, or is not one of this release"
_SPOILED = "a file of it is missing or is not the one that its manifest vouches for"
_MEASURES = ("auc", "ks", "pr_auc", "brier", "log_loss")


def summaries(model_dir: Path, roles: Roles) -> list[ModelSummary]:
    """Summaries of all versions, newest first, unreadable ones last. Reads only manifests."""
    found = [_summary(model_dir / version, roles) for version in versions(model_dir)]
    return sorted(found, key=lambda summary: summary.created_at or datetime.min.replace(tzinfo=UTC), reverse=True)


def details(model_dir: Path, version: str, roles: Roles) -> ModelDetails | None:
    """Details of a version, or None if there is no such version. Shows only files that match their checksums."""
    if not is_version_name(version) or version not in versions(model_dir):
        return None
    folder = model_dir / version
    try:
        manifest = read_manifest(folder)
    except ModelRefused:
        return ModelDetails(**_about(folder, roles, None, _NO_MANIFEST), **dict.fromkeys(_DETAILS))
    try:
        card = vouched_content(folder, manifest, "card.md").decode()
        tables = json.loads(vouched_content(folder, manifest, "tables.json")) if manifest.kind == "tables" else None
    except (ModelRefused, KeyError, ValueError, RecursionError):
        return ModelDetails(**_about(folder, roles, None, _SPOILED), **dict.fromkeys(_DETAILS))
    return ModelDetails(
        **_about(folder, roles, manifest, None),
        threshold_policy=manifest.threshold_policy,
        feature_set=manifest.feature_set,
        feature_set_sha256=manifest.feature_set_sha256,
        features=list(manifest.features),
        feature_names=list(manifest.feature_names),
        left_out=manifest.left_out,
        missing_rules={feature: str(rule) for feature, rule in manifest.missing_rules.items()},
        training=manifest.training,
        validation=manifest.metrics,
        libraries=manifest.libraries,
        files={name: ModelFile(sha256=file.sha256, size=file.size) for name, file in manifest.files.items()},
        tables=tables,
        card=card,
    )


def vouched_file(model_dir: Path, version: str, name: str) -> bytes | None:
    """The content of a file of a version that matches its checksum; None if there is no such file."""
    if not is_version_name(version) or version not in versions(model_dir):
        return None
    try:
        manifest = read_manifest(model_dir / version)
        return vouched_content(model_dir / version, manifest, name) if name in manifest.files else None
    except ModelRefused:
        return None


def reference_of(model_dir: Path, version: str) -> Reference | None:
    """The training population of a version, or None if the version has no readable one."""
    content = vouched_file(model_dir, version, "reference.json")
    try:
        return Reference.model_validate_json(content) if content is not None else None
    except ValidationError:
        return None


_DETAILS = ModelDetails.model_fields.keys() - ModelSummary.model_fields.keys()


def _summary(folder: Path, roles: Roles) -> ModelSummary:
    try:
        return ModelSummary(**_about(folder, roles, read_manifest(folder), None))
    except ModelRefused:
        return ModelSummary(**_about(folder, roles, None, _NO_MANIFEST))


def _about(folder: Path, roles: Roles, manifest: Manifest | None, unreadable: str | None) -> dict[str, Any]:
    return {
        "version": folder.name,
        "roles": roles.get(folder.name, []),
        "kind": manifest and manifest.kind,
        "estimator": manifest and manifest.estimator,
        "created_at": manifest and _in_utc(manifest.created_at),
        "threshold": manifest and manifest.threshold,
        "metrics": manifest and _measures(manifest.metrics),
        "unreadable": unreadable,
    }


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _measures(metrics: Mapping[str, Any]) -> dict[str, float] | None:
    try:
        return {name: float(metrics["grouped"]["folds"][name]["mean"]) for name in _MEASURES}
    except (KeyError, TypeError, ValueError):
        return None
