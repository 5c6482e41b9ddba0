"""The feature set of several databases: the one that all reachable databases have in force."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from feature_service.store.postgresql.record import Record
from service_kit.problems import DeadlineExceeded, StoreUnavailable
from service_kit.request.ask import Ask

log = structlog.get_logger()

SetRow = Mapping[str, Any]


class AgreedSet:
    """`differ`: the databases had different sets in force at the last look. Then the served set stays as it is."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records
        self._known: list[SetRow | None] = [None for _ in records]
        self.differ = False

    async def changed_set(self, ask: Ask[object], mark: str) -> SetRow | None:
        """The row of the set; None if its mark is `mark`.

        Raises StoreUnavailable if no database answers, or the sets differ.
        """
        found = await asyncio.gather(*(self._in_force(number, ask) for number in range(len(self._records))))
        rows = {_content(row): row for row in found if row is not None}
        self._note(differ=len(rows) > 1)
        if len(rows) != 1:
            raise StoreUnavailable
        [(content, row)] = rows.items()
        return None if content == mark else {**row, "mark": content}

    async def _in_force(self, number: int, ask: Ask[object]) -> SetRow | None:
        """None if the database does not answer, or has no set yet."""
        known = self._known[number]
        try:
            row = await self._records[number].changed_set(ask, known["mark"] if known else "")
        except (StoreUnavailable, DeadlineExceeded):  # logged where it happens
            return None
        if row is not None:
            self._known[number] = dict(row.items())
        return self._known[number]

    def _note(self, *, differ: bool) -> None:
        if differ is not self.differ:
            self.differ = differ
            if differ:
                log.error("feature_sets_differ")
            else:
                log.info("feature_sets_agree")


def _content(row: SetRow) -> str:
    """The mark without the row's number in its database, which does not change what is served."""
    return str(row["mark"].partition(" ")[2])
