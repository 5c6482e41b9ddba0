"""Who may ask what: finds the API key of a request and refuses what it is not good for."""

import time
from collections.abc import Callable, Collection, Sequence
from hmac import compare_digest
from math import ceil
from pathlib import Path
from typing import NamedTuple

import structlog
from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.types import Scope

from service_kit.api_keys import ApiKey, KeysRefused, digest_of, read_keys
from service_kit.problems import Forbidden, RateLimited, Unauthenticated
from service_kit.settings import ServiceSettings

log = structlog.get_logger()

READ = frozenset({"GET", "HEAD"})
WRITE = frozenset({"PUT", "PATCH", "DELETE"})
POST = frozenset({"POST"})

_PUBLIC = frozenset({"/docs", "/openapi.json"})
_PUBLIC_BELOW = ("/health/", "/docs/")
_LONGEST_KEY = 256
_LOOK_EVERY_SECONDS = 2.0


class Rule(NamedTuple):
    """Requests of these methods below `prefix` need a key with `scope`."""

    prefix: str
    methods: Collection[str]
    scope: str


_METRICS = Rule("/metrics", READ, "metrics:read")


def route_path(scope: Scope) -> str:
    """The path that routes are matched against: without the prefix that the application is mounted at."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


def presented_key(scope: Scope) -> bytes | None:
    """The one key of a request. None, too, where there are several: which one is meant cannot be said."""
    found: bytes | None = None
    for name, value in scope["headers"]:
        if name == b"x-api-key":
            key = value.strip()
        elif name == b"authorization" and value[:7].lower() == b"bearer ":
            key = value[7:].strip()
        else:
            continue
        if found is not None:
            return None
        found = key
    return found


class Access:
    """Admits requests. The first rule that fits says which scope is needed; where none fits, `admin` is.

    `public` are prefixes of static files that need no key, beside health and documentation. `reread` is asked every
    two seconds for keys that have changed, and answers None where none have. Rates are counted in this process.
    """

    def __init__(
        self,
        keys: Sequence[ApiKey],
        rules: Sequence[Rule],
        *,
        public: Sequence[str] = (),
        reread: Callable[[], Sequence[ApiKey] | None] = lambda: None,
        window_seconds: int = 60,
    ) -> None:
        self._keys = tuple(keys)
        self._rules = (*rules, _METRICS)
        self._public_below = (*_PUBLIC_BELOW, *public)
        self._reread = reread
        self._next_look = time.monotonic() + _LOOK_EVERY_SECONDS
        self._window_seconds = window_seconds
        self._limiter: MovingWindowRateLimiter | None = None

    def is_public(self, path: str) -> bool:
        return path in _PUBLIC or path.startswith(self._public_below)

    def admit(self, scope: Scope) -> None:
        """Return if the request may go on. Raises Unauthenticated, Forbidden or RateLimited."""
        path = route_path(scope)
        if self.is_public(path):
            return
        if time.monotonic() >= self._next_look:
            self._look()
        key = self._key(scope)
        scope.setdefault("log_fields", {})["api_key"] = key.name
        if "admin" not in key.scopes and self._needed(path, scope["method"]) not in key.scopes:
            raise Forbidden
        if key.rate is not None:
            self._count(key.name, key.rate)

    def _key(self, scope: Scope) -> ApiKey:
        presented = presented_key(scope)
        if not presented or len(presented) > _LONGEST_KEY:
            raise Unauthenticated
        digest, found = digest_of(presented), None
        for key in self._keys:  # all of them, so that the time taken tells nothing about which one it is
            if compare_digest(digest, key.digest):
                found = key
        if found is None or (found.expires_at is not None and found.expires_at <= time.time()):
            raise Unauthenticated
        return found

    def _needed(self, path: str, method: str) -> str:
        for prefix, methods, scope in self._rules:
            if method in methods and path.startswith(prefix):
                return scope
        return "admin"

    def _count(self, name: str, rate: int) -> None:
        # Made late: the storage starts threads.
        self._limiter = self._limiter or MovingWindowRateLimiter(MemoryStorage())
        window = RateLimitItemPerSecond(rate, self._window_seconds)
        if not self._limiter.hit(window, name):
            wait = self._limiter.get_window_stats(window, name).reset_time - time.time()
            raise RateLimited(retry_after=max(1, ceil(wait)))

    def _look(self) -> None:
        self._next_look = time.monotonic() + _LOOK_EVERY_SECONDS
        try:
            self._keys = tuple(self._reread() or self._keys)
        except KeysRefused as reason:
            log.warning("api_keys_not_taken_over", reason=str(reason))


def open_access(settings: ServiceSettings, rules: Sequence[Rule], public: Sequence[str] = ()) -> Access | None:
    """The access that the settings describe; None where no key is configured. Raises KeysRefused."""
    keys = read_keys(settings)
    if keys is None:
        return None
    file = settings.api_keys_file
    if file is None:
        return Access(keys, rules, public=public)
    known = _fingerprint(file)

    def reread() -> Sequence[ApiKey] | None:
        nonlocal known
        now = _fingerprint(file)
        if now == known:
            return None
        known = now
        log.info("api_keys_changed")
        return read_keys(settings)

    return Access(keys, rules, public=public, reread=reread)


def _fingerprint(file: Path) -> tuple[int, int, int] | None:
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ino, stat.st_size
