"""API keys as they are configured: one line each, which holds a key's SHA-256 and never the key.

name=scoring scopes=features:read,predict sha256=0f3c... expires=2027-01-31 rate=600

`expires` (a date, or an instant with its offset; a date means the start of that day in UTC) and `rate` (requests per
minute) may be absent. Lines that start with # are comments. In a variable, a semicolon ends a line, too.
"""

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from service_kit.settings import ServiceSettings

SCOPES = (
    "features:read", "features:write", "predict", "decisions:read", "decisions:review", "decisions:erase", "outcomes:write",
    "metrics:read", "admin",
)  # fmt: skip
"""The scopes of keys. `admin` includes all others."""

_FIELDS = frozenset({"name", "scopes", "sha256", "expires", "rate"})
KEY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MOST_KEYS = 100
"""Maximum number of keys: each request is compared with all of them."""


class KeysRefused(Exception):
    """The keys cannot be used. The message names the line and never repeats its content."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One API key. `expires_at` is in seconds since 1970, `rate` in requests per minute."""

    name: str
    scopes: frozenset[str]
    digest: bytes = field(repr=False)
    expires_at: float | None = None
    rate: int | None = None

    def line(self) -> str:
        """The line that configures this key."""
        parts = [f"name={self.name}", f"scopes={','.join(sorted(self.scopes))}", f"sha256={self.digest.hex()}"]
        if self.expires_at is not None:
            parts.append(f"expires={datetime.fromtimestamp(self.expires_at, UTC).isoformat()}")
        if self.rate is not None:
            parts.append(f"rate={self.rate}")
        return " ".join(parts)


def digest_of(key: bytes) -> bytes:
    # A fast hash is enough: keys have 256 random bits and cannot be guessed.
    return sha256(key).digest()


def new_key() -> str:
    return "crk_" + secrets.token_urlsafe(32)


def instant(text: str) -> float:
    """Seconds since 1970 of a date or an instant. Raises ValueError."""
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        if len(text) > len("2027-01-31"):
            raise ValueError
        parsed = parsed.replace(tzinfo=UTC)
    return parsed.timestamp()


def parse_keys(text: str) -> tuple[ApiKey, ...]:
    """The keys that the lines of `text` configure. Raises KeysRefused."""
    keys: dict[str, ApiKey] = {}
    for number, line in enumerate(text.replace(";", "\n").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            key = _parse_line(line)
        except ValueError as error:
            raise KeysRefused(f"line {number} of the API keys cannot be used: {error}") from None
        if key.name in keys:
            raise KeysRefused(f"line {number} of the API keys cannot be used: its name stands on an earlier line")
        keys[key.name] = key
    if len(keys) > _MOST_KEYS:
        raise KeysRefused(f"there are more than {_MOST_KEYS} API keys")
    return tuple(keys.values())


def _parse_line(line: str) -> ApiKey:
    pairs = [part.partition("=")[::2] for part in line.split()]
    values = dict(pairs)
    if len(values) != len(pairs) or not values.keys() <= _FIELDS or not all(values.values()):
        raise ValueError("it is not made of name=, scopes=, sha256=, expires= and rate=, each at most once")
    if not KEY_NAME.fullmatch(values.get("name", "")):
        raise ValueError("name= is missing, or not 1 to 64 letters, digits, dots, dashes or underscores")
    scopes = frozenset(values.get("scopes", "").split(","))
    if not scopes <= frozenset(SCOPES):
        raise ValueError(f"scopes= is missing, or not a list of {', '.join(SCOPES)}")
    if not _DIGEST.fullmatch(values.get("sha256", "")):
        raise ValueError("sha256= is missing, or not 64 digits of lower-case hexadecimal")
    return ApiKey(
        values["name"],
        scopes,
        bytes.fromhex(values["sha256"]),
        _expiry(values.get("expires")),
        _rate(values.get("rate")),
    )


def _expiry(text: str | None) -> float | None:
    try:
        return None if text is None else instant(text)
    except ValueError:
        raise ValueError("expires= is no date and no instant with its offset") from None


def _rate(text: str | None) -> int | None:
    if text is not None and not re.fullmatch(r"[1-9][0-9]{0,6}", text, re.ASCII):
        raise ValueError("rate= is not a whole number from 1 to 9999999")
    return None if text is None else int(text)


def read_keys(settings: ServiceSettings) -> tuple[ApiKey, ...] | None:
    """The keys of the settings' variable and file together; None if neither is set. Raises KeysRefused."""
    if settings.api_keys is None and settings.api_keys_file is None:
        return None
    texts: Iterable[str] = (
        *([settings.api_keys.get_secret_value()] if settings.api_keys else []),
        *([_text(settings.api_keys_file)] if settings.api_keys_file else []),
    )
    keys = parse_keys("\n".join(texts))
    if not keys:
        raise KeysRefused("API keys are configured, but there is none in the file or variable")
    return keys


def _text(file: Path) -> str:
    try:
        return file.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise KeysRefused("the file of the API keys cannot be read") from error
