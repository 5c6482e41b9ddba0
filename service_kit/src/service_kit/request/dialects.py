"""The format of failures for clients of foreign protocols, which do not read problem details."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from starlette.responses import Response

from service_kit.problems import ProblemError


class Dialect(NamedTuple):
    """The format of failures at paths whose start matches `paths`.

    `answer` converts a problem to an answer; `media_type` and `schema` document its body.
    """

    paths: re.Pattern[str]
    answer: Callable[[ProblemError], Response]
    media_type: str
    schema: Mapping[str, Any]

    def responses(self, descriptions: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
        """The failures of an operation, by status, for the OpenAPI document."""
        return {
            status: {"description": description, "content": {self.media_type: {"schema": dict(self.schema)}}}
            for status, description in descriptions.items()
        }


def message_of(problem: ProblemError) -> str:
    """One or two sentences for a person: what is wrong, and in which part of the request."""
    parts = [problem.detail or problem.title, *(f"{part.pointer}: {part.detail}" for part in problem.errors or ())]
    return "; ".join(parts)
