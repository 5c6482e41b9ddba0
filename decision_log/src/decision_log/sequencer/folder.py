"""The folder of the sequencer: the private key, the verifier key, and the last checkpoint that was signed.

| file         | content                                                                     |
|--------------|-----------------------------------------------------------------------------|
| key          | the private key, mode 0600                                                  |
| verifier-key | the public key for verification; anyone may read it                         |
| last-signed  | the newest checkpoint that was ever signed, on disk before it is published  |
| lock         | locked by the process that signs                                            |
"""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from decision_log.errors import CannotSign
from decision_log.tree.notes import NoteRefused, Signer, Verifier


class Folder:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.key = path / "key"
        self.verifier_key = path / "verifier-key"
        self.last_signed = path / "last-signed"

    def signer(self, origin: str) -> Signer:
        """The key of `origin`. Raises CannotSign if it is missing, damaged, of another origin or readable by others."""
        try:
            mode = self.key.stat().st_mode
            text = self.key.read_text()
        except OSError as error:
            raise CannotSign(
                f"The key {self.key} cannot be read ({error.strerror}): make one with `python -m decision_log new-key`, "
                "or name its folder with DECISION_LOG_DIR."
            ) from error
        if stat.S_IMODE(mode) & 0o077:
            raise CannotSign(f"The key {self.key} can be read by others: `chmod 600` it, and treat it as compromised.")
        try:
            signer = Signer.parsed(text)
        except (NoteRefused, ValueError) as error:
            raise CannotSign(f"The key {self.key} is damaged.") from error
        if signer.verifier.name != origin:
            raise CannotSign(f"The key {self.key} is that of the log {signer.verifier.name}, not of {origin}.")
        return signer

    def verifier(self) -> Verifier:
        """The verifier key. Raises CannotSign if it is missing or damaged."""
        try:
            return Verifier.parsed(self.verifier_key.read_text())
        except OSError as error:
            raise CannotSign(
                f"There is no verifier key in {self.path}: make a key with `python -m decision_log new-key`."
            ) from error
        except ValueError as error:
            raise CannotSign(f"The verifier key {self.verifier_key} is damaged.") from error

    def make_key(self, origin: str) -> Verifier:
        """Make a key for `origin`. Renames a key of another origin and its last checkpoint. Raises CannotSign."""
        try:
            signer = Signer.generated(origin)
        except NoteRefused as error:
            raise CannotSign(f"The origin cannot be used: {error}.") from error
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self.locked():
                self._put_aside(origin)
                self._replace(self.verifier_key, f"{signer.verifier}\n", 0o644)
                self._replace(self.key, f"{signer.secret}\n", 0o600)
        except OSError as error:
            raise CannotSign(f"The folder {self.path} cannot be written: {error.strerror}.") from error
        return signer.verifier

    def _put_aside(self, origin: str) -> None:
        if not self.key.exists():
            if self.last_signed.exists():
                raise CannotSign(
                    f"{self.path} holds a checkpoint, but not the key that signed it: restore it, or name a new folder."
                )
            return
        old = self.verifier()
        if old.name == origin:
            raise CannotSign(f"There is a key for {origin} in {self.path} already. A new key needs a new origin.")
        for file in (self.key, self.verifier_key, self.last_signed):
            if file.exists():
                file.rename(file.with_name(f"{file.name}.{old.key_id.hex()}"))

    def last(self) -> str | None:
        """The note that was signed last; None if nothing was ever signed. Raises CannotSign if it cannot be read."""
        try:
            return self.last_signed.read_text()
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise CannotSign(f"{self.last_signed} cannot be read.") from error

    def keep(self, note: str) -> None:
        """Store `note` as the last signed one; it is on disk when this returns. Raises CannotSign if that fails."""
        try:
            self._replace(self.last_signed, note, 0o644)
        except OSError as error:
            raise CannotSign(f"{self.last_signed} cannot be written: {error.strerror}.") from error

    def _replace(self, file: Path, text: str, mode: int) -> None:
        fresh = file.with_name(f".{file.name}.new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(file)
        folder = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of the folder. Raises FolderTaken if another process holds it."""
        with (self.path / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise FolderTaken(f"Another sequencer uses {self.path}.") from error
            yield


class FolderTaken(CannotSign):
    """Another process holds the lock of the folder."""
