"""The Merkle tree of the log: hashes, roots and proofs (RFC 6962 section 2.1, RFC 9162 section 2.1).

A tree is read through a `NodeLookup`: `lookup(height, index)` returns the hash of the *complete* subtree over
the leaves `index * 2**height` up to `(index + 1) * 2**height`; height 0 is a leaf hash. A database serves
that from one table, since a complete subtree never changes again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

from tocsin.kernel.errors import Invalid

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()
"""The root of a tree without leaves (RFC 6962 section 2.1)."""

LEAF_PREFIX = b"\x00"  # leaves and nodes are hashed differently, so that one can never pass for the other
NODE_PREFIX = b"\x01"

NodeLookup = Callable[[int, int], bytes]
"""(height, index) -> hash of that complete subtree, 32 bytes."""

Node = tuple[int, int, bytes]
"""(height, index, hash)."""


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf that holds `data`, 32 bytes."""
    return sha256(LEAF_PREFIX + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node over two children, 32 bytes."""
    return sha256(NODE_PREFIX + left + right).digest()


def root_of(leaf_hashes: Sequence[bytes]) -> bytes:
    """Return the root over `leaf_hashes`, oldest first; about 1 us a leaf."""
    if not leaf_hashes:
        return EMPTY_ROOT
    level = list(leaf_hashes)
    while len(level) > 1:
        # An odd last node moves up unchanged: the same tree as RFC 6962's split at a power of two.
        odd = [level[-1]] if len(level) % 2 else []
        level = _parents(level) + odd
    return level[0]


def lookup_of(leaf_hashes: Sequence[bytes]) -> NodeLookup:
    """Return a lookup over leaf hashes held in memory."""
    levels = [list(leaf_hashes)]
    while len(levels[-1]) > 1:
        levels.append(_parents(levels[-1]))
    return lambda height, index: levels[height][index]


def _parents(level: Sequence[bytes]) -> list[bytes]:
    # Inlined node_hash: this line is nearly all of the time that a root over a million leaves takes.
    pairs = zip(level[::2], level[1::2], strict=False)  # an odd last one has no parent yet
    return [sha256(b"\x01" + left + right).digest() for left, right in pairs]


def root(size: int, lookup: NodeLookup) -> bytes:
    """Return the root of the first `size` leaves; reads at most log2(size) + 1 nodes."""
    return _range_root(0, size, lookup) if size else EMPTY_ROOT


def appended_nodes(size: int, leaf_hashes: Sequence[bytes], lookup: NodeLookup) -> list[Node]:
    """Return the complete subtrees of height 1 and more that `leaf_hashes` finish on top of `size` leaves.

    `lookup` is asked only for older nodes, at most one per height.
    """
    nodes: list[Node] = []
    level, first, height = list(leaf_hashes), size, 0  # `level` starts at index `first`
    while level:
        if first % 2:
            first -= 1
            level.insert(0, lookup(height, first))
        level, first, height = _parents(level), first // 2, height + 1
        nodes.extend((height, first + offset, value) for offset, value in enumerate(level))
    return nodes


def inclusion_proof(index: int, size: int, lookup: NodeLookup) -> list[bytes]:
    """Return the audit path of leaf `index` in the tree of `size` leaves (RFC 9162 section 2.1.3.1).

    Raises:
        Invalid: the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise Invalid(f"A tree of {size} leaves has no leaf {index}.")
    path: list[bytes] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(_range_root(middle, high, lookup))
            high = middle
        else:
            path.append(_range_root(low, middle, lookup))
            low = middle
    return path[::-1]


def consistency_proof(earlier: int, later: int, lookup: NodeLookup) -> list[bytes]:
    """Return the proof that the tree of `earlier` leaves begins that of `later` leaves (RFC 9162 2.1.4.1).

    Raises:
        Invalid: `earlier` is 0 or more than `later`.
    """
    if not 0 < earlier <= later:
        raise Invalid(f"There is no consistency proof from size {earlier} to size {later}.")
    path: list[bytes] = []
    low, high = 0, later
    while earlier != high:
        middle = low + _split(high - low)
        if earlier <= middle:
            path.append(_range_root(middle, high, lookup))
            high = middle
        else:
            path.append(_range_root(low, middle, lookup))
            low = middle
    if low:  # at low == 0 the verifier already holds this hash: it is the earlier root
        path.append(_range_root(low, high, lookup))
    return path[::-1]


def _split(count: int) -> int:
    return 1 << (count - 1).bit_length() - 1  # the largest power of two below `count`


def _range_root(low: int, high: int, lookup: NodeLookup) -> bytes:
    """Return the root over leaves low to high - 1; `low` is a multiple of the first subtree's size."""
    peaks: list[bytes] = []
    while low < high:
        height = (high - low).bit_length() - 1
        peaks.append(lookup(height, low >> height))
        low += 1 << height
    value = peaks.pop()
    while peaks:
        value = node_hash(peaks.pop(), value)
    return value


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that `leaf` is the hash of leaf `index` of the `size` under `root` (RFC 9162 2.1.3.2).

    Raises:
        Invalid: it is not proved.
    """
    if not 0 <= index < size:
        raise Invalid(f"A tree of {size} leaves has no leaf {index}.")
    _check_hashes(leaf, root, *proof)
    inner = (index ^ (size - 1)).bit_length()  # up to where the paths of this leaf and of the last one meet
    _check_length(proof, inner + (index >> inner).bit_count())
    value = _chain_inner(leaf, proof[:inner], index)
    value = _chain_right(value, proof[inner:])
    if value != root:
        raise Invalid(f"Leaf {index} is not in the tree of {size} leaves: the proof leads to another root.")


def root_at(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """Return the root that the tree had when `leaf`, at `index`, was its last leaf.

    The audit path of a leaf in any later tree of `size` leaves holds all that is needed, since what stood to
    the left never changed. The proof must have been verified by `verify_inclusion`.
    """
    inner = (index ^ (size - 1)).bit_length()
    return _chain_right(_chain_inner_left(leaf, proof[:inner], index), proof[inner:])


def verify_consistency(
    earlier: int, later: int, proof: Sequence[bytes], earlier_root: bytes, later_root: bytes
) -> None:
    """Check that the tree of `earlier` leaves begins the tree of `later` leaves (RFC 9162 2.1.4.2).

    Raises:
        Invalid: it is not proved, or `earlier` is 0, from which nothing can be proved.
    """
    if not 0 < earlier <= later:
        raise Invalid(f"There is no consistency proof from size {earlier} to size {later}.")
    _check_hashes(earlier_root, later_root, *proof)
    if earlier == later:
        _check_length(proof, 0)
        if earlier_root != later_root:
            raise Invalid(f"Two different roots are claimed for the one size {earlier}.")
        return
    shift = (earlier & -earlier).bit_length() - 1  # height of the lowest complete subtree of the earlier tree
    inner = ((earlier - 1) ^ (later - 1)).bit_length() - shift
    path = (earlier - 1) >> shift
    if earlier == 1 << shift:  # the earlier tree is one complete subtree, so its root starts the chain
        start, rest = earlier_root, proof
    else:
        if not proof:
            raise Invalid("The consistency proof is empty.")
        start, rest = proof[0], proof[1:]
    _check_length(rest, inner + (path >> inner).bit_count())
    old = _chain_right(_chain_inner_left(start, rest[:inner], path), rest[inner:])
    if old != earlier_root:
        raise Invalid(f"The proof does not lead to the earlier root, of size {earlier}.")
    new = _chain_right(_chain_inner(start, rest[:inner], path), rest[inner:])
    if new != later_root:
        raise Invalid(f"The proof does not lead to the later root, of size {later}.")


def _chain_inner(value: bytes, proof: Sequence[bytes], index: int) -> bytes:
    for level, other in enumerate(proof):
        value = node_hash(other, value) if index >> level & 1 else node_hash(value, other)
    return value


def _chain_inner_left(value: bytes, proof: Sequence[bytes], index: int) -> bytes:
    for level, other in enumerate(proof):
        if index >> level & 1:  # the right ones are not in the earlier tree
            value = node_hash(other, value)
    return value


def _chain_right(value: bytes, proof: Sequence[bytes]) -> bytes:
    for other in proof:  # along the right edge every neighbour is to the left
        value = node_hash(other, value)
    return value


def _check_hashes(*hashes: bytes) -> None:
    for value in hashes:
        if len(value) != HASH_BYTES:
            raise Invalid(f"A hash has {HASH_BYTES} bytes, this one has {len(value)}.")


def _check_length(proof: Sequence[bytes], expected: int) -> None:
    if len(proof) != expected:
        raise Invalid(f"The proof has {len(proof)} hashes where {expected} belong.")
