"""Lanes: the short way through a service for the few requests that make up its load.

Each lane belongs to an ordinary FastAPI route, which documents it and answers all that is out of the ordinary: a query,
an id that is none, a body that is not valid. A lane answers the rest with the same bytes, without routing and dependencies.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from starlette.types import Message, Receive, Scope

from service_kit.problems import ContentTooLarge
from shared_schemas import parse_client_id


class ClientLane(NamedTuple):
    """GET of one client: `prefix` and an id.

    `answer(scope, client_id)` is the body, raises the problem, or is None: not for this lane (such as for its query).
    """

    prefix: str
    answer: Callable[[Scope, int], Awaitable[bytes | None]]


class BodyLane(NamedTuple):
    """POST of JSON to `path`. `answer(scope, body)` is the body, raises the problem, or is None: not for this lane."""

    path: str
    answer: Callable[[Scope, bytes], Awaitable[bytes | None]]


Lane = ClientLane | BodyLane


class Lanes:
    """Answers what belongs to one of the lanes."""

    def __init__(self, *lanes: Lane) -> None:
        self._by_prefix = {lane.prefix: lane.answer for lane in lanes if isinstance(lane, ClientLane)}
        self._by_path = {lane.path: lane.answer for lane in lanes if isinstance(lane, BodyLane)}

    def client(self, scope: Scope) -> Awaitable[bytes | None] | None:
        """What may answer a GET."""
        path: str = scope["path"]
        cut = path.find("=") + 1
        answer = self._by_prefix.get(path[:cut])
        if answer is None:
            return None
        client_id = parse_client_id(path[cut:])
        if client_id is None:
            return None
        scope["route_template"] = path[:cut] + "{client_id}"
        return answer(scope, client_id)

    def body(
        self, scope: Scope, content_type: bytes | None
    ) -> Callable[[Scope, bytes], Awaitable[bytes | None]] | None:
        """What may answer a POST, once its body is read."""
        answer = self._by_path.get(scope["path"])
        if answer is None or content_type != b"application/json":
            return None
        scope["route_template"] = scope["path"]
        return answer


async def read_body(receive: Receive, limit: int) -> bytes | None:
    """The whole body, or None if the caller has gone meanwhile. Raises ContentTooLarge beyond `limit` bytes."""
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message.get("body", b"")
        if len(body) > limit:
            raise ContentTooLarge(f"A body has at most {limit} bytes.")
        return body
    parts, size = [], 0
    while True:
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise ContentTooLarge(f"A body has at most {limit} bytes.")
        if not message.get("more_body"):
            return b"".join(parts)
        message = await receive()


def replayed(body: bytes, receive: Receive) -> Receive:
    """A `receive` that brings a body that was read already."""
    brought = False

    async def receive_again() -> Message:
        nonlocal brought
        if brought:
            return await receive()
        brought = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again
