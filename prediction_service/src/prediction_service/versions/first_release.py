"""The definitions of the only feature set of the first release, which its manifests do not contain."""

import json
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any


@cache
def _released() -> bytes:
    return files("prediction_service.versions").joinpath("first_release.json").read_bytes()


def definitions_of_first_release() -> dict[str, Any]:
    """The keys of a manifest that describe the feature set."""
    released = _released()
    document: dict[str, Any] = json.loads(released)
    return document | {"feature_set_sha256": sha256(released).hexdigest()}
