"""What a handler knows of the request that it answers, and passes on to whatever it asks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

State = TypeVar("State")
State_co = TypeVar("State_co", covariant=True)


@dataclass(slots=True)
class Ask(Generic[State_co]):
    """One request: its id, the loop time until which its caller waits, what the service has opened, and log fields.

    What is put into `log_fields` stands in the log line of the request; `answer_headers` are added to its answer.
    `accept`: the media types that the caller prefers; not known on the fast path.
    """

    request_id: str
    deadline: float
    state: State_co
    log_fields: dict[str, Any] = field(default_factory=dict)
    answer_headers: tuple[tuple[bytes, bytes], ...] = ()
    accept: bytes = b""
    headers: Sequence[tuple[bytes, bytes]] = ()

    def header(self, name: bytes) -> bytes:
        """The first header of the request with that name in lower case; empty where there is none."""
        return next((value for key, value in self.headers if key == name), b"")


class Opened(Generic[State]):
    """Holds what the lifespan of a service has opened; None before that. Servers ask for nothing before that."""

    state: State | None = None
