"""Checkpoints (c2sp.org/tlog-checkpoint): the signed size and root of a log's tree."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from decision_log.tree.hashes import SIZE
from decision_log.tree.notes import NoteRefused, Signer, Verifier, decoded, encoded, opened

_TEXT = re.compile(r"([^\n]+)\n(0|[1-9]\d{0,18})\n([A-Za-z0-9+/]{43}=)\n(?:[^\n]+\n)*", re.ASCII)


class Checkpoint(NamedTuple):
    origin: str
    size: int
    root: bytes

    @property
    def tree(self) -> tuple[int, bytes]:
        return self.size, self.root

    def signed(self, signer: Signer) -> str:
        return signer.signed(f"{self.origin}\n{self.size}\n{encoded(self.root)}\n")


def parsed(text: str) -> Checkpoint:
    """Parse the text of a note. Raises NoteRefused."""
    found = _TEXT.fullmatch(text)
    if not found:
        raise NoteRefused("not a checkpoint: origin, size and root hash")
    root = decoded(found[3])
    if len(root) != SIZE:
        raise NoteRefused("the root hash of the checkpoint is not one of SHA-256")
    return Checkpoint(found[1], int(found[2]), root)


def verified(note: str, verifier: Verifier, witnesses: Sequence[Verifier] = ()) -> Checkpoint:
    """The checkpoint of a note. Raises NoteRefused unless the log and all `witnesses` signed it.

    The origin of a log is the name of its key.
    """
    checkpoint = parsed(opened(note, [verifier, *witnesses]))
    if checkpoint.origin != verifier.name:
        raise NoteRefused("the checkpoint is that of another log")
    return checkpoint
