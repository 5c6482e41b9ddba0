"""Problems in the OpenAPI document."""

from collections.abc import Mapping
from typing import Any

_PROBLEM_REF = {"$ref": "#/components/schemas/Problem"}


def problem_responses(descriptions: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    """The problems that an operation can answer with, by status."""
    return {
        status: {"description": description, "content": {"application/problem+json": {"schema": _PROBLEM_REF}}}
        for status, description in descriptions.items()
    }
