"""Checks a request before any work is done for it: its Host header, its API key, and the slots it is counted in."""

from collections.abc import Sequence
from enum import Enum, auto

from starlette.types import Scope

from service_kit.access.hosts import Hosts
from service_kit.access.rules import Access, is_public, route_path


class Place(Enum):
    """The group of slots that a request is counted in."""

    WORK = auto()
    """Admitted requests to the operations of the service."""
    PUBLIC = auto()
    """Static files that need no key. They have slots of their own, so that they take none from admitted requests."""
    EXEMPT = auto()
    """Not counted: health checks and metrics are answered under any load."""


_OUT_OF_THE_ORDINARY = ("/health/", "/docs", "/openapi.json", "/metrics")


class Gate:
    """Admits requests.

    `access` is None if no key is configured. `public`: path prefixes of the service's static files.
    """

    def __init__(self, access: Access | None, hosts: Hosts, public: Sequence[str] = ()) -> None:
        self._access = access
        self._hosts = hosts
        self._public_below = tuple(public)
        self._out_of_the_ordinary = (*_OUT_OF_THE_ORDINARY, *public)

    def admit(self, scope: Scope) -> Place:
        """Return the place of an admitted request. Raises the problem of a request that is not admitted."""
        path = route_path(scope) if scope["root_path"] else scope["path"]
        if not path.startswith(self._out_of_the_ordinary):  # nearly every request: one look at its path
            self._hosts.check(scope, health=False)
            if self._access is not None:
                self._access.admit(scope)
            return Place.WORK
        health = path.startswith("/health/")
        self._hosts.check(scope, health=health)
        if health:
            return Place.EXEMPT
        if is_public(path, self._public_below):
            return Place.PUBLIC
        if self._access is not None:
            self._access.admit(scope)
        return Place.EXEMPT if path == "/metrics" else Place.WORK
