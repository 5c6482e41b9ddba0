"""Refusals at the protocol level, as prepared bytes. They have no request id."""

from http import HTTPStatus

from service_kit.problems import MEDIA_TYPE, ProblemError
from shared_schemas import Problem

_NO_REQUEST = "urn:uuid:00000000-0000-0000-0000-000000000000"


_made: dict[tuple[type[ProblemError], bool, bool], bytes] = {}


def refusal(problem: type[ProblemError], *, close: bool, head: bool) -> bytes:
    """The whole answer.

    `close`: whether the connection ends with it. `head`: whether it answers HEAD, and has no body.
    """
    answer = _made.get((problem, close, head))
    if answer is None:
        answer = _made[problem, close, head] = _make(problem, close=close, head=head)
    return answer


def _make(problem: type[ProblemError], *, close: bool, head: bool) -> bytes:
    body = Problem(type=problem.type, title=problem.title, status=problem.status, instance=_NO_REQUEST)
    content = body.model_dump_json(exclude_none=True).encode()
    lines = [
        f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}",
        f"Content-Type: {MEDIA_TYPE}",
        f"Content-Length: {len(content)}",
        "Cache-Control: no-store",
        *([f"Retry-After: {problem.retry_after}"] if problem.retry_after is not None else []),
        *(["Connection: close"] if close else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + (b"" if head else content)
