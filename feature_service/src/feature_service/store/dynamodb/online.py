"""The online store in DynamoDB.

Changes are made in PostgreSQL, the system of record, and then copied here; the newer wins.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from math import inf
from typing import Any

from feature_service.store.dynamodb.faults import Fault, NotNewer
from feature_service.store.dynamodb.items import batch_get, read_page, read_row, read_set
from feature_service.store.dynamodb.table import MOST_IN_FLIGHT, Table
from feature_service.store.online import Row, Said
from feature_service.store.postgresql.writer import FeatureWriter, WriteMetrics
from service_kit.request.ask import Ask
from shared_schemas.online_items import FEATURE_SET, MOST_KEYS, Change, put_if_newer

_FILLED_SECONDS = 0.5
"""How long a filled table is assumed to stay filled: less than it takes to delete a table and create it again."""


class DynamoReads:
    """A table counts as filled when it has the feature set, which the publisher writes last.

    In a table that is not filled, a missing client may just not be published yet, so a lookup is an outage instead of
    "not found".
    """

    most_keys = MOST_KEYS
    most_in_flight = MOST_IN_FLIGHT

    def __init__(self, table: Table) -> None:
        self._table = table
        self.timeout_seconds = table.timeout_seconds
        self._seen_filled = -inf

    async def vectors(self, client_ids: Sequence[int], ask: Ask[object]) -> Sequence[Row]:
        began = asyncio.get_running_loop().time()
        items = await self._items(client_ids, ask)
        missing = set(client_ids) - {int(item["client_id"]["N"]) for item in items}
        if missing and self._seen_filled < began - _FILLED_SECONDS:
            await self.ping(ask)
            items += await self._items(list(missing), ask)
        try:
            return [row for item in items if (row := read_row(item)) is not None]
        except Fault as fault:
            raise self._table.given_up(fault, ask) from fault

    async def changed_set(self, ask: Ask[object], mark: str) -> Mapping[str, Any] | None:
        """The feature set in force, as the publisher has copied it; None if its mark is `mark`."""
        try:
            rows = [read_set(item) for item in await self._items([FEATURE_SET], ask)]
        except Fault as fault:
            raise self._table.given_up(fault, ask) from fault
        return next((row for row in rows if row["mark"] != mark), None)

    async def ping(self, ask: Ask[object]) -> None:
        began = asyncio.get_running_loop().time()
        if not await self._items([FEATURE_SET], ask):
            raise self._table.given_up(Fault("dynamodb_table_not_filled", "no feature set"), ask)
        self._seen_filled = began

    async def _items(self, client_ids: Sequence[int], ask: Ask[object]) -> list[Mapping[str, Any]]:
        keys = list(dict.fromkeys(client_ids))
        pages = [keys[start : start + MOST_KEYS] for start in range(0, len(keys), MOST_KEYS)]
        if len(pages) == 1:
            return await self._page(pages[0], ask)
        tasks = [asyncio.create_task(self._page(page, ask)) for page in pages]
        try:
            return [item for page in await asyncio.gather(*tasks) for item in page]
        finally:
            for task in tasks:
                task.cancel()

    async def _page(self, keys: list[int], ask: Ask[object]) -> list[Mapping[str, Any]]:
        """All items of at most MOST_KEYS keys.

        Keys that DynamoDB leaves unprocessed are requested again until the deadline.
        """
        address, found, missing = self._table.address, list[Mapping[str, Any]](), keys

        async def attempt(seconds: float) -> list[Mapping[str, Any]]:
            nonlocal missing
            answer = await self._table.once("BatchGetItem", batch_get(address, missing), seconds)
            page = read_page(answer, address.table, missing)
            found.extend(page.items)
            missing = list(page.unprocessed)
            if missing:
                raise Fault("dynamodb_keys_unprocessed", f"{len(missing)} of {len(keys)}")
            return found

        items: list[Mapping[str, Any]] = await self._table.attempted(attempt, ask)
        return items


class DynamoWrites:
    """Writes to PostgreSQL, then to DynamoDB.

    If PostgreSQL has the change and DynamoDB does not take it, the caller gets StoreUnavailable, and the change stays
    marked for the publisher.
    """

    def __init__(self, record: FeatureWriter, table: Table, metrics: WriteMetrics) -> None:
        self._record = record
        self._table = table
        self._metrics = metrics

    async def write(self, client_id: int, said: Said, ask: Ask[object]) -> Sequence[str]:
        written = await self._record.written(client_id, said, ask)
        await self._bring(written.change, ask)
        return written.stale

    async def erase(self, client_id: int, id_column: str, ask: Ask[object]) -> bool:
        erased = await self._record.erased(client_id, id_column, ask)
        if erased.found:
            self._metrics.deletes.inc()
        return await self._bring(erased.change, ask) or erased.found

    async def _bring(self, change: Change | None, ask: Ask[object]) -> bool:
        """Erase the client. Returns whether it had a vector."""
        if change is None:
            return False
        put = put_if_newer(self._table.address.table, change.item(time.time()))
        before: Mapping[str, Any] = {}
        with suppress(NotNewer):
            answer = await self._table.ask("PutItem", put | {"ReturnValues": "ALL_OLD"}, ask)
            before = answer.get("Attributes") or {}
        return bool(before) and "gone" not in before
