"""Headers that restrict browsers and caches."""

from collections.abc import Iterable

from starlette.types import Scope

from service_kit.access.rules import route_path

RawHeaders = tuple[tuple[bytes, bytes], ...]

EVERYWHERE: RawHeaders = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))
PERSONAL: RawHeaders = (*EVERYWHERE, (b"cache-control", b"no-store"))

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of our pages: they load from their own origin only, and nothing is inline."""


def protective_headers(scope: Scope) -> RawHeaders:
    """The headers of the answer to a request. Only documentation may be cached: all other answers are about persons."""
    return EVERYWHERE if route_path(scope).startswith("/docs") else PERSONAL


def written(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Header fields as bytes on the wire."""
    return b"".join([b"%b: %b\r\n" % field for field in headers])


PERSONAL_WRITTEN = written(PERSONAL)


def says_itself(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether an answer has a Cache-Control of its own, because it contains nothing about persons."""
    return any(name == b"cache-control" for name, _ in headers)
