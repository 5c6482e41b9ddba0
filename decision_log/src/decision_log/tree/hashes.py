"""The Merkle tree of RFC 6962, section 2.1, over SHA-256."""

import hashlib
from collections.abc import Iterable

SIZE = 32
"""Length in bytes of a hash, and of a log entry, which is a commitment."""
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def perfect_root(hashes: bytes) -> bytes:
    """The root over concatenated hashes. Their number is a power of two."""
    while len(hashes) > SIZE:
        hashes = b"".join(
            hashlib.sha256(b"\x01" + hashes[at : at + 2 * SIZE]).digest() for at in range(0, len(hashes), 2 * SIZE)
        )
    return hashes


def joined(hashes: Iterable[bytes]) -> bytes:
    """The root over the roots of perfect subtrees of decreasing size, from left to right."""
    *others, root = hashes
    for left in reversed(others):
        root = node_hash(left, root)
    return root


class Frontier:
    """Computes the root of a tree that grows leaf by leaf. It keeps the perfect subtrees of the right edge."""

    def __init__(self) -> None:
        self.size = 0
        self._edge: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        merges, self.size = self.size, self.size + 1
        while merges & 1:
            leaf = node_hash(self._edge.pop(), leaf)
            merges >>= 1
        self._edge.append(leaf)

    @property
    def root(self) -> bytes:
        return joined(self._edge) if self._edge else EMPTY_ROOT
