"""The registry folder: one folder per version, written whole or not at all, and one file per role.

MODEL_DIR/VERSION/    a version, see `artefact`
MODEL_DIR/champion    the name of the version that decides; in folders of older releases the file is called `current`
MODEL_DIR/challenger  the name of the version that is compared with the champion, if there is one
MODEL_DIR/promotions  one line of JSON for each promotion
MODEL_DIR/policies    the policies that were applied, and policy.toml, the one in force; see `policy.folder`
"""

import fcntl
import getpass
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

Role = Literal["champion", "challenger"]
Signature = tuple[tuple[str, int, int, int], ...]

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_STALE_SECONDS = 60
_OLD_CHAMPION = "current"
_RESERVED = frozenset({"champion", "challenger", "promotions", "policies", "policy.toml", _OLD_CHAMPION})
"""Files and folders in the registry folder that are no versions."""


def is_version_name(text: str) -> bool:
    """Whether this is a valid version name: 1 to 64 of A-Z a-z 0-9 . _ -, the first a letter or digit; not reserved."""
    return text not in _RESERVED and _VERSION.fullmatch(text) is not None


def versions(model_dir: Path) -> list[str]:
    """The names of all versions, in alphabetical order; empty if there is no such folder."""
    try:
        return sorted(entry.name for entry in model_dir.iterdir() if is_version_name(entry.name) and entry.is_dir())
    except OSError:
        return []


def version_in_role(model_dir: Path, role: Role) -> str | None:
    """The name in MODEL_DIR/ROLE, or None if there is none."""
    # Read `champion` again, because a promotion may replace the old file between the first two reads.
    for file in ("champion", _OLD_CHAMPION, "champion") if role == "champion" else (role,):
        try:
            name = (model_dir / file).read_text(encoding="ascii").strip()
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError):
            return None
        return name if is_version_name(name) else None
    return None


def champion_version(model_dir: Path) -> str | None:
    return version_in_role(model_dir, "champion")


def give_role(model_dir: Path, role: Role, version: str) -> None:
    """Write the name to MODEL_DIR/ROLE; atomic for readers."""
    # A random name, because processes in two containers may have the same process id.
    with tempfile.TemporaryDirectory(prefix=".new-", dir=model_dir) as workshop:
        fresh = Path(workshop, role)
        with fresh.open("w", encoding="ascii") as file:
            file.write(f"{version}\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(model_dir / role)
    if role == "champion":
        (model_dir / _OLD_CHAMPION).unlink(missing_ok=True)


def clear_role(model_dir: Path, role: Role) -> None:
    (model_dir / role).unlink(missing_ok=True)


class Promotion(NamedTuple):
    """A promotion to champion. `by`: the account of the process. `at`: an ISO 8601 time in UTC."""

    version: str
    before: str | None
    at: str
    by: str


def activate(model_dir: Path, version: str) -> None:
    """Make a version the champion, and record the account and the time in `promotions`."""
    before = champion_version(model_dir)
    give_role(model_dir, "champion", version)
    done = Promotion(version, before, datetime.now(UTC).isoformat(timespec="seconds"), _account())
    with (model_dir / "promotions").open("a", encoding="utf-8") as file:
        file.write(json.dumps(done._asdict()) + "\n")


def promotions(model_dir: Path) -> list[Promotion]:
    """All promotions, oldest first. Skips a line that a crash left incomplete."""
    try:
        lines = (model_dir / "promotions").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    found = []
    for line in lines:
        try:
            found.append(Promotion(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return found


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name
        return str(os.getuid())


def signature(folder: Path) -> Signature:
    """Name, size, modification time and inode of each file: changes when a file does, without reading any file."""
    try:
        found = [(entry.name, entry.stat()) for entry in os.scandir(folder)]
    except OSError:
        return ()
    return tuple(sorted((name, stat.st_size, stat.st_mtime_ns, stat.st_ino) for name, stat in found))


@contextmanager
def new_version(model_dir: Path, version: str) -> Iterator[Path]:
    """A folder to fill. It becomes the version if the block succeeds, and is removed if the block raises.

    It already has the name of the version, so that `load` accepts it before it is visible. Folders that a killed
    training left behind are removed first.
    """
    model_dir.mkdir(parents=True, exist_ok=True)
    _sweep(model_dir)
    workshop = Path(tempfile.mkdtemp(prefix=".new-", dir=model_dir))
    lock = _locked(workshop)
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
        if lock is not None:
            os.close(lock)


def _locked(workshop: Path) -> int | None:
    """A descriptor that holds the lock of a temporary folder until its process ends; None if it cannot be locked."""
    descriptor = None
    try:
        descriptor = os.open(workshop, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # another process holds it, no permission, or a file system without locks
        if descriptor is not None:
            os.close(descriptor)
        return None
    return descriptor


def _sweep(model_dir: Path) -> None:
    for workshop in model_dir.glob(".new-*"):
        if time.time() - workshop.lstat().st_mtime < _STALE_SECONDS:
            continue  # it may be new and not locked yet
        lock = _locked(workshop)
        if lock is not None:
            shutil.rmtree(workshop, ignore_errors=True)
            os.close(lock)
