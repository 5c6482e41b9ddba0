"""A model version on disk: its files, and the checks that it must pass before it is served.

MODEL_DIR/VERSION/manifest.json   the description of the version, with a checksum for each of the other files
MODEL_DIR/VERSION/tables.json     the scorecard (kind "tables")
MODEL_DIR/VERSION/model.joblib    the fitted estimator
MODEL_DIR/VERSION/probes.json     inputs, with the probabilities that the estimator gave for them
MODEL_DIR/VERSION/reference.json  the training population, for monitoring (not in versions of earlier releases)
MODEL_DIR/VERSION/card.md, *.png  the model card and its plots
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from prediction_service.scoring.scorecard import (
    DIRECTIONS,
    Scorecard,
    Values,
    disfavours_elderly,
    disfavours_every_unknown_age,
    disfavours_unknown_age,
)
from prediction_service.scoring.texts import Bounds
from prediction_service.versions.first_release import definitions_of_first_release
from shared_schemas import Feature

__all__ = [
    "SCHEMA_VERSION",
    "TOLERANCE",
    "Artefact",
    "FileRecord",
    "Manifest",
    "ModelRefused",
    "check_probes",
    "load",
    "read_manifest",
    "record_files",
    "vouched_content",
]

SCHEMA_VERSION = 2
"""Schema version of the manifest. Version 1 is that of the first release, which had only one feature set."""

TOLERANCE = {"tables": 1e-12, "joblib": 1e-9}
"""Maximum difference from the probability of a probe, by kind."""

_UNREADABLE = (KeyError, TypeError, ValueError, OverflowError, RecursionError)
"""The errors of json and of the readers of tables and probes for a document of another form."""


DISFAVOURS_ELDERLY = "it scores some applicants of 62 or older worse for their age (12 CFR 1002.6(b)(2))"
_COPY_AGAIN = "copy the version here again, whole"
_TRAIN_AGAIN = "train a version with this release"

MissingRule = Literal["missing_cell", "default_cell", "best_cell", "model"]


class ModelRefused(Exception):
    """The version is not served. The message says which check failed and, if possible, what to do."""


class FileRecord(BaseModel):
    """The size of a file in bytes, and its digest in lower-case hexadecimal."""

    sha256: str
    size: int


class Manifest(BaseModel):
    """The manifest of a version. `features`: the whole feature set as it was at training, in its order.

    `feature_names`: the features that the model reads. `left_out`: why it does not read the others.
    `bounds_in_reasons`: how sentences write bounds. Manifests of earlier releases lack this key: their versions keep
    two decimals, so that recorded reasons can be replayed.
    """

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    schema_version: Literal[1, 2]
    version: str
    kind: Literal["tables", "joblib"]
    estimator: str
    created_at: datetime
    feature_set: str
    feature_set_sha256: str
    features: tuple[Feature, ...]
    feature_names: tuple[str, ...]
    left_out: dict[str, str] = {}
    threshold: float = Field(gt=0, lt=1)
    threshold_policy: str
    missing_rules: dict[str, MissingRule]
    bounds_in_reasons: Bounds = "two_decimals"
    training: dict[str, Any]
    metrics: dict[str, Any]
    libraries: dict[str, str]
    files: dict[str, FileRecord]

    @model_validator(mode="before")
    @classmethod
    def _of_first_release(cls, document: Any) -> Any:
        if isinstance(document, dict) and document.get("schema_version") == 1:
            return definitions_of_first_release() | document
        return document

    @cached_property
    def inputs(self) -> tuple[Feature, ...]:
        """The features that the model reads, in the order of its rows. Raises KeyError if one has no definition."""
        by_name = {feature.name: feature for feature in self.features}
        return tuple(by_name[name] for name in self.feature_names)


@dataclass(frozen=True)
class Artefact:
    """A version that has passed every check. `scorecard` is None for kind "joblib"."""

    folder: Path
    manifest: Manifest
    scorecard: Scorecard | None
    manifest_sha256: str


def record_files(folder: Path) -> dict[str, FileRecord]:
    """Size and checksum of each file of a version."""
    return {file.name: _record(file) for file in sorted(folder.iterdir()) if file.name != "manifest.json"}


def _record(file: Path) -> FileRecord:
    with file.open("rb") as content:
        return FileRecord(sha256=hashlib.file_digest(content, "sha256").hexdigest(), size=file.stat().st_size)


def load(folder: Path) -> Artefact:
    """Verify a version and load it, without running code from its files. Raises ModelRefused and no other error."""
    content = _manifest_bytes(folder)
    manifest, digest = _manifest(folder, content), hashlib.sha256(content).hexdigest()
    _check_files(folder, manifest)
    _check_inputs(manifest)
    if manifest.kind == "joblib":
        if set(manifest.missing_rules.values()) != {"model"}:
            raise ModelRefused("its rules for missing values are those of tables, but it has no tables")
        return Artefact(folder, manifest, None, digest)
    scorecard = _scorecard(folder, manifest)
    check_probes(folder, manifest, scorecard.probabilities)
    return Artefact(folder, manifest, scorecard, digest)


def _check_inputs(manifest: Manifest) -> None:
    if not manifest.feature_names or len(set(manifest.feature_names)) != len(manifest.feature_names):
        raise ModelRefused("its manifest names no inputs, or one of them twice")
    if not set(manifest.feature_names) <= {feature.name for feature in manifest.features}:
        raise ModelRefused(f"its manifest does not define each of its inputs: {_TRAIN_AGAIN}")
    for feature in manifest.inputs:
        if not feature.is_input:
            raise ModelRefused(
                f"{feature.name} must not be an input of a model (12 CFR 1002.6(b), or use = monitoring)"
            )
    if manifest.missing_rules.keys() != set(manifest.feature_names):
        raise ModelRefused("its rules for missing values do not name each feature once")


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a version without verifying its files. Raises ModelRefused."""
    return _manifest(folder, _manifest_bytes(folder))


def _manifest_bytes(folder: Path) -> bytes:
    try:
        return (folder / "manifest.json").read_bytes()
    except OSError as error:
        raise ModelRefused(f"its manifest cannot be read ({error.strerror}): {_COPY_AGAIN}") from error


def _manifest(folder: Path, content: bytes) -> Manifest:
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        places = ", ".join(".".join(map(str, found["loc"])) or "JSON" for found in error.errors())
        raise ModelRefused(f"its manifest is not valid ({places}): {_TRAIN_AGAIN}") from error
    if manifest.version != folder.name:
        raise ModelRefused(f"its manifest is that of version {manifest.version}: rename the folder")
    return manifest


def _check_files(folder: Path, manifest: Manifest) -> None:
    needed = {"probes.json", "tables.json" if manifest.kind == "tables" else "model.joblib"}
    if missing := needed - manifest.files.keys():
        raise ModelRefused(f"its manifest does not vouch for {', '.join(sorted(missing))}: {_TRAIN_AGAIN}")
    for name in manifest.files:
        if Path(name).name != name or name.startswith("."):
            raise ModelRefused("its manifest names a file outside of its folder")
        vouched_content(folder, manifest, name)


def vouched_content(folder: Path, manifest: Manifest, name: str) -> bytes:
    """The content of a file of the version: exactly the bytes that match the checksum. Raises ModelRefused."""
    expected, file = manifest.files[name], folder / name
    try:
        if not file.is_file():
            raise ModelRefused(f"its file {name} cannot be read (no such file): {_COPY_AGAIN}")
        content = file.read_bytes() if file.stat().st_size == expected.size else b""
    except OSError as error:
        raise ModelRefused(f"its file {name} cannot be read ({error.strerror}): {_COPY_AGAIN}") from error
    if len(content) != expected.size or hashlib.sha256(content).hexdigest() != expected.sha256:
        raise ModelRefused(f"its file {name} is not the one that the manifest vouches for: {_COPY_AGAIN}")
    return content


def _scorecard(folder: Path, manifest: Manifest) -> Scorecard:
    try:
        scorecard = Scorecard.from_json(json.loads(vouched_content(folder, manifest, "tables.json")))
    except _UNREADABLE as error:
        raise ModelRefused(f"its tables cannot be read: {_TRAIN_AGAIN}") from error
    if [(table.name, table.categories) for table in scorecard.tables] != [
        (feature.name, feature.categories) for feature in manifest.inputs
    ]:
        raise ModelRefused("its tables are not those of its inputs, in their order")
    if not isfinite(scorecard.base):
        raise ModelRefused("its base is not finite")
    for table in scorecard.tables:
        if defect := table.defect():
            raise ModelRefused(f"its table of {table.name} {defect}")
        if table.missing_rule != manifest.missing_rules[table.name]:
            raise ModelRefused(f"its rule for a missing {table.name} is not that of its manifest")
    _check_fairness(manifest, scorecard)
    return scorecard


def _check_fairness(manifest: Manifest, scorecard: Scorecard) -> None:
    first_release = manifest.schema_version == 1
    for feature, table in zip(manifest.inputs, scorecard.tables, strict=True):
        if "age" in feature.basis:
            if disfavours_elderly(table):
                raise ModelRefused(DISFAVOURS_ELDERLY)
            if (disfavours_every_unknown_age if first_release else disfavours_unknown_age)(table):
                raise ModelRefused("it scores a missing age worse than a known one")
        if feature.risk != "is free" and table.monotonic != DIRECTIONS[feature.risk]:
            raise ModelRefused(f"its table of {table.name} does not claim the direction that risk must have")


def check_probes(
    folder: Path, manifest: Manifest, probabilities: Callable[[Sequence[Values]], Sequence[float]]
) -> None:
    """Raises ModelRefused if the model does not give each probe the probability that the trained estimator gave it."""
    try:
        probes = json.loads(vouched_content(folder, manifest, "probes.json"))
        found = probabilities([tuple(probe["values"]) for probe in probes])
        differences = [abs(ours - float(probe["probability"])) for ours, probe in zip(found, probes, strict=True)]
    except _UNREADABLE as error:
        raise ModelRefused(f"its probes cannot be read: {_TRAIN_AGAIN}") from error
    if not differences:
        raise ModelRefused(f"it has no probes: {_TRAIN_AGAIN}")
    if not all(difference <= TOLERANCE[manifest.kind] for difference in differences):  # also False for NaN
        raise ModelRefused(
            f"it differs from the trained estimator by {max(differences):.1e} on its probes: {_TRAIN_AGAIN}"
        )
