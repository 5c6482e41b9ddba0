"""The check of the Host header."""

from collections.abc import Collection
from functools import lru_cache
from ipaddress import ip_address

from starlette.types import Scope

from service_kit.access.rules import Access
from service_kit.problems import BadRequest, HostNotAllowed
from service_kit.settings import ServiceSettings


def host_name(field: str) -> str:
    """The name in a Host header in comparable form: lower case, without port, brackets and final dot."""
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
    """Checks the Host header. `allowed`: names besides loopback; None allows every name.

    This stops DNS rebinding: a browser that a foreign page has led here sends the name of that page.
    """

    def __init__(self, allowed: Collection[str] | None) -> None:
        self._allowed = None if allowed is None else frozenset(map(host_name, allowed))
        self._is_allowed = lru_cache(maxsize=256)(self._judge)

    def check(self, scope: Scope, *, health: bool) -> None:
        """Raises BadRequest unless there is exactly one Host header, and HostNotAllowed if its name is not allowed.

        Health checks may use any name, and in HTTP/1.0 none, because load balancers do so.
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
    """Every name is allowed once keys are configured, because a foreign page has no key."""
    if access is not None:
        return Hosts(None)
    return Hosts([name for name in settings.allowed_hosts.split(",") if name.strip()])
