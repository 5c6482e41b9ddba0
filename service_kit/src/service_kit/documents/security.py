"""API keys in the OpenAPI document."""

from typing import Any

from service_kit.access.rules import Access
from service_kit.documents.problems import problem_responses

_SCHEMES = {
    "ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "Bearer": {"type": "http", "scheme": "bearer", "description": "The same key, as a bearer token."},
}
_EITHER: list[dict[str, list[str]]] = [{name: []} for name in _SCHEMES]
_REFUSALS = problem_responses(
    {
        401: "No API key, or not one that is good: `/problems/unauthenticated`",
        403: "The key is not for this: `/problems/forbidden`",
        429: "Too many requests of this key: `/problems/rate-limited`. Try again after `Retry-After` seconds.",
    }
)


def describe_access(document: dict[str, Any], access: Access | None) -> None:
    """Add the ways to send a key, and the refusals of every operation that needs one."""
    document.setdefault("components", {})["securitySchemes"] = _SCHEMES
    if access is None:
        return
    for path, operations in document["paths"].items():
        if not access.is_public(path):
            for method, operation in operations.items():
                if access.needed(path, method.upper()) is not None:
                    _describe_refusals(operation)


def _describe_refusals(operation: dict[str, Any]) -> None:
    operation["security"] = _EITHER
    for status, described in _REFUSALS.items():
        operation["responses"].setdefault(str(status), described)
