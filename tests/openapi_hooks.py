"""What the request generator must know of this system: which clients there are, and what JSON Schema cannot say."""

from datetime import UTC, datetime
from typing import Any

import schemathesis
from pydantic import ValidationError

from credit_default import NAMES
from shared_schemas import FeatureBatchRequest, parse_client_id
from shared_schemas.instants import FIRST_YEAR

CLIENTS = 500
"""Ids from 1 to here exist; requests that are valid ask for these and for as many others."""


_NOW = datetime.now(UTC)


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


def _in_the_past(text: Any) -> Any:
    """JSON Schema cannot say that an instant is not in the future, nor from which year on."""
    try:
        instant = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return text
    return text if FIRST_YEAR < instant.year < _NOW.year else f"2019{text[4:]}".replace("-02-29", "-02-28")


def _names_features(body: dict[str, Any]) -> bool:
    """Whether it has `features` that the schema allows. What it does not allow is left, and must be refused."""
    try:
        FeatureBatchRequest.model_validate({"client_ids": [1], "features": body["features"]})
    except (KeyError, ValidationError):
        return False
    return True


@schemathesis.hook
def map_query(context: Any, query: Any) -> Any:
    if query and "limit" in query and str(query["limit"]).isdigit():
        query |= {"limit": int(query["limit"]) % 1_000 + 1}  # the largest is a setting
    return query | {"as_of": _in_the_past(query["as_of"])} if query and "as_of" in query else query


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    query = case.query or {}
    if isinstance(query.get("features"), str):  # names of the set, which the schema does not list
        case.query = query | {"features": f"{NAMES[1]},{NAMES[0]}@1"}


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    body = _as_integers(body)
    if isinstance(body, dict):
        if _names_features(body) and body["features"] is not None:  # names of the set, which the schema does not list
            body["features"] = [f"{NAMES[2]}@1", NAMES[0]][: len(body["features"])]
        body |= {name: _in_the_past(body[name]) for name in ("event_timestamp", "as_of") if name in body}
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
