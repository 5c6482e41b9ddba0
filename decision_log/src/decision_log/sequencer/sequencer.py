"""One step of the sequencer: check, integrate, sign, publish. A crash is safe at any point.

A tree is signed only if it extends the one that was signed last. A checkpoint is on disk before it is published:

1. integrate: move the queue to leaves and tiles, in one transaction. A crash before its end leaves the queue unchanged.
2. sign: the checkpoint replaces `last-signed`. A crash before it leaves a tree that the next start signs.
3. publish: insert the checkpoint as a row. A crash before it leaves a `last-signed` that the next start publishes.
"""

from decision_log.errors import CannotSign
from decision_log.sequencer.folder import Folder
from decision_log.sequencer.tree_store import TreeStore
from decision_log.tree import proofs
from decision_log.tree.checkpoints import Checkpoint, verified
from decision_log.tree.hashes import EMPTY_ROOT
from decision_log.tree.notes import NoteRefused, Signer

_NEW_ORIGIN = (
    "It must not sign another tree. Restore the newest backup, or begin a new log: "
    "choose another DECISION_LOG_ORIGIN and run `python -m decision_log new-key`."
)


class Sequencer:
    """The sequencer of one origin. The caller holds the locks of the folder and of the database."""

    def __init__(self, store: TreeStore, folder: Folder, signer: Signer) -> None:
        self._store = store
        self._folder = folder
        self._signer = signer
        self._origin = signer.verifier.name
        self._last = self._last_signed()

    def _last_signed(self) -> str | None:
        note = self._folder.last()
        if note is not None:
            self._open(note)
        return note

    def _open(self, note: str) -> Checkpoint:
        try:
            return verified(note, self._signer.verifier)
        except NoteRefused as error:
            raise CannotSign(
                f"The log's last checkpoint does not verify with the key in {self._folder.path} ({error}): "
                "restore the key that signed it."
            ) from error

    def step(self) -> int:
        """Publish a checkpoint that covers the queued entries. Return their number. Raises CannotSign."""
        self.recover()
        if not self._store.queued():
            return 0
        count = self._store.integrate()
        self.recover()
        return count

    def recover(self) -> None:
        """Sign and publish the entries that no checkpoint covers: after a crash, at the first start, in each step."""
        published = self._store.published(self._origin)
        if self._last is None:
            if published is not None:
                raise CannotSign(
                    f"The log {self._origin} has a checkpoint, but {self._folder.path} does not hold what was signed last: "
                    f"name the folder that does with DECISION_LOG_DIR. {_NEW_ORIGIN}"
                )
            self.sign(Checkpoint(self._origin, 0, EMPTY_ROOT))
        last = self._open(self._last or "")
        if published is not None and published.size > last.size:
            raise CannotSign(
                f"The database holds a checkpoint of {published.size} entries, and {self._folder.path} has signed {last.size}: "
                f"the folder or the row is not the true one. {_NEW_ORIGIN}"
            )
        if published is None or published.size < last.size:
            self._check(last, last.size)
            self.publish()
        size = self._store.size()
        root = self._check(last, size)
        if size > last.size:
            self.sign(Checkpoint(self._origin, size, root))
            self.publish()

    def _check(self, last: Checkpoint, size: int) -> bytes:
        """The root of the tree at `size`. Raises CannotSign if this tree does not extend the one signed last."""
        if self._store.size() < last.size:
            raise CannotSign(
                f"The database holds a tree of {self._store.size()} entries, and this log has signed one of {last.size}: "
                f"it was restored from an older backup. {_NEW_ORIGIN}"
            )
        ranges = [(0, last.size), (0, size), *proofs.consistency(last.size, size)]
        before, root, *path = self._store.hashes(ranges)
        if before != last.root or not proofs.extends(last.tree, (size, root), path):
            raise CannotSign(
                f"The tree in the database is not an extension of the one of {last.size} entries that was signed last. "
                f"`python -m decision_log audit` names what was changed. {_NEW_ORIGIN}"
            )
        return root

    def sign(self, checkpoint: Checkpoint) -> None:
        note = checkpoint.signed(self._signer)
        self._folder.keep(note)
        self._last = note

    def publish(self) -> None:
        if self._last is not None:
            self._store.publish(self._origin, self._open(self._last).size, self._last)
