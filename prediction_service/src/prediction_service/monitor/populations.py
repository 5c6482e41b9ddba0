"""The training populations of the versions that decided. They define the bins for counting records."""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prediction_service.monitoring.reference import Reference, Value
from prediction_service.scoring.quality import QualityCheck
from prediction_service.versions.artefact import ModelRefused, read_manifest
from prediction_service.versions.catalogue import reference_of
from prediction_service.versions.folder import is_version_name


@dataclass(frozen=True)
class Population:
    """The population of the version whose manifest has this digest.

    `names`: the features that are not inputs of the model. `others`: their quality check.
    """

    reference: Reference
    manifest_sha256: str
    names: tuple[str, ...]
    others: QualityCheck

    def checked(self, record: Mapping[str, Any]) -> dict[str, Value]:
        """The recorded values of all features by name; None if missing, failed or stale."""
        others = {name: record["other_variables"].get(name) for name in self.names}
        without = {*(record["qa_failure_cases"] or ()), *(record["stale"] or ()), *self.others.check(others).failed}
        values = others | record["input_variables"]
        return {name: None if name in without else value for name, value in values.items()}


class Populations:
    """A cache of populations by version. After `forget_lacking`, versions without a population are read again."""

    def __init__(self, model_dir: Path) -> None:
        self._model_dir = model_dir
        self._known: dict[str, Population | None] = {}

    def forget_lacking(self) -> None:
        self._known = {name: found for name, found in self._known.items() if found is not None}

    async def of(self, version: str, manifest_sha256: str | None = None) -> Population | None:
        """The population of a version; None if it has none, cannot be read, or its manifest has another digest."""
        if version not in self._known:
            self._known[version] = await asyncio.to_thread(_read, self._model_dir, version)
        found = self._known[version]
        return found if found and manifest_sha256 in (None, found.manifest_sha256) else None


def _read(model_dir: Path, version: str) -> Population | None:
    reference = reference_of(model_dir, version)
    if reference is None or not is_version_name(version):
        return None
    try:
        manifest = read_manifest(model_dir / version)
        digest = hashlib.sha256((model_dir / version / "manifest.json").read_bytes()).hexdigest()
    except (ModelRefused, OSError):
        return None
    others = [feature for feature in manifest.features if feature.name not in manifest.feature_names]
    return Population(reference, digest, tuple(feature.name for feature in others), QualityCheck(others))
