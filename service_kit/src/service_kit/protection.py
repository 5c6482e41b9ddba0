"""Headers that keep browsers and caches from doing what they should not with our answers."""

from starlette.types import Scope

from service_kit.access import route_path

RawHeaders = tuple[tuple[bytes, bytes], ...]

_EVERYWHERE: RawHeaders = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))
_PERSONAL: RawHeaders = (*_EVERYWHERE, (b"cache-control", b"no-store"))

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""For every page of ours: what it loads comes from where it came from, and nothing on it is inline."""


def protective_headers(scope: Scope) -> RawHeaders:
    """What goes onto the answer to a request. Only the documentation may be kept: all else is about persons."""
    return _EVERYWHERE if route_path(scope).startswith("/docs") else _PERSONAL
