"""The questions that the server asks an application of ours about a request before any work is done for it."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Protocol

from starlette.types import Scope

from service_kit.access.gate import Place


class Written(NamedTuple):
    """An answer with status 200: its header fields as bytes on the wire, without the date, and its body."""

    head: bytes
    body: bytes


class HotRequest(Protocol):
    """A request for a hot operation."""

    @property
    def takes_body(self) -> bool: ...

    def answer(self, scope: Scope, body: bytes) -> Awaitable[Written | None]:
        """The ordinary answer.

        None if the answer is another one; then call the application with this scope to get it.
        """


class Entrance(NamedTuple):
    """`admit` raises the problem of a request that is not admitted.

    `hot(method, path)` is None unless the operation is hot.
    """

    admit: Callable[[Scope], Place]
    hot: Callable[[str, str], HotRequest | None]


def entrance_of(app: Any) -> Entrance | None:
    """The entrance of an application of ours, which uvicorn may have wrapped; None if it has none."""
    while not hasattr(app, "entrance") and hasattr(app, "app"):
        app = app.app
    return getattr(app, "entrance", None)
