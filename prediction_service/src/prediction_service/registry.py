"""The registry folder: one folder a version, written whole or not at all, and the name of the one that decides.

MODEL_DIR/VERSION/  a version, see `artefact`
MODEL_DIR/current   the name of the version that decides
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def is_version_name(text: str) -> bool:
    """Whether a version may be called so: 1 to 64 of A-Z a-z 0-9 . _ -, no dot or dash first, and not `current`."""
    return text != "current" and _VERSION.fullmatch(text) is not None


def current_version(model_dir: Path) -> str | None:
    """The name in MODEL_DIR/current, or None if there is none."""
    try:
        name = (model_dir / "current").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return name if is_version_name(name) else None


def activate(model_dir: Path, version: str) -> None:
    """Make a version the one that decides; atomic for readers."""
    fresh = model_dir / f".current-{os.getpid()}"
    with fresh.open("w", encoding="ascii") as file:
        file.write(f"{version}\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(model_dir / "current")


@contextmanager
def new_version(model_dir: Path, version: str) -> Iterator[Path]:
    """A folder to fill; it becomes the version when the block ends well, and vanishes when it does not.

    Already named like the version, so that `load` takes it before anyone else sees it.
    """
    model_dir.mkdir(parents=True, exist_ok=True)
    workshop = Path(tempfile.mkdtemp(prefix=".new-", dir=model_dir))
    try:
        fresh = workshop / version
        fresh.mkdir()
        yield fresh
        for file in fresh.iterdir():
            with file.open("rb") as written:
                os.fsync(written.fileno())
        fresh.rename(model_dir / version)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
