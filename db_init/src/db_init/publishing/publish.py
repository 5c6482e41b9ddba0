"""The publisher: copies marked changes to the table, and deletes each mark after the table has the change.

It can be killed at any point and then continues: a change is marked in its own transaction, and the mark stays until
the table has this change or a newer one. Concurrent publishers, and services that write, are safe: the newer revision
wins.
"""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import psycopg

from db_init.progress import Steps
from db_init.publishing import marks
from db_init.publishing.table import AT_ONCE, Table, TableError, TableMissing
from shared_schemas.online_items import Change

_PAGE = 1_000
_MARKED_AT_ONCE = 5_000
_EVERY_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 10.0
_LOOKED_AT_EVERY_SECONDS = 2.0


@dataclass
class Report:
    """Counts of a publish. `already_there`: the table had the same or a newer vector. `left`: marks that remain."""

    published: int = 0
    erased: int = 0
    already_there: int = 0
    left: int = 0
    seconds: float = 0.0

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    def as_text(self) -> str:
        rows = [
            ("published", self.published, "vectors"),
            ("erased", self.erased, "clients"),
            ("already there", self.already_there, "as they are, or newer"),
            ("left", self.left, "marked meanwhile"),
        ]
        lines = [f"{name:<30}{count:>12,}  {what}" for name, count, what in rows]
        return "\n".join([*lines, f"{'seconds':<30}{self.seconds:>12.1f}"])


class Publisher:
    def __init__(self, connection: psycopg.Connection, table: Table, steps: Steps, say: Callable[[str], None]) -> None:
        self._connection = connection
        self._table = table
        self._steps = steps
        self._say = say
        self._set: marks.StoredSet | None = None
        self._started = time.monotonic()
        self.report = Report()

    async def publish(self, *, full: bool) -> None:
        """Copy all changes since the last publish to the table; if `full`, copy everything."""
        filled = await self._table.filled()
        if marks.begin(self._connection, self._table.name, full=full, filled=filled):
            await self._mark_everybody()
        await self._bring_changes()
        await self._bring_set(whatever_is_there=full)  # last, because services read from a table that has the set
        marks.end(self._connection)
        self.report.left = marks.count(self._connection)
        self.report.seconds = time.monotonic() - self._started

    async def follow(self) -> None:
        """Publish changes forever, with retries. Raises TableMissing if the table is gone, even without changes."""
        pause, looked = _EVERY_SECONDS, time.monotonic()
        while True:
            try:
                if time.monotonic() - looked >= _LOOKED_AT_EVERY_SECONDS:
                    await self._fill_again()
                    looked = time.monotonic()
                await self._bring_set()
                await self._bring_changes()
                pause = _EVERY_SECONDS
            except TableMissing:
                raise
            except TableError as error:
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
                self._say(f"{error} Trying again in {pause:.0f} s.")
            await asyncio.sleep(pause)

    async def _fill_again(self) -> None:
        """Publish everything again if the table was replaced by an empty one."""
        if self._set is not None and not await self._table.filled():
            self._say("The table has no feature set any more. Publishing everything again.")
            self._set = None
            await self.publish(full=False)
            self._say(self.report.as_json())

    async def _mark_everybody(self) -> None:
        self._steps.step("looking at what the table has")
        async for stored in self._table.stored():
            marks.mark_strays(self._connection, stored)
        self._steps.step("marking every client")
        while marks.mark_page(self._connection, _MARKED_AT_ONCE):
            self._steps.advance(_MARKED_AT_ONCE)

    async def _bring_set(self, *, whatever_is_there: bool = False) -> None:
        current = marks.feature_set(self._connection)
        if current is not None and current != self._set:
            await self._table.put(current.item(), whatever_is_there=whatever_is_there)
            self._set = current

    async def _bring_changes(self) -> None:
        """Publish all marked changes once, in the order of client ids."""
        self._steps.step("publishing", marks.count(self._connection))
        after = 0
        while page := marks.next_changes(self._connection, after, _PAGE):
            await self._bring_page(page)
            after = page[-1].client_id

    async def _bring_page(self, page: Sequence[Change]) -> None:
        waiting, taken = iter(page), list[Change]()

        async def bring_next() -> None:
            for change in waiting:
                new = await self._table.put(change.item(time.time()))
                self._count(change, new=new)
                taken.append(change)

        bringing = [asyncio.create_task(bring_next()) for _ in range(AT_ONCE)]
        try:
            await asyncio.gather(*bringing)
        finally:
            for one in bringing:
                one.cancel()
            await asyncio.gather(*bringing, return_exceptions=True)
            marks.delete_marks(self._connection, taken)

    def _count(self, change: Change, *, new: bool) -> None:
        self._steps.advance(1)
        if not new:
            self.report.already_there += 1
        elif change.at is None:
            self.report.erased += 1
        else:
            self.report.published += 1
