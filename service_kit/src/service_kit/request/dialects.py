"""Failures in the words of foreign protocols: their clients read another body than problem details."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from starlette.responses import Response

from service_kit.problems import ProblemError


class Dialect(NamedTuple):
    """The format of failures at the paths that match `paths` from their start.

    `answer` makes the answer that a problem is; `media_type` and `schema` document its body.
    """

    paths: re.Pattern[str]
    answer: Callable[[ProblemError], Response]
    media_type: str
    schema: Mapping[str, Any]

    def responses(self, descriptions: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
        """The failures that an operation can answer with, by status, for the OpenAPI document."""
        return {
            status: {"description": description, "content": {self.media_type: {"schema": dict(self.schema)}}}
            for status, description in descriptions.items()
        }


def message_of(problem: ProblemError) -> str:
    """One sentence or two for a person: what is wrong, and where in the request."""
    parts = [problem.detail or problem.title, *(f"{part.pointer}: {part.detail}" for part in problem.errors or ())]
    return "; ".join(parts)
