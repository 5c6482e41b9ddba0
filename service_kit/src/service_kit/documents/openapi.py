"""The OpenAPI document of a service: what FastAPI makes of its routes, and what it cannot know."""

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from service_kit.access.rules import Access
from service_kit.documents.names import name_schemas
from service_kit.documents.security import describe_access
from service_kit.operations import Operation
from service_kit.request.ask import Opened
from shared_schemas import MAX_CLIENT_ID, Problem

_BOUNDS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
_FASTAPIS_OWN = ("HTTPValidationError", "ValidationError")


def describe(
    app: FastAPI,
    operations: Iterable[Operation[Any]],
    access: Access | None,
    opened: Opened[Any],
    version: Callable[[Any], object] | None,
) -> None:
    """Complete the document. It is made again whenever `version(state)` answers something else.

    Schemas of components that an operation documents (`components`) take the place of the general ones.
    """
    generate = app.openapi
    made: dict[object, dict[str, Any]] = {}

    def openapi() -> dict[str, Any]:
        key = version(opened.state) if version else None
        if key not in made:
            document = deepcopy(generate())
            if version:
                _add_what_depends_on_the_state(document, operations, opened.state)
            _complete(document, access)
            made.clear()
            made[key] = document
        return made[key]

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way to extend the document


def _complete(document: dict[str, Any], access: Access | None) -> None:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    _, problem = models_json_schema([(Problem, "serialization")], ref_template="#/components/schemas/{model}")
    schemas.update(problem["$defs"])
    for name in _FASTAPIS_OWN:
        schemas.pop(name, None)
    for operations in document["paths"].values():
        for operation in operations.values():
            if "HTTPValidationError" in str(operation["responses"].get("422")):  # ours are declared
                del operation["responses"]["422"]
    name_schemas(document)
    describe_access(document, access)
    _restore(document)


def _add_what_depends_on_the_state(document: dict[str, Any], operations: Iterable[Operation[Any]], state: Any) -> None:
    for operation in operations:
        if operation.document is not None:
            part = dict(operation.document(state))
            document["components"]["schemas"].update(part.pop("components", {}))
            _merge(document["paths"][operation.address][operation.method.lower()], part)


def _merge(into: dict[str, Any], part: Mapping[str, Any]) -> None:
    """A schema takes the place of what was there; everything else is added to it."""
    for key, value in part.items():
        if key != "schema" and isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _restore(part: Any) -> None:
    r"""Say bounds and patterns as they are meant.

    FastAPI makes floats of integer bounds, which 2^63 - 1 is none of. Pydantic's `\z`, the end of a text, is the letter z in
    the regular expressions of ECMA-262, which JSON Schema's patterns are.
    """
    if isinstance(part, dict):
        for name, value in part.items():
            if name in _BOUNDS and isinstance(value, float) and value.is_integer():
                part[name] = min(int(value), MAX_CLIENT_ID) if name == "maximum" else int(value)
            elif name == "pattern" and isinstance(value, str) and value.endswith(r"\z"):
                part[name] = value.removesuffix(r"\z") + "$"
            _restore(value)
    elif isinstance(part, list):
        for item in part:
            _restore(item)
