"""The tree against the definitions of RFC 6962, which are written here once more in their plainest form."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decision_log.tree import proofs
from decision_log.tree.hashes import EMPTY_ROOT, Frontier, leaf_hash, node_hash
from decision_log.tree.tiles import (
    ENTRIES,
    Address,
    Tile,
    TileMissing,
    address,
    edge,
    extended,
    needed,
    path,
    range_hash,
    widths,
)

# The eight leaves of the test vectors of certificate-transparency (merkle tree of RFC 6962) and the roots of their prefixes.
LEAVES = [
    bytes.fromhex(each)
    for each in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def plain_root(hashes: list[bytes]) -> bytes:
    if len(hashes) <= 1:
        return hashes[0] if hashes else hashlib.sha256(b"").digest()
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return node_hash(plain_root(hashes[:split]), plain_root(hashes[split:]))


def leaves(size: int) -> list[bytes]:
    return [leaf_hash(b"%d" % number) for number in range(size)]


def grown(size: int, step: int) -> dict[Tile, bytes]:
    tiles: dict[Tile, bytes] = {}
    hashes = leaves(size)
    for at in range(0, size, step):
        tiles |= extended(at, tiles, hashes[at : at + step])
    return tiles


@pytest.mark.parametrize("size", range(1, 9))
def test_the_roots_are_those_of_the_published_vectors(size: int) -> None:
    hashes = [leaf_hash(leaf) for leaf in LEAVES[:size]]
    frontier = Frontier()
    for each in hashes:
        frontier.add(each)
    assert frontier.root.hex() == ROOTS[size - 1]
    assert range_hash((0, size), extended(0, {}, hashes)).hex() == ROOTS[size - 1]


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert range_hash((0, 0), {}) == EMPTY_ROOT == hashlib.sha256(b"").digest() == Frontier().root


@settings(deadline=None, max_examples=60)
@given(size=st.integers(1, 1_200), step=st.integers(1, 400))
def test_tiles_are_the_same_however_the_tree_grew(size: int, step: int) -> None:
    tiles = grown(size, step)
    assert tiles == grown(size, size)
    assert range_hash((0, size), tiles) == plain_root(leaves(size))
    assert {tile: len(data) // 32 for tile, data in tiles.items()} == {
        Tile(level, number): 256 if number < full else partial
        for level, full, partial in widths(size)
        for number in range(full + (partial > 0))
    }


def test_a_tree_of_70000_has_the_tiles_that_the_specification_counts() -> None:
    assert list(widths(70_000)) == [(0, 273, 112), (1, 1, 17), (2, 0, 1)]
    assert list(widths(256)) == [(0, 1, 0), (1, 0, 1)]
    assert edge(70_000) == [Tile(0, 273), Tile(1, 1), Tile(2, 0)]


TREE = grown(600, 600)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_every_leaf_of_every_tree_can_be_proved_and_no_other(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 600))
    index = data.draw(st.integers(0, size - 1))
    ranges = proofs.inclusion(index, size)
    read = {tile: TREE[tile] for tile in needed(ranges)}
    hashes = [range_hash(each, read) for each in ranges]
    leaf, root = leaf_hash(b"%d" % index), plain_root(leaves(size))
    assert proofs.includes(leaf, index, size, root, hashes)
    assert not proofs.includes(leaf_hash(b"another"), index, size, root, hashes)
    other = data.draw(st.integers(0, size + 1).filter(lambda each: each != index))
    assert not proofs.includes(leaf, other, size, root, hashes)
    assert not proofs.includes(leaf, index, size, root, [*hashes, root])
    if hashes:
        assert not proofs.includes(leaf, index, size, root, hashes[:-1])


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_every_tree_extends_the_smaller_ones_and_no_other(data: st.DataObject) -> None:
    new = data.draw(st.integers(0, 600))
    old = data.draw(st.integers(0, new))
    ranges = proofs.consistency(old, new)
    hashes = [range_hash(each, TREE) for each in ranges]
    before, after = (old, plain_root(leaves(old))), (new, plain_root(leaves(new)))
    assert proofs.extends(before, after, hashes)
    assert not proofs.extends((old, leaf_hash(b"another root")), after, hashes)
    assert not proofs.extends(before, after, [*hashes, after[1]])
    if old < new:
        assert not proofs.extends(after, before, hashes)
    if 0 < old < new:
        assert not proofs.extends(before, (new, leaf_hash(b"another root")), hashes)
        assert not proofs.extends(before, after, hashes[:-1])


def test_a_tile_that_is_gone_or_short_is_named() -> None:
    without = {tile: data for tile, data in TREE.items() if tile != Tile(0, 1)}
    with pytest.raises(TileMissing, match=r"^tile/0/001$"):
        range_hash((300, 301), without)
    with pytest.raises(TileMissing, match=r"^tile/1/000$"):
        range_hash((0, 600), TREE | {Tile(1, 0): TREE[Tile(1, 0)][:32]})
    with pytest.raises(TileMissing, match=r"tile/0/002"):
        extended(600, TREE | {Tile(0, 2): TREE[Tile(0, 2)][:64]}, [b"\0" * 32])


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("tile/0/000", Address(Tile(0, 0), 256)),
        ("tile/1/x001/x234/067", Address(Tile(1, 1_234_067), 256)),
        ("tile/entries/x273/000.p/112", Address(Tile(ENTRIES, 273_000), 112)),
        ("tile/63/005.p/1", Address(Tile(63, 5), 1)),
    ],
)
def test_paths_name_tiles(text: str, named: Address) -> None:
    assert address(text) == named
    assert path(*named) == text


@pytest.mark.parametrize(
    "text",
    [
        "tile/0/0",
        "tile/00/000",
        "tile/64/000",
        "tile/0/000/001",
        "tile/0/x000/001",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/001/",
        "/tile/0/001",
        "tile/-1/000",
        "tile/0/000.p/257",
        "tile/entries/1000",
        "checkpoint",
        "tile/0/x001",
        "tile/0/١١١",
        "tile/0/000\n",
    ],
)
def test_other_spellings_name_nothing(text: str) -> None:
    assert address(text) is None
