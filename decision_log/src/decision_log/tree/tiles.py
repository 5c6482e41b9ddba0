"""Tiles of a tree (c2sp.org/tlog-tiles): their paths, their growth, and the hashes that can be computed from them.

A tile is stored once, at its current width. The partial tile of an earlier tree is a prefix of it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from decision_log.tree.hashes import EMPTY_ROOT, SIZE, joined, perfect_root

HEIGHT = 8
WIDTH = 1 << HEIGHT
ENTRIES = -1
"""The level that stands for entry bundles instead of tiles of hashes."""

_ADDRESS = re.compile(r"tile/(entries|0|[1-9]|[1-5]\d|6[0-3])/((?:x\d{3}/)*\d{3})(?:\.p/([1-9]\d{0,2}))?", re.ASCII)
_GROUPS = re.compile(r"\d{3}", re.ASCII)


class Tile(NamedTuple):
    level: int
    number: int


class Address(NamedTuple):
    """A tile or entry bundle, and the requested width."""

    tile: Tile
    width: int


Tiles = Mapping[Tile, bytes]
Range = tuple[int, int]
"""Leaves from `start` up to, but not including, `end`."""


class TileMissing(Exception):
    """A tile of the tree is missing or too short. The message is its path."""

    def __init__(self, tile: Tile) -> None:
        super().__init__(path(tile))
        self.tile = tile


def path(tile: Tile, width: int = WIDTH) -> str:
    level = "entries" if tile.level == ENTRIES else str(tile.level)
    digits = str(tile.number)
    *others, last = _GROUPS.findall(digits.zfill(-(-len(digits) // 3) * 3))
    number = "/".join([*(f"x{group}" for group in others), last])
    return f"tile/{level}/{number}" + ("" if width == WIDTH else f".p/{width}")


def address(text: str) -> Address | None:
    """The address for a path below the log's prefix; None if it is not the canonical path of a tile."""
    found = _ADDRESS.fullmatch(text)
    if not found:
        return None
    level, number, width = found.groups()
    tile = Tile(ENTRIES if level == "entries" else int(level), int(number.replace("x", "").replace("/", "")))
    named = Address(tile, int(width) if width else WIDTH)
    return named if named.width <= WIDTH and path(*named) == text else None


def widths(size: int) -> Iterator[tuple[int, int, int]]:
    """Yield for each level of a tree of this size: level, number of full tiles, width of the partial tile (or 0)."""
    level = 0
    while size:
        yield level, size // WIDTH, size % WIDTH
        size //= WIDTH
        level += 1


def edge(size: int) -> list[Tile]:
    """The partial tiles of a tree. Only these change when it grows."""
    return [Tile(level, full) for level, full, partial in widths(size) if partial]


def extended(size: int, edges: Tiles, hashes: Sequence[bytes]) -> dict[Tile, bytes]:
    """The new or longer tiles after leaf hashes are added to a tree of `size` leaves with the partial tiles `edges`."""
    grown: dict[Tile, bytes] = {}
    level = 0
    fresh = list(hashes)
    while fresh:
        number, partial = divmod(size, WIDTH)
        data = _prefix(edges, Tile(level, number), partial) + b"".join(fresh)
        fresh = []
        for at in range(0, len(data), WIDTH * SIZE):
            content = data[at : at + WIDTH * SIZE]
            grown[Tile(level, number + at // (WIDTH * SIZE))] = content
            if len(content) == WIDTH * SIZE:
                fresh.append(perfect_root(content))
        size //= WIDTH
        level += 1
    return grown


def _prefix(tiles: Tiles, tile: Tile, width: int) -> bytes:
    if not width:
        return b""
    data = tiles.get(tile, b"")
    if len(data) < width * SIZE:
        raise TileMissing(tile)
    return data[: width * SIZE]


def needed(ranges: Sequence[Range]) -> set[Tile]:
    """The tiles that are needed to compute the hashes of these ranges."""
    return {_place(*part)[0] for each in ranges for part in _perfect(*each)}


def range_hash(each: Range, tiles: Tiles) -> bytes:
    """The Merkle tree hash of the leaves of a range. Raises TileMissing."""
    parts = [_subtree(height, index, tiles) for height, index in _perfect(*each)]
    return joined(parts) if parts else EMPTY_ROOT


def _perfect(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the perfect subtrees of a range, as (height, index at this height), from left to right.

    The range must start at a multiple of the size of its first subtree.
    """
    while start < end:
        height = (end - start).bit_length() - 1
        yield height, start >> height
        start += 1 << height


def _place(height: int, index: int) -> tuple[Tile, int, int]:
    """The tile with the hashes of a perfect subtree, the position of the first one in the tile, and their number."""
    level, rest = divmod(height, HEIGHT)
    number, first = divmod(index << rest, WIDTH)
    return Tile(level, number), first, 1 << rest


def _subtree(height: int, index: int, tiles: Tiles) -> bytes:
    tile, first, count = _place(height, index)
    return perfect_root(_prefix(tiles, tile, first + count)[first * SIZE :])
