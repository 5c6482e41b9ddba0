"""Reads of the tree: checkpoint, tiles and entry bundles in the form of c2sp.org/tlog-tiles, and proofs of records."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import asyncpg

from decision_log.store.postgres import Database
from decision_log.store.records import Erased
from decision_log.tree import checkpoints, proofs
from decision_log.tree.hashes import SIZE
from decision_log.tree.notes import split
from decision_log.tree.tiles import ENTRIES, WIDTH, Address, Tile, address, needed, range_hash
from decision_log.tree.tlog_proof import Proof

# A checkpoint is served together with the cosignatures of its witnesses.
NOTE = (
    """note || coalesce((SELECT string_agg(line, '' ORDER BY witness) FROM cosignatures WHERE checkpoint = c.id), '')"""
)
_CHECKPOINT = f"SELECT {NOTE} FROM checkpoints AS c ORDER BY id DESC LIMIT 1"  # noqa: S608 -- names of our own
_COSIGNED = f"""
    SELECT {NOTE} FROM checkpoints AS c WHERE id = (SELECT max(checkpoint) FROM cosignatures)
       AND origin = (SELECT origin FROM checkpoints ORDER BY id DESC LIMIT 1)
"""  # noqa: S608

_TILE = "SELECT hashes FROM tiles WHERE level = $1 AND number = $2"
_BUNDLE = "SELECT commitment FROM leaves WHERE index >= $1 AND index < $2 ORDER BY index"
_TILES = """
    SELECT level, number, hashes FROM tiles
      JOIN unnest($1::smallint[], $2::bigint[]) AS wanted (level, number) USING (level, number)
"""
_PLACE = """
    SELECT salt, index, NULL AS erased_by FROM records LEFT JOIN leaves USING (commitment) WHERE decision_id = $1
    UNION ALL SELECT NULL, NULL, erased_by FROM erasures WHERE decision_id = $1
"""


class Resource(NamedTuple):
    """A response at a path of the log."""

    body: bytes
    content_type: str
    cache_control: str


@dataclass(frozen=True)
class NotSequenced:
    """The record is stored, but no checkpoint covers it yet."""


class LogTree:
    """Reads the tree. Every method raises LogUnavailable. `deadline` is in the time of the running event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def resource(self, path: str, deadline: float | None = None) -> Resource | None:
        """The resource at `path` below the log's prefix.

        `path` is `checkpoint`, `tile/<L>/<N>[.p/<W>]` or `tile/entries/<N>[.p/<W>]`. None (404) if it is not the
        canonical path of a resource, or the tree is not large enough.
        """
        if path == "checkpoint":
            note = await self.checkpoint(deadline)
            return Resource(note.encode(), "text/plain; charset=utf-8", "no-cache") if note else None
        wanted = address(path)
        body = await self._tile(wanted, deadline) if wanted else None
        return Resource(body, "application/octet-stream", "public, max-age=31536000, immutable") if body else None

    async def checkpoint(self, deadline: float | None = None) -> str | None:
        """The newest checkpoint with its cosignatures; None before the sequencer's first start."""
        rows = await self._database.fetch(deadline, _CHECKPOINT)
        return rows[0][0] if rows else None

    async def _tile(self, wanted: Address, deadline: float | None) -> bytes | None:
        if wanted.tile.level == ENTRIES:
            start = wanted.tile.number * WIDTH
            if start >> 62:
                return None
            rows = await self._database.fetch(deadline, _BUNDLE, start, start + wanted.width)
            return bundle(row["commitment"] for row in rows) if len(rows) == wanted.width else None
        if wanted.tile.number >> 62:
            return None
        rows = await self._database.fetch(deadline, _TILE, *wanted.tile)
        body = bytes(rows[0]["hashes"])[: wanted.width * SIZE] if rows else b""
        return body if len(body) == wanted.width * SIZE else None

    async def proof(self, decision_id: UUID, deadline: float | None = None) -> str | NotSequenced | Erased | None:
        """The text of the record's `.tlog-proof`, with the salt as extra data; None if it was never recorded.

        The checkpoint is the newest one with a cosignature if that covers the record, otherwise the newest one.
        Raises TileMissing if the tree in the database has a gap. The command `audit` then names it.
        """

        async def work(connection: asyncpg.Connection) -> str | NotSequenced | Erased | None:
            place = await connection.fetchrow(_PLACE, decision_id)
            if place is None or place["erased_by"]:
                return place and Erased(place["erased_by"])
            note = place["index"] is not None and await self._covering(connection, place["index"])
            if not note:
                return NotSequenced()
            ranges = proofs.inclusion(place["index"], _size(note))
            tiles = await read_tiles(connection, needed(ranges))
            path = [range_hash(each, tiles) for each in ranges]
            return str(Proof(bytes(place["salt"]), place["index"], path, note))

        return await self._database.read(work, deadline)

    async def _covering(self, connection: asyncpg.Connection, index: int) -> str | None:
        for sql in (_COSIGNED, _CHECKPOINT):
            note: str | None = await connection.fetchval(sql)
            if note and _size(note) > index:
                return note
        return None


def bundle(entries: Iterable[bytes]) -> bytes:
    """An entry bundle: each entry is preceded by its length in two bytes."""
    return b"".join(len(entry).to_bytes(2) + entry for entry in entries)


async def read_tiles(connection: asyncpg.Connection, wanted: Iterable[Tile]) -> dict[Tile, bytes]:
    tiles = list(wanted)
    rows = await connection.fetch(_TILES, [tile.level for tile in tiles], [tile.number for tile in tiles])
    return {Tile(row["level"], row["number"]): bytes(row["hashes"]) for row in rows}


def _size(note: str) -> int:
    return checkpoints.parsed(split(note)[0]).size
