"""A model version on disk: what it consists of, and the checks without which none is served.

MODEL_DIR/current                 the name of the version that decides
MODEL_DIR/VERSION/manifest.json   what the version is, with a checksum for each of the files beside it
MODEL_DIR/VERSION/tables.json     the scorecard (kind "tables")
MODEL_DIR/VERSION/model.joblib    the fitted estimator
MODEL_DIR/VERSION/probes.json     inputs with the probabilities that the estimator gave for them
MODEL_DIR/VERSION/card.md, *.png  for people
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from prediction_service.scorecard import Scorecard, Values, disfavours_elderly
from shared_schemas import FEATURE_NAMES, feature_definitions

SCHEMA_VERSION = 1
TOLERANCE = {"tables": 1e-12, "joblib": 1e-9}
"""Largest difference to a probe's probability."""

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class ModelRefused(Exception):
    """The version is not served. The message says which check failed."""


class FileRecord(BaseModel):
    sha256: str
    size: int


class Manifest(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())

    schema_version: Literal[1]
    version: str
    kind: Literal["tables", "joblib"]
    estimator: str
    created_at: datetime
    feature_names: tuple[str, ...]
    definitions_version: str
    threshold: float = Field(gt=0, lt=1)
    threshold_policy: str
    missing_rules: dict[str, str]
    training: dict[str, Any]
    metrics: dict[str, Any]
    libraries: dict[str, str]
    files: dict[str, FileRecord]


@dataclass(frozen=True)
class Artefact:
    """A version that has passed every check. `scorecard` is None for kind "joblib"."""

    folder: Path
    manifest: Manifest
    scorecard: Scorecard | None


def is_version_name(text: str) -> bool:
    return _VERSION.fullmatch(text) is not None


def current_version(model_dir: Path) -> str | None:
    """The name in MODEL_DIR/current, or None if there is none."""
    try:
        name = (model_dir / "current").read_text(encoding="ascii").strip()
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return None
    return name if is_version_name(name) else None


def activate(model_dir: Path, version: str) -> None:
    """Make a version the one that decides; atomic for readers."""
    fresh = model_dir / f".current-{os.getpid()}"
    with fresh.open("w", encoding="ascii") as file:
        file.write(f"{version}\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(model_dir / "current")


@contextmanager
def new_version(model_dir: Path, version: str) -> Iterator[Path]:
    """A folder to fill; it becomes the version when the block ends well, and vanishes when it does not."""
    model_dir.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=model_dir))
    try:
        yield fresh
        fresh.chmod(0o755)
        fresh.rename(model_dir / version)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def record_files(folder: Path) -> dict[str, FileRecord]:
    """Size and checksum of each file of a version."""
    return {file.name: _record(file) for file in sorted(folder.iterdir()) if file.name != "manifest.json"}


def _record(file: Path) -> FileRecord:
    with file.open("rb") as content:
        return FileRecord(sha256=hashlib.file_digest(content, "sha256").hexdigest(), size=file.stat().st_size)


def load(folder: Path) -> Artefact:
    """Verify a version and load it. Runs nothing that the version brings along."""
    manifest = _manifest(folder)
    _check_files(folder, manifest)
    if manifest.feature_names != FEATURE_NAMES:
        raise ModelRefused(f"its inputs are {', '.join(manifest.feature_names)}; served are {', '.join(FEATURE_NAMES)}")
    served = feature_definitions().version
    if manifest.definitions_version != served:
        raise ModelRefused(f"it was trained on feature definitions {manifest.definitions_version}; served are {served}")
    if manifest.missing_rules.keys() != set(FEATURE_NAMES):
        raise ModelRefused("its rules for missing values do not name each feature once")
    if manifest.kind == "joblib":
        return Artefact(folder, manifest, None)
    scorecard = _scorecard(folder, manifest)
    check_probes(folder, manifest, scorecard.probability)
    return Artefact(folder, manifest, scorecard)


def _manifest(folder: Path) -> Manifest:
    try:
        manifest = Manifest.model_validate_json((folder / "manifest.json").read_bytes())
    except OSError as error:
        raise ModelRefused(f"its manifest cannot be read ({error.strerror})") from error
    except ValidationError as error:
        places = ", ".join(".".join(map(str, found["loc"])) or "JSON" for found in error.errors())
        raise ModelRefused(f"its manifest is not valid ({places})") from error
    if manifest.version != folder.name:
        raise ModelRefused(f"its manifest is that of version {manifest.version}")
    return manifest


def _check_files(folder: Path, manifest: Manifest) -> None:
    needed = {"probes.json", "tables.json" if manifest.kind == "tables" else "model.joblib"}
    if missing := needed - manifest.files.keys():
        raise ModelRefused(f"its manifest does not vouch for {', '.join(sorted(missing))}")
    for name, expected in manifest.files.items():
        if Path(name).name != name or name.startswith("."):
            raise ModelRefused("its manifest names a file outside of its folder")
        try:
            found = _record(folder / name)
        except OSError as error:
            raise ModelRefused(f"its file {name} cannot be read ({error.strerror})") from error
        if found != expected:
            raise ModelRefused(f"its file {name} is not the one that the manifest vouches for")


def _scorecard(folder: Path, manifest: Manifest) -> Scorecard:
    try:
        scorecard = Scorecard.from_json(json.loads((folder / "tables.json").read_bytes()))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelRefused("its tables cannot be read") from error
    if tuple(table.name for table in scorecard.tables) != FEATURE_NAMES:
        raise ModelRefused("its tables are not those of the served features, in their order")
    for table in scorecard.tables:
        if defect := table.defect():
            raise ModelRefused(f"its table of {table.name} {defect}")
        if table.missing_rule != manifest.missing_rules[table.name]:
            raise ModelRefused(f"its rule for a missing {table.name} is not that of its manifest")
    if disfavours_elderly(scorecard.tables[FEATURE_NAMES.index("age")]):
        raise ModelRefused("it scores some applicants of 62 or older worse for their age (12 CFR 1002.6(b)(2))")
    return scorecard


def check_probes(folder: Path, manifest: Manifest, probability: Callable[[Values], float]) -> None:
    """Refuse a model that does not give each probe the probability that the trained estimator gave it."""
    try:
        probes: list[Mapping[str, Any]] = json.loads((folder / "probes.json").read_bytes())
        worst = max(abs(probability(probe["values"]) - probe["probability"]) for probe in probes)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelRefused("its probes cannot be read") from error
    if not worst <= TOLERANCE[manifest.kind]:
        raise ModelRefused(f"it differs from the trained estimator by {worst:.1e} on its probes")
