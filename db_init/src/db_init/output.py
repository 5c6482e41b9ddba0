"""Writes a file whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from db_init.errors import LoadError


@contextmanager
def written_whole(out: Path) -> Iterator[Path]:
    """A file beside `out`, which takes its place at the end. An `out` that cannot be written is refused immediately."""
    if not out.name:
        raise LoadError(f"{out} is a folder; name a file to write.")
    fresh = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        if out.is_dir():
            raise LoadError(f"{out} is a folder; name a file to write.")
        out.parent.mkdir(parents=True, exist_ok=True)
        fresh.touch()
        yield fresh
        fresh.replace(out)
    except (FileExistsError, NotADirectoryError) as error:
        raise LoadError(f"{out} cannot be written: a part of this path is a file, not a folder.") from error
    except OSError as error:
        raise LoadError(f"{out} cannot be written: {error.strerror or 'the folder cannot be used'}.") from error
    finally:
        with suppress(OSError):  # of a path that cannot be, too
            fresh.unlink(missing_ok=True)
