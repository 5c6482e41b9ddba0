"""What the request generator must know of this system: which clients there are, and what JSON Schema cannot say."""

from typing import Any

import schemathesis

from shared_schemas import parse_client_id

CLIENTS = 500
"""Ids from 1 to here exist; requests that are valid ask for these and for as many others."""


def _folded(client_id: int) -> int:
    return client_id % (2 * CLIENTS) + 1


def _as_integers(value: Any) -> Any:
    """JSON Schema takes 5.0 for an integer, and so the generator does; the services take none that has a point."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {key: _as_integers(part) for key, part in value.items()}
        case list():
            return [_as_integers(part) for part in value]
        case _:
            return value


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    body = _as_integers(body)
    ids = body.get("client_ids") if isinstance(body, dict) else None
    if isinstance(ids, list) and all(type(part) is int and parse_client_id(str(part)) for part in ids):
        return body | {"client_ids": [_folded(part) for part in ids]}
    return body


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: Any) -> Any:
    given = (path_parameters or {}).get("client_id")
    if isinstance(given, (int, str)) and parse_client_id(str(given)):
        return {**path_parameters, "client_id": _folded(int(given))}
    return path_parameters
