"""The OpenAPI document of a service: what FastAPI derives from the routes, and the additions that it cannot derive."""

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
    """Complete the document. It is generated again whenever `version(state)` returns another value.

    Schemas in `components` that an operation documents replace the general ones.
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
    """Merge `part` into a part of the document. A schema is replaced; everything else is added."""
    for key, value in part.items():
        if key != "schema" and isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _restore(part: Any) -> None:
    r"""Correct bounds and patterns.

    FastAPI converts integer bounds to floats, which cannot represent 2^63 - 1. Pydantic writes the end of a text as
    `\z`, which in ECMA-262, and so in JSON Schema, is the letter z.
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
