"""What manifests of the first release leave unsaid: the definitions of the one feature set that it knew."""

import json
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any


@cache
def _released() -> bytes:
    return files("prediction_service.versions").joinpath("first_release.json").read_bytes()


def definitions_of_first_release() -> dict[str, Any]:
    """The keys of a manifest that tell of the feature set."""
    released = _released()
    document: dict[str, Any] = json.loads(released)
    return document | {"feature_set_sha256": sha256(released).hexdigest()}
