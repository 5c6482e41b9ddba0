"""The context of a request, which the handler gets and passes on to the store and to clients of other services."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

State = TypeVar("State")
State_co = TypeVar("State_co", covariant=True)


@dataclass(slots=True)
class Ask(Generic[State_co]):
    """One request: its id, its deadline (a time of the event loop), the state of the service, and log fields.

    `log_fields` are added to the log line of the request, `answer_headers` to its answer. `accept`: the media types
    that the caller prefers; empty on the fast path.
    """

    request_id: str
    deadline: float
    state: State_co
    log_fields: dict[str, Any] = field(default_factory=dict)
    answer_headers: tuple[tuple[bytes, bytes], ...] = ()
    accept: bytes = b""
    headers: Sequence[tuple[bytes, bytes]] = ()

    def header(self, name: bytes) -> bytes:
        """The first header with this name (in lower case) of the request; empty if there is none."""
        return next((value for key, value in self.headers if key == name), b"")


class Opened(Generic[State]):
    """Holds the state that the lifespan of a service opens; None before. Servers send no request before that."""

    state: State | None = None
