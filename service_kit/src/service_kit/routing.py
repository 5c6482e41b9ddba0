"""What the routes of both services share: the client id of a URL, documented problems, JSON answers."""

from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from fastapi import Depends, Path
from starlette.responses import Response

from service_kit.problems import InvalidRequest
from shared_schemas import MAX_CLIENT_ID, InvalidPart, parse_client_id


def problem_responses(descriptions: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    """The problems that a route can answer with, for its documentation."""
    return {
        status: {"description": description, "content": {"application/problem+json": {"schema": _PROBLEM_REF}}}
        for status, description in descriptions.items()
    }


_PROBLEM_REF = {"$ref": "#/components/schemas/Problem"}

NOT_FOUND = problem_responses({404: "No such client: `/problems/client-not-found`"})


_ID_SCHEMA: dict[str, Any] = {
    "type": "integer", "format": "int64", "minimum": 1, "maximum": MAX_CLIENT_ID, "examples": [5008804]
}  # fmt: skip


async def client_id_in_path(
    client_id: Annotated[str, Path(description="Id of a client, 1 to 2^63 - 1.", json_schema_extra=_ID_SCHEMA)],
) -> int:
    # A coroutine, like every dependency of ours: FastAPI runs plain functions in a thread, which costs half a millisecond.
    parsed = parse_client_id(client_id)
    if parsed is None:
        detail = "A client id is a whole number from 1 to 2^63 - 1, in digits alone"
        raise InvalidRequest(errors=[InvalidPart(pointer="path/client_id", detail=detail)])
    return parsed


ClientIdInPath = Annotated[int, Depends(client_id_in_path)]
"""The client's id, where the route takes the rest of the path as `{client_id:path}`.

So whatever stands there is judged as an id, and never as an unknown address.
"""


def json_bytes(content: object) -> bytes:
    """The body of an answer of plain values and datetimes."""
    return orjson.dumps(content, option=orjson.OPT_UTC_Z)


def json_response(content: object) -> Response:
    return Response(json_bytes(content), media_type="application/json")
