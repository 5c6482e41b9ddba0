"""Export of the log's tree as files of c2sp.org/tlog-tiles, which any static web server can serve."""

from pathlib import Path

import psycopg

from decision_log.errors import CommandFailed
from decision_log.store.log_tree import NOTE, bundle
from decision_log.tree import checkpoints
from decision_log.tree.hashes import SIZE
from decision_log.tree.notes import split
from decision_log.tree.tiles import ENTRIES, WIDTH, Tile, path, widths

_CHECKPOINT = f"SELECT {NOTE} FROM checkpoints AS c ORDER BY id DESC LIMIT 1"  # noqa: S608 -- names of our own
_TILE = "SELECT hashes FROM tiles WHERE level = %s AND number = %s"
_BUNDLE = "SELECT commitment FROM leaves WHERE index >= %s AND index < %s ORDER BY index"


def export(connection: psycopg.Connection, folder: Path) -> int:
    """Export the tree and return its size. Keeps full tiles that exist already; writes the checkpoint last."""
    row = connection.execute(_CHECKPOINT).fetchone()
    if row is None:
        raise CommandFailed("The log has no checkpoint yet: run `python -m decision_log sequence`.")
    [note] = row
    size = checkpoints.parsed(split(note)[0]).size
    try:
        for level, full, partial in widths(size):
            for number in range(full + (partial > 0)):
                width = WIDTH if number < full else partial
                _put(connection, folder, Tile(level, number), width)
                if level == 0:
                    _put(connection, folder, Tile(ENTRIES, number), width)
        folder.mkdir(parents=True, exist_ok=True)
        fresh = folder / ".checkpoint"
        fresh.write_text(note)
        fresh.replace(folder / "checkpoint")
    except OSError as error:
        raise CommandFailed(f"{folder} cannot be written: {error.strerror}.") from error
    return size


def _put(connection: psycopg.Connection, folder: Path, tile: Tile, width: int) -> None:
    file = folder / path(tile, width)
    if file.exists():
        return
    if tile.level == ENTRIES:
        start = tile.number * WIDTH
        rows = connection.execute(_BUNDLE, [start, start + width], binary=True).fetchall()
        body, whole = bundle(bytes(row[0]) for row in rows), len(rows) == width
    else:
        row = connection.execute(_TILE, list(tile), binary=True).fetchone()
        body = bytes(row[0])[: width * SIZE] if row else b""
        whole = len(body) == width * SIZE
    if not whole:
        raise CommandFailed(
            f"{path(tile, width)} is missing from the database: `python -m decision_log audit` says more."
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.new")
    fresh.write_bytes(body)
    fresh.replace(file)
