"""Parses the parts of a request: the client id in the address, the query, the body. Each part has one parser."""

import asyncio
from codecs import BOM_UTF8
from collections.abc import Callable
from difflib import get_close_matches
from functools import lru_cache, partial
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl

from fastapi import Path
from pydantic import BaseModel, ValidationError
from starlette.types import Receive

from service_kit.problems import ContentTooLarge, InvalidRequest
from service_kit.request.refusals import invalid_request
from shared_schemas import MAX_CLIENT_ID, InvalidPart, parse_client_id

_GZIP = b"\x1f\x8b"
"""The first bytes of a gzip file (RFC 1952)."""

_ONCE = "It is given more than once: give it once"

Model = TypeVar("Model", bound=BaseModel)
Parsed = TypeVar("Parsed")

_ID_SCHEMA: dict[str, Any] = {
    "type": "integer", "format": "int64", "minimum": 1, "maximum": MAX_CLIENT_ID, "examples": [5008804]
}  # fmt: skip
DOCUMENTED_CLIENT_ID = Annotated[str, Path(description="Id of a client, 1 to 2^63 - 1.", json_schema_extra=_ID_SCHEMA)]


class NoQuery(BaseModel):
    """The query of an operation that declares none."""


class CallerGone(asyncio.CancelledError):
    """The caller closed the connection before its request was complete. There is no answer."""


def client_id_of(text: str) -> int:
    """The client id in an address. Raises InvalidRequest."""
    client_id = parse_client_id(text)
    if client_id is None:
        detail = "A client id is a whole number from 1 to 2^63 - 1, in digits alone"
        raise InvalidRequest(errors=[InvalidPart(pointer="path/client_id", detail=detail)])
    return client_id


def query_parser(model: type[Model]) -> Callable[[bytes], Model]:
    """A parser of query strings. A key that the model does not have, or that is repeated, is refused.

    If such keys were ignored, a misspelt `as_of` would be answered with current values.
    """
    names = [field.alias or name for name, field in model.model_fields.items()]

    @lru_cache(maxsize=256)  # cached, because most requests have one of a few queries
    def parse(query: bytes) -> Model:
        given = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
        keys = [key for key, _ in given]
        if unknown := next((key for key in keys if key not in names), None):
            raise InvalidRequest(errors=[_unknown_key(unknown, names)])
        if repeated := [name for name in names if keys.count(name) > 1]:
            raise InvalidRequest(errors=[InvalidPart(pointer=f"query/{name}", detail=_ONCE) for name in repeated])
        try:
            return model.model_validate(dict(given))
        except ValidationError as error:
            raise invalid_request("query", error) from error

    return parse


def _unknown_key(key: str, names: list[str]) -> InvalidPart:
    """The key is the caller's text, so it is not repeated."""
    meant = get_close_matches(key.lower(), names, n=1)
    hint = f"; did you mean {meant[0]}?" if meant else f"; the keys are {', '.join(names)}" if names else ""
    return InvalidPart(pointer="query", detail=f"There is a key that is not known here{hint}")


def body_parser(model: type[Model]) -> Callable[[bytes, bytes], Model]:
    """A parser of JSON bodies, given the content type."""
    return partial(parse_json, model.model_validate_json)


def parse_json(validate: Callable[[bytes], Parsed], body: bytes, content_type: bytes) -> Parsed:
    """Parse a JSON body with `validate`, which raises ValidationError."""
    if not body:
        raise InvalidRequest(errors=[InvalidPart(pointer="#", detail="Field required")])
    if content_type != b"application/json" and not _is_json(content_type):
        detail = "Send a JSON object with Content-Type: application/json"
        raise InvalidRequest(errors=[InvalidPart(pointer="#", detail=detail)])
    try:
        return validate(body.removeprefix(BOM_UTF8))
    except ValidationError as error:
        if body.startswith(_GZIP):
            detail = "The body is compressed. Send it as it is, without Content-Encoding"
            raise InvalidRequest(errors=[InvalidPart(pointer="#", detail=detail)]) from error
        raise invalid_request("body", error) from error


def _is_json(content_type: bytes) -> bool:
    media_type = content_type.partition(b";")[0].strip().lower()
    kind, _, subtype = media_type.partition(b"/")
    return kind == b"application" and (subtype == b"json" or subtype.endswith(b"+json"))


async def read_body(receive: Receive, limit: int) -> bytes:
    """The whole body. Raises ContentTooLarge beyond `limit` bytes, and CallerGone."""
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise CallerGone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise ContentTooLarge(f"A body has at most {limit} bytes.")
        more = message.get("more_body", False)
    return parts[0] if len(parts) == 1 else b"".join(parts)
