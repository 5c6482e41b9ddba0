"""Checks the entries of the log against its checkpoints, and the stored tiles against the entries."""

from collections.abc import Iterator, Sequence

from decision_log.commands.report import Report
from decision_log.commands.snapshot import Snapshot
from decision_log.store.log_tree import NOTE
from decision_log.tree.checkpoints import Checkpoint, verified
from decision_log.tree.hashes import SIZE, Frontier, leaf_hash, perfect_root
from decision_log.tree.notes import NoteRefused, Verifier, opened
from decision_log.tree.tiles import WIDTH, Tile, path

_CHECKPOINTS = f"SELECT size, note, {NOTE} FROM checkpoints AS c WHERE origin = %s ORDER BY id"  # noqa: S608 -- names of our own
_MISLABELLED = """
    SELECT size, origin FROM checkpoints WHERE origin <> %s AND starts_with(note, %s || E'\n') ORDER BY size LIMIT 1
"""
_LEAVES = "SELECT index, commitment FROM leaves ORDER BY index"
_LEAF_TILES = "SELECT number, hashes FROM tiles WHERE level = 0 ORDER BY number"
_UPPER_TILES = "SELECT level, number, hashes FROM tiles WHERE level > 0 ORDER BY level, number"


def stored_checkpoints(
    snapshot: Snapshot, verifier: Verifier, witnesses: Sequence[Verifier], report: Report
) -> list[Checkpoint]:
    """The checkpoints in the database that verify. Reports the others, wrong cosignatures and a wrong order."""
    found: list[Checkpoint] = []
    largest = -1
    for size, note, served in snapshot.all(_CHECKPOINTS, verifier.name):
        try:
            checkpoint = verified(str(note), verifier)
        except NoteRefused as error:
            report.found(float(size), f"The checkpoint of {size} entries is wrong: {error}.")  # type: ignore[arg-type]
            continue
        if checkpoint.size != size:
            report.found(checkpoint.size, f"The checkpoint of {size} entries is one of {checkpoint.size}.")
        if checkpoint.size < largest:  # the last one listed is served as the newest
            report.found(checkpoint.size, f"The checkpoint of {size} entries is listed behind one of {largest}.")
        largest = max(largest, checkpoint.size)
        try:
            opened(str(served), [verifier], witnesses)  # a cosignature with line breaks changes what is signed
        except NoteRefused as error:
            report.found(checkpoint.size, f"A cosignature of the checkpoint of {size} entries is wrong: {error}.")
        found.append(checkpoint)
    for size, origin in snapshot.all(_MISLABELLED, verifier.name, verifier.name):
        report.found(float(size), f"The checkpoint of {size} entries is listed with another origin: {origin}.")  # type: ignore[arg-type]
    if not found:
        report.found(-1, f"The log {verifier.name} has no checkpoint that verifies.")
    report.covered = max((each.size for each in found), default=0)
    return found


class AuditedTree:
    """Checks the tree. It keeps only the upper tiles in memory: leaf tiles are compared while the entries are read."""

    def __init__(self, snapshot: Snapshot, report: Report, checkpoints: Sequence[Checkpoint]) -> None:
        self._snapshot = snapshot
        self._report = report
        self._roots: dict[int, set[bytes]] = {}
        for each in checkpoints:
            self._roots.setdefault(each.size, set()).add(each.root)
        self._newest = max(checkpoints, key=lambda each: each.size, default=None)
        self._upper: dict[Tile, bytearray] = {}
        self._differing: list[int] = []

    def check(self) -> None:
        frontier, roots = Frontier(), self._roots
        stored = self._snapshot.rows("leaf_tiles", _LEAF_TILES)
        tile = bytearray()
        self._compare(frontier)
        whole = True
        for index, entry in self._snapshot.rows("leaves", _LEAVES):
            if index != frontier.size:
                self._report.found(frontier.size, f"Entry {frontier.size} of the log is missing.")
                whole = False
                break
            leaf = leaf_hash(entry)  # type: ignore[arg-type]
            frontier.add(leaf)
            tile += leaf
            if len(tile) == WIDTH * SIZE:
                self._leaf_tile(frontier.size // WIDTH - 1, bytes(tile), stored)
                tile.clear()
            if frontier.size in roots:
                self._compare(frontier)
        self._report.entries = frontier.size
        if whole:
            if tile:
                self._leaf_tile(frontier.size // WIDTH, bytes(tile), stored)
            self._end(frontier.size, stored)
        self._name_differing()

    def _compare(self, frontier: Frontier) -> None:
        if self._roots.pop(frontier.size, set()) - {frontier.root}:
            # This finding names no entry: the comparisons of tiles and records, which follow, name theirs.
            self._report.found(
                frontier.size, f"The entries below {frontier.size} are not those that the checkpoint was signed for."
            )

    def _leaf_tile(self, number: int, expected: bytes, stored: Iterator[tuple[object, ...]]) -> None:
        if len(expected) == WIDTH * SIZE:
            self._grow(1, number, perfect_root(expected))
        found, hashes = next(stored, (None, b""))
        if found != number:
            self._report.found(number * WIDTH, f"{path(Tile(0, number))} is missing.")
        elif hashes != expected:
            self._differing.append(number * WIDTH + _first_difference(expected, hashes))  # type: ignore[arg-type]

    def _grow(self, level: int, index: int, value: bytes) -> None:
        number, place = divmod(index, WIDTH)
        tile = self._upper.setdefault(Tile(level, number), bytearray())
        tile += value
        if place == WIDTH - 1:
            self._grow(level + 1, number, perfect_root(bytes(tile)))

    def _end(self, size: int, stored: Iterator[tuple[object, ...]]) -> None:
        """Check the rest after the last entry: tiles and checkpoints of a larger tree, and the upper tiles."""
        for number, _ in stored:
            self._unexpected(Tile(0, number))  # type: ignore[arg-type]
        for level, number, hashes in self._snapshot.rows("upper_tiles", _UPPER_TILES):
            tile = Tile(level, number)  # type: ignore[arg-type]
            expected = self._upper.pop(tile, None)
            if expected is None:
                self._unexpected(tile)
            elif expected != hashes:
                self._report.found(_start(tile), f"{path(tile)} is not the tile that the entries give.")
        for tile in self._upper:
            self._report.found(_start(tile), f"{path(tile)} is missing.")
        for covered in self._roots:
            self._report.found(covered, f"A checkpoint covers {covered} entries, and the log has {size}.")

    def _unexpected(self, tile: Tile) -> None:
        self._report.found(_start(tile), f"{path(tile)} is a tile that the entries do not give.")

    def _name_differing(self) -> None:
        """Report where entries and tiles differ. If the tiles give the signed root, the entries were changed."""
        entries_changed = bool(self._differing) and self._tiles_are_signed()
        for index in self._differing:
            if entries_changed:
                self._report.found(index, f"Entry {index} of the log is not the one that was committed.")
            else:
                tile = path(Tile(0, index // WIDTH))
                self._report.found(index, f"{tile} is not the tile that the entries give, from entry {index} on.")

    def _tiles_are_signed(self) -> bool:
        frontier = Frontier()
        if self._newest is None:
            return False
        for _, hashes in self._snapshot.rows("signed_tiles", _LEAF_TILES):
            for at in range(0, len(hashes), SIZE):  # type: ignore[arg-type]
                if frontier.size < self._newest.size:
                    frontier.add(hashes[at : at + SIZE])  # type: ignore[index]
        return (frontier.size, frontier.root) == self._newest.tree


def _start(tile: Tile) -> int:
    return tile.number << 8 * (tile.level + 1)


def _first_difference(one: bytes, other: bytes) -> int:
    """The position of the first hash that differs. If one tile is a prefix of the other: the number of its hashes."""
    places = range(min(len(one), len(other)) // SIZE)
    differing = (at for at in places if one[at * SIZE : (at + 1) * SIZE] != other[at * SIZE : (at + 1) * SIZE])
    return next(differing, len(places))
