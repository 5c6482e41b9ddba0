"""Failures of requests to DynamoDB by name: the log line of each, and whether to retry."""

from dataclasses import dataclass
from typing import Any

import orjson


@dataclass
class Fault(Exception):
    """A failed request.

    `event` is the log event, `cause` the kind of error. Its message is not kept: it may contain keys and values.
    """

    event: str
    cause: str
    again: bool = True
    stale_credentials: bool = False

    def __str__(self) -> str:
        return f"{self.event}: {self.cause}"


class NotNewer(Exception):
    """The table has the same or a later revision of the item already."""


def garbled(cause: str) -> Fault:
    return Fault("dynamodb_answer_garbled", cause)


SILENT = "dynamodb_silent"
_THROTTLED = "dynamodb_throttled"
_REFUSED = "dynamodb_credentials_refused"
_EVENTS = {
    "ProvisionedThroughputExceededException": _THROTTLED,
    "ThrottlingException": _THROTTLED,
    "RequestLimitExceeded": _THROTTLED,
    "ExpiredTokenException": "dynamodb_credentials_expired",
    "UnrecognizedClientException": _REFUSED,
    "InvalidSignatureException": _REFUSED,
    "IncompleteSignatureException": _REFUSED,
    "MissingAuthenticationTokenException": _REFUSED,
    "AccessDeniedException": "dynamodb_access_denied",
    "ResourceNotFoundException": "dynamodb_table_missing",
}
_OF_CREDENTIALS = frozenset({"dynamodb_credentials_expired", _REFUSED})
_SCOPED = "scoped to a valid region"


def refusal(status: int, body: bytes) -> Exception:
    """The fault for an answer with a status other than 200."""
    try:
        said: Any = orjson.loads(body)
        kind = str(said["__type"]).rpartition("#")[2]
        message = str(said.get("message", said.get("Message", "")))
    except (ValueError, TypeError, KeyError):
        return Fault("dynamodb_failed", f"status {status}", again=status >= 500)
    if kind == "ConditionalCheckFailedException":
        return NotNewer()
    event = "dynamodb_wrong_region" if _SCOPED in message else _EVENTS.get(kind, "dynamodb_failed")
    return Fault(
        event,
        kind if kind.isalnum() else f"status {status}",
        again=event == _THROTTLED or status >= 500 or event in _OF_CREDENTIALS,
        stale_credentials=event in _OF_CREDENTIALS,
    )
