"""Names in an OpenAPI document, from which generated clients make function and class names."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from service_kit.operations import Operation

_LOCAL = "#/$defs/"
_COMPONENT = "#/components/schemas/"


def operation_ids(operations: Sequence[Operation[Any]]) -> list[str]:
    """Name each operation after its handler. If a handler serves several addresses, the longer ones get a prefix."""
    names = [operation.handler.__name__ for operation in operations]
    counted, seen = Counter(names), set[str]()
    ids = []
    for operation, name in zip(operations, names, strict=True):
        if counted[name] > 1 and name in seen:
            name = f"{operation.address.split('/')[1]}_{name}"  # noqa: PLW2901 -- of this address
        seen.add(name)
        ids.append(name)
    return ids


def name_schemas(document: dict[str, Any]) -> None:
    """Move schemas with a title from operations to the components, together with the schemas that they define."""
    schemas = document["components"]["schemas"]
    for operation in (one for path in document["paths"].values() for one in path.values()):
        for content in _contents(operation):
            for form in content.values():
                form["schema"] = _named(form["schema"], schemas)


def _contents(operation: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    parts = [operation.get("requestBody", {}), *operation["responses"].values()]
    return (part["content"] for part in parts if "content" in part)


def _named(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    own = schema.pop("$defs", {}) if "$defs" in schema else {}
    for name, definition in own.items():
        _add(schemas, name, _pointing_at_components(definition))
    schema = _pointing_at_components(schema)
    if schema.get("type") == "object" and "title" in schema and "properties" in schema:
        _add(schemas, schema["title"], schema)
        return {"$ref": _COMPONENT + schema["title"]}
    return schema


def _add(schemas: dict[str, Any], name: str, schema: dict[str, Any]) -> None:
    if schemas.setdefault(name, schema) != schema:
        raise ValueError(f"two schemas are called {name}")


def _pointing_at_components(part: Any) -> Any:
    if isinstance(part, dict):
        return {
            key: value.replace(_LOCAL, _COMPONENT) if key == "$ref" else _pointing_at_components(value)
            for key, value in part.items()
        }
    return [_pointing_at_components(item) for item in part] if isinstance(part, list) else part
