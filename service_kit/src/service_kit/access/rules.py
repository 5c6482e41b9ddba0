"""Access rules: finds the API key of a request and refuses operations outside its scopes."""

import re
import time
from collections.abc import Callable, Collection, Sequence
from hmac import compare_digest
from math import ceil
from pathlib import Path
from typing import NamedTuple

import structlog
from starlette.types import Scope

from service_kit.access.keys import ApiKey, KeysRefused, digest_of, read_keys
from service_kit.access.rates import Window
from service_kit.problems import Forbidden, RateLimited, Unauthenticated
from service_kit.settings import ServiceSettings

log = structlog.get_logger()

READ = frozenset({"GET", "HEAD"})

_PUBLIC = frozenset({"/docs", "/openapi.json"})
_PUBLIC_BELOW = ("/health/", "/docs/")
_LONGEST_KEY = 256
_LOOK_EVERY_SECONDS = 2.0


class Rule(NamedTuple):
    """Requests with these methods to paths that match `pattern` need a key with `scope`; None: they need no key."""

    pattern: re.Pattern[str]
    methods: Collection[str]
    scope: str | None


_METRICS = Rule(re.compile("/metrics"), READ, "metrics:read")


def route_path(scope: Scope) -> str:
    """The path that routes are matched against: without the prefix at which the application is mounted."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


def is_public(path: str, below: tuple[str, ...] = ()) -> bool:
    """Whether no key is needed: health, documentation, and the paths `below` the service's own public prefixes."""
    return path in _PUBLIC or path.startswith(_PUBLIC_BELOW) or f"{path}/".startswith(below)


def presented_key(scope: Scope) -> bytes | None:
    """The key that the request presents.

    None if there is none or more than one, because it is not clear which one is meant.
    """
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
    """Admits requests. The first rule that matches says which scope is needed; without a match it is `admin`.

    `public` are prefixes of static files that need no key, in addition to health and documentation. `reread` is called
    every two seconds and returns the keys if they have changed, otherwise None. Rates are counted per process.
    """

    def __init__(
        self,
        keys: Sequence[ApiKey],
        rules: Sequence[Rule],
        *,
        public: Sequence[str] = (),
        reread: Callable[[], Sequence[ApiKey] | None] = lambda: None,
        window_seconds: float = 60,
    ) -> None:
        self._keys = tuple(keys)
        self._rules = (*rules, _METRICS)
        self._public_below = tuple(public)
        self._reread = reread
        self._next_look = time.monotonic() + _LOOK_EVERY_SECONDS
        self._window_seconds = window_seconds
        self._windows: dict[str, Window] = {}

    def is_public(self, path: str) -> bool:
        return is_public(path, self._public_below)

    def admit(self, scope: Scope) -> None:
        """Return if the request may go on. Raises Unauthenticated, Forbidden or RateLimited."""
        path = route_path(scope)
        if self.is_public(path):
            return
        needed = self.needed(path, scope["method"])
        if needed is None:
            return
        if time.monotonic() >= self._next_look:
            self._look()
        key = self._key(scope)
        scope.setdefault("log_fields", {})["api_key"] = key.name
        if "admin" not in key.scopes and needed not in key.scopes:
            raise Forbidden
        if key.rate is not None:
            self._count(key.name, key.rate)

    def _key(self, scope: Scope) -> ApiKey:
        presented = presented_key(scope)
        if not presented or len(presented) > _LONGEST_KEY:
            raise Unauthenticated
        digest, found = digest_of(presented), None
        for key in self._keys:  # Compare with all keys, so that the duration does not show which one matches.
            if compare_digest(digest, key.digest):
                found = key
        if found is None or (found.expires_at is not None and found.expires_at <= time.time()):
            raise Unauthenticated
        return found

    def needed(self, path: str, method: str) -> str | None:
        """The scope that a request needs; None if it needs no key."""
        for pattern, methods, scope in self._rules:
            if method in methods and pattern.fullmatch(path):
                return scope
        return "admin"

    def _count(self, name: str, rate: int) -> None:
        now = time.monotonic()
        window = self._windows.get(name)
        if window is None:
            window = self._windows[name] = Window(self._window_seconds, now)
        if wait := window.take(rate, now):
            raise RateLimited(retry_after=ceil(min(wait, self._window_seconds)))

    def _look(self) -> None:
        self._next_look = time.monotonic() + _LOOK_EVERY_SECONDS
        try:
            fresh = self._reread()
        except KeysRefused as reason:
            log.warning("api_keys_not_taken_over", reason=str(reason))
            return
        if fresh is not None:
            self._keys = tuple(fresh)
            names = {key.name for key in fresh}
            self._windows = {name: window for name, window in self._windows.items() if name in names}


def open_access(settings: ServiceSettings, rules: Sequence[Rule], public: Sequence[str] = ()) -> Access | None:
    """The access control that the settings configure; None if no key is configured. Raises KeysRefused."""
    file = settings.api_keys_file
    # Taken before the file is read, so that a write meanwhile is noticed at the next look.
    known = _fingerprint(file) if file else None
    keys = read_keys(settings)
    if keys is None:
        return None
    if file is None:
        return Access(keys, rules, public=public)

    def reread() -> Sequence[ApiKey] | None:
        nonlocal known
        now = _fingerprint(file)
        if now == known:
            return None
        fresh = read_keys(settings)
        known = now  # only now: a file that could not be read is read again at the next look
        log.info("api_keys_changed")
        return fresh

    return Access(keys, rules, public=public, reread=reread)


def _fingerprint(file: Path) -> tuple[int, int, int, int] | None:
    """A value that changes with the file. The ctime reveals a replacement with the same size and mtime."""
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_size
