"""Atomic writing of a file: completely or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from db_init.errors import LoadError


@contextmanager
def written_whole(out: Path) -> Iterator[Path]:
    """Yield a temporary file next to `out`, which replaces `out` at the end. Raises LoadError if it cannot be written.

    That `out` cannot be written is mostly found before the work in the block begins.
    """
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
        with suppress(OSError):  # an invalid path raises here again
            fresh.unlink(missing_ok=True)
