"""Folders for the databases of tests."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 4 << 30


def _where() -> Path | None:
    """In memory where there is room: to copy a database costs some file systems twenty times the CPU."""
    return _MEMORY if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM_BYTES else None


@contextmanager
def database_folder(prefix: str) -> Iterator[Path]:
    """Not below pytest's own folder: it closes that to other accounts, and the server may run as one. Its name is short, as a socket's must be."""
    with tempfile.TemporaryDirectory(prefix=f"{prefix}-", dir=_where()) as folder:
        yield Path(folder).resolve()
