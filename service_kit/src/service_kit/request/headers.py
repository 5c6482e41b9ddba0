"""Headers that keep browsers and caches from doing what they should not with our answers."""

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
"""For every page of ours: what it loads comes from where it came from, and nothing on it is inline."""


def protective_headers(scope: Scope) -> RawHeaders:
    """What goes onto the answer to a request. Only the documentation may be kept: all else is about persons."""
    return EVERYWHERE if route_path(scope).startswith("/docs") else PERSONAL


def written(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Header fields as they are sent."""
    return b"".join([b"%b: %b\r\n" % field for field in headers])


PERSONAL_WRITTEN = written(PERSONAL)


def says_itself(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether an answer says for how long it may be kept: it holds nothing about persons."""
    return any(name == b"cache-control" for name, _ in headers)
