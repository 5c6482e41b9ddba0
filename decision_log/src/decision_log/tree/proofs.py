"""Inclusion and consistency proofs of RFC 6962, sections 2.1.1 and 2.1.2: their hashes, and their verification."""

from collections.abc import Sequence

from decision_log.tree.hashes import EMPTY_ROOT, node_hash
from decision_log.tree.tiles import Range

LONGEST = 63
"""Maximum number of hashes in a proof."""


def inclusion(index: int, size: int) -> list[Range]:
    """The ranges of an inclusion proof, the leaf's sibling first. Their hashes lead from the leaf to the root."""
    if not 0 <= index < size:
        raise ValueError("a leaf outside the tree")
    path: list[Range] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start = middle
    return path[::-1]


def consistency(old: int, new: int) -> list[Range]:
    """The ranges of a proof that the tree of size `new` begins with the tree of size `old`."""
    if not 0 <= old <= new:
        raise ValueError("a tree does not shrink")
    if old in (0, new):
        return []
    path: list[Range] = []
    start, end = 0, new
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start = middle
    if start:
        path.append((start, end))
    return path[::-1]


def _split(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << ((count - 1).bit_length() - 1)


def includes(leaf: bytes, index: int, size: int, root: bytes, path: Sequence[bytes]) -> bool:
    """Whether `path` shows that `leaf` is at `index` of the tree."""
    if not 0 <= index < size:
        return False
    node, last, found = index, size - 1, leaf
    for sibling in path:
        if not last:
            return False
        if node & 1 or node == last:
            found = node_hash(sibling, found)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        node, last = node >> 1, last >> 1
    return not last and found == root


def extends(old: tuple[int, bytes], new: tuple[int, bytes], path: Sequence[bytes]) -> bool:
    """Whether `path` shows that the tree `new` (size, root) begins with all of the tree `old`."""
    (old_size, old_root), (new_size, new_root) = old, new
    if old_size == new_size:
        return not path and old_root == new_root
    if not old_size:
        return not path and old_root == EMPTY_ROOT
    if old_size > new_size or not path:
        return False
    hashes = [old_root, *path] if old_size & (old_size - 1) == 0 else list(path)
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    first = second = hashes[0]
    for sibling in hashes[1:]:
        if not last:
            return False
        if node & 1 or node == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        node, last = node >> 1, last >> 1
    return not last and first == old_root and second == new_root
