"""The features that the running champion reads, from its manifest in the registry folder."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from db_init.errors import LoadError

Input = tuple[str, int]


def champion_inputs(model_dir: Path | None) -> frozenset[Input]:
    """Name and version of each feature that the champion in the folder reads; empty without a folder or a champion.

    Raises LoadError if the champion cannot be read.
    """
    if model_dir is None:
        return frozenset()
    try:
        version = _champion_file(model_dir).read_text(encoding="ascii").strip()
        return frozenset(_inputs(json.loads((model_dir / version / "manifest.json").read_bytes())))
    except FileNotFoundError:
        return frozenset()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LoadError(
            f"The champion in {model_dir} cannot be read, so the features that it needs are unknown. "
            "Repair it, or use --force."
        ) from error


def _champion_file(model_dir: Path) -> Path:
    file, of_older_releases = model_dir / "champion", model_dir / "current"
    return of_older_releases if not file.exists() and of_older_releases.exists() else file


def _inputs(manifest: Any) -> Collection[Input]:
    if "inputs" in manifest:
        return [(str(one["name"]), int(one.get("version", 1))) for one in manifest["inputs"]]
    return [(str(name), 1) for name in manifest.get("feature_names", ())]  # written before features had versions
