"""Which Host header fields a service answers to."""

from collections.abc import Collection
from functools import lru_cache
from ipaddress import ip_address

from starlette.types import Scope

from service_kit.access.rules import Access
from service_kit.problems import BadRequest, HostNotAllowed
from service_kit.settings import ServiceSettings


def host_name(field: str) -> str:
    """The name in a Host field, comparable: without port, brackets and final dot, in lower case."""
    name = field.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0].removesuffix(".")


def is_loopback(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


class Hosts:
    """Checks the Host field. `allowed`: names beside loopback; None: every name is.

    A browser that a foreign page has led here by its own name (DNS rebinding) sends that name.
    """

    def __init__(self, allowed: Collection[str] | None) -> None:
        self._allowed = None if allowed is None else frozenset(map(host_name, allowed))
        self._is_allowed = lru_cache(maxsize=256)(self._judge)

    def check(self, scope: Scope, *, health: bool) -> None:
        """Raises BadRequest without exactly one field, HostNotAllowed for a name that is not allowed.

        Health checks may come by any name, and in HTTP/1.0 by none: so load balancers ask.
        """
        found: bytes | None = None
        for name, value in scope["headers"]:
            if name == b"host":
                if found is not None:
                    raise BadRequest
                found = value
        if found is None:
            if health and scope.get("http_version") == "1.0":
                return
            raise BadRequest
        if self._allowed is not None and not health and not self._is_allowed(found):
            raise HostNotAllowed

    def _judge(self, field: bytes) -> bool:
        name = host_name(field.decode("latin-1"))
        return is_loopback(name) or (self._allowed is not None and name in self._allowed)


def allowed_hosts(settings: ServiceSettings, access: Access | None) -> Hosts:
    """Every name once keys are configured: a foreign page has none."""
    if access is not None:
        return Hosts(None)
    return Hosts([name for name in settings.allowed_hosts.split(",") if name.strip()])
