"""The text of an offline proof (c2sp.org/tlog-proof@v1): salt, index, inclusion path and checkpoint."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from decision_log.tree import checkpoints
from decision_log.tree.hashes import SIZE, leaf_hash
from decision_log.tree.notes import NoteRefused, Verifier, decoded, encoded
from decision_log.tree.proofs import LONGEST, includes

_HEAD = "c2sp.org/tlog-proof@v1"
_TEXT = re.compile(
    rf"{re.escape(_HEAD)}\n(?:extra ([^\n]*)\n)?index (0|[1-9]\d{{0,18}})\n((?:[^\n]+\n){{0,{LONGEST}}})\n(.+)",
    re.ASCII | re.DOTALL,
)


class Proof(NamedTuple):
    """An offline proof. `checkpoint` is the signed note, verbatim."""

    extra: bytes
    index: int  # type: ignore[assignment]  # the proof format has this name; tuple.index is not called
    path: Sequence[bytes]
    checkpoint: str

    def __str__(self) -> str:
        extra = f"extra {encoded(self.extra)}\n" if self.extra else ""
        path = "".join(f"{encoded(each)}\n" for each in self.path)
        return f"{_HEAD}\n{extra}index {self.index}\n{path}\n{self.checkpoint}"


def parsed(text: str) -> Proof:
    """Parse the text of a proof. Raises NoteRefused."""
    found = _TEXT.fullmatch(text)
    if not found:
        raise NoteRefused("not a proof of the form c2sp.org/tlog-proof@v1")
    extra, index, path, checkpoint = found.groups()
    hashes = [decoded(line) for line in path.split("\n")[:-1]]
    if any(len(each) != SIZE for each in hashes):
        raise NoteRefused("a hash of the proof is not one of SHA-256")
    return Proof(decoded(extra or ""), int(index), hashes, checkpoint)


def verified(
    proof: Proof, entry: bytes, verifier: Verifier, witnesses: Sequence[Verifier] = ()
) -> checkpoints.Checkpoint:
    """The checkpoint that covers `entry`. Raises NoteRefused if the proof does not verify."""
    checkpoint = checkpoints.verified(proof.checkpoint, verifier, witnesses)
    if not includes(leaf_hash(entry), proof.index, checkpoint.size, checkpoint.root, proof.path):
        raise NoteRefused("the record is not the one that the log holds at this index")
    return checkpoint
