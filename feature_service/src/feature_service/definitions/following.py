"""Follows the feature set in force in the database."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog
from pydantic import ValidationError

from feature_service.definitions.served import ServedSet, read_served
from service_kit.problems import ProblemError, StoreUnavailable
from service_kit.request.ask import Ask

log = structlog.get_logger()

FetchSet = Callable[[Ask[object], str], Awaitable[Mapping[str, Any] | None]]
"""Return the row of feature_sets in force; None if its mark is `mark`."""

_EVERY_SECONDS = 0.9
_UNTIL_KNOWN_SECONDS = 0.2
_PATIENCE_SECONDS = 2.0


class FollowedSet:
    """Keeps the set in force in `served`, at most a second late.

    None until the database has answered for the first time.
    """

    def __init__(self, fetch: FetchSet) -> None:
        self._fetch = fetch
        self._refused_mark: str | None = None
        self.served: ServedSet | None = None

    async def current(self, ask: Ask[object]) -> ServedSet:
        """The set in force. Raises StoreUnavailable."""
        if self.served is None:
            await self._refresh(ask)
        if self.served is None:
            raise StoreUnavailable
        return self.served

    async def _refresh(self, ask: Ask[object]) -> None:
        row = await self._fetch(ask, self.served.mark if self.served else "")
        if row is None or row["mark"] == self._refused_mark:
            return
        try:
            # In a thread: a set of 500 features, or with long lists of categories, takes milliseconds.
            served = await asyncio.to_thread(_prepared, row)
        except ValidationError:
            self._refused_mark = row["mark"]
            serving = self.served.digest if self.served else None
            log.error("feature_set_not_understood", digest=row["digest"], serving=serving)  # noqa: TRY400 -- holds the set
            return
        self.served = served
        log.info("feature_set_served", digest=served.digest, version=served.definitions.version)

    @asynccontextmanager
    async def followed(self) -> AsyncIterator[None]:
        """Follow the set in force until the context ends."""
        await self._look()
        following = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_SECONDS if self.served else _UNTIL_KNOWN_SECONDS)
            await self._look()

    async def _look(self) -> None:
        with suppress(ProblemError):  # logged where it happens
            await self._refresh(Ask("feature-set", asyncio.get_running_loop().time() + _PATIENCE_SECONDS, None))


def _prepared(row: Mapping[str, Any]) -> ServedSet:
    """Also make what is otherwise made at first use, so that no request waits for it."""
    served = read_served(row)
    _ = served.writes, served.etag, served.definitions_body
    return served
