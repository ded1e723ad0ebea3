"""The tree against the definition of RFC 6962, and proofs that no single bit can be changed in."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.evidence import merkle
from tocsin.kernel.errors import Invalid

SIZES = st.integers(1, 300)


def leaves(size: int) -> list[bytes]:
    return [merkle.leaf_hash(index.to_bytes(4, "big")) for index in range(size)]


def by_definition(hashes: list[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, as written there."""
    if not hashes:
        return merkle.EMPTY_ROOT
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while 2 * k < len(hashes):
        k *= 2
    return merkle.node_hash(by_definition(hashes[:k]), by_definition(hashes[k:]))


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8 % len(data)] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize("size", range(66))
def test_both_ways_to_the_root_agree_with_the_definition(size: int) -> None:
    hashes = leaves(size)
    assert merkle.root_of(hashes) == merkle.root(size, merkle.lookup_of(hashes)) == by_definition(hashes)


@pytest.mark.parametrize("size", range(1, 34))
def test_every_proof_of_a_small_tree_holds(size: int) -> None:
    hashes = leaves(size)
    lookup, root = merkle.lookup_of(hashes), by_definition(hashes)
    for index in range(size):
        proof = merkle.inclusion_proof(index, size, lookup)
        merkle.verify_inclusion(hashes[index], index, size, proof, root)
        assert merkle.root_at(hashes[index], index, size, proof) == by_definition(hashes[: index + 1])
    for earlier in range(1, size + 1):
        proof = merkle.consistency_proof(earlier, size, lookup)
        merkle.verify_consistency(earlier, size, proof, by_definition(hashes[:earlier]), root)


@given(SIZES, st.data())
def test_a_flipped_bit_breaks_an_inclusion_proof(size: int, data: st.DataObject) -> None:
    hashes = leaves(size)
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(index, size, merkle.lookup_of(hashes))
    parts = [hashes[index], merkle.root_of(hashes), *proof]
    merkle.verify_inclusion(parts[0], index, size, parts[2:], parts[1])
    which = data.draw(st.integers(0, len(parts) - 1))
    parts[which] = flipped(parts[which], data.draw(st.integers(0, 255)))
    with pytest.raises(Invalid):
        merkle.verify_inclusion(parts[0], index, size, parts[2:], parts[1])


@given(SIZES, st.data())
def test_a_flipped_bit_breaks_a_consistency_proof(size: int, data: st.DataObject) -> None:
    hashes = leaves(size)
    earlier = data.draw(st.integers(1, size))
    proof = merkle.consistency_proof(earlier, size, merkle.lookup_of(hashes))
    parts = [merkle.root_of(hashes[:earlier]), merkle.root_of(hashes), *proof]
    merkle.verify_consistency(earlier, size, parts[2:], parts[0], parts[1])
    which = data.draw(st.integers(0, len(parts) - 1))
    parts[which] = flipped(parts[which], data.draw(st.integers(0, 255)))
    with pytest.raises(Invalid):
        merkle.verify_consistency(earlier, size, parts[2:], parts[0], parts[1])


@given(SIZES, st.data())
def test_a_proof_holds_for_no_other_place_and_no_other_length(size: int, data: st.DataObject) -> None:
    hashes = leaves(size)
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(index, size, merkle.lookup_of(hashes))
    root = merkle.root_of(hashes)
    other = data.draw(st.integers(-1, size).filter(lambda place: place != index))
    for place, path in ((other, proof), (index, [*proof, root]), (index, [root, *proof]), (index, proof[1:])):
        if (place, path) != (index, proof):
            with pytest.raises(Invalid):
                merkle.verify_inclusion(hashes[index], place, size, path, root)


@given(SIZES, st.data())
def test_a_rewritten_history_is_not_consistent(size: int, data: st.DataObject) -> None:
    hashes = leaves(size)
    earlier = data.draw(st.integers(1, size))
    rewritten = list(hashes)
    place = data.draw(st.integers(0, earlier - 1))
    rewritten[place] = merkle.leaf_hash(b"another past")
    proof = merkle.consistency_proof(earlier, size, merkle.lookup_of(rewritten))
    with pytest.raises(Invalid):
        merkle.verify_consistency(
            earlier, size, proof, merkle.root_of(hashes[:earlier]), merkle.root_of(rewritten)
        )


@given(st.lists(st.integers(0, 20), max_size=8))
def test_a_store_that_keeps_the_appended_nodes_serves_every_later_root(steps: list[int]) -> None:
    hashes = leaves(sum(steps))
    nodes = {(0, index): value for index, value in enumerate(hashes)}
    size = 0

    def lookup(height: int, index: int) -> bytes:
        return nodes[height, index]

    for step in steps:
        appended = merkle.appended_nodes(size, hashes[size : size + step], lookup)
        assert not {(height, index) for height, index, _ in appended} & nodes.keys(), "stored twice"
        nodes.update({(height, index): value for height, index, value in appended})
        size += step
        assert merkle.root(size, lookup) == by_definition(hashes[:size])
    whole = {(height, index) for height in range(9) for index in range(size >> height)}
    assert nodes.keys() == whole


def test_appending_reads_one_older_node_per_height_and_the_root_one_per_peak() -> None:
    hashes = leaves(1000)
    lookup, read = merkle.lookup_of(hashes), []

    def counting(height: int, index: int) -> bytes:
        read.append((height, index))
        return lookup(height, index)

    merkle.appended_nodes(511, [hashes[511]], counting)
    assert read == [(height, (511 >> height) - 1) for height in range(9)]
    read.clear()
    merkle.root(1000, counting)
    assert len(read) == (1000).bit_count()
    read.clear()
    merkle.inclusion_proof(3, 1000, counting)
    assert len(read) <= 20


@pytest.mark.parametrize(
    "call",
    [
        lambda lookup: merkle.inclusion_proof(-1, 3, lookup),
        lambda lookup: merkle.inclusion_proof(3, 3, lookup),
        lambda lookup: merkle.inclusion_proof(0, 0, lookup),
        lambda lookup: merkle.consistency_proof(0, 3, lookup),
        lambda lookup: merkle.consistency_proof(4, 3, lookup),
        lambda lookup: merkle.consistency_proof(-1, 3, lookup),
    ],
)
def test_there_is_no_proof_for_what_the_tree_does_not_have(
    call: Callable[[merkle.NodeLookup], object],
) -> None:
    with pytest.raises(Invalid, match="no"):
        call(merkle.lookup_of(leaves(3)))


ROOT = merkle.root_of(leaves(3))


@pytest.mark.parametrize(
    ("earlier", "later", "proof", "earlier_root", "later_root"),
    [
        (0, 3, [], merkle.EMPTY_ROOT, ROOT),  # nothing follows from an empty tree
        (4, 3, [], ROOT, ROOT),
        (-1, 3, [], ROOT, ROOT),
        (3, 3, [ROOT], ROOT, ROOT),  # a proof where none is needed
        (3, 3, [], leaves(1)[0], ROOT),  # two roots for one size
        (2, 3, [], ROOT, ROOT),
        (3, 4, [], ROOT, ROOT),
        (3, 3, [], b"", b""),
        (3, 3, [], ROOT + b"x", ROOT + b"x"),
        (2, 3, [b""], ROOT, ROOT),
    ],
)
def test_a_claim_of_consistency_without_ground_is_refused(
    earlier: int, later: int, proof: list[bytes], earlier_root: bytes, later_root: bytes
) -> None:
    with pytest.raises(Invalid):
        merkle.verify_consistency(earlier, later, proof, earlier_root, later_root)


def test_bytes_cannot_move_from_one_hash_to_its_neighbour() -> None:
    left, right = leaves(2)
    root = merkle.node_hash(left, right)
    merkle.verify_inclusion(left, 0, 2, [right], root)
    with pytest.raises(Invalid, match="32 bytes"):
        merkle.verify_inclusion(left + right[:1], 0, 2, [right[1:]], root)
    with pytest.raises(Invalid, match="32 bytes"):
        merkle.verify_consistency(1, 2, [right[1:]], left + right[:1], root)


def test_a_leaf_can_never_pass_for_a_node() -> None:
    left, right = leaves(2)
    assert merkle.leaf_hash(left + right) != merkle.node_hash(left, right)


def test_a_hundred_thousand_leaves_take_well_under_a_second() -> None:
    hashes = leaves(100_000)
    started = time.process_time()
    merkle.root_of(hashes)
    assert time.process_time() - started < 1.0  # about 0.06 s on the machine that it was written on
