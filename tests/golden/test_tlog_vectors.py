"""A complete log that another program wrote and signed: every checkpoint opens, every proof between them holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tocsin.evidence import merkle
from tocsin.evidence.checkpoint import Checkpoint
from tocsin.evidence.note import Note, NoteVerifier
from tocsin.kernel.errors import Invalid, TocsinError

LOG = Path(__file__).resolve().parent.parent / "data" / "vectors" / "tessera-log"
VKEY = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
VERIFIER = NoteVerifier.parse(VKEY)


def entries(size: int) -> list[bytes]:
    """Read an entry bundle (c2sp.org/tlog-tiles): two bytes of length before each entry."""
    data, found = (LOG / "tile" / "entries" / "000.p" / str(size)).read_bytes(), []
    while data:
        length = int.from_bytes(data[:2], "big")
        found.append(data[2 : 2 + length])
        data = data[2 + length :]
    return found


HASHES = [merkle.leaf_hash(entry) for entry in entries(15)]


def checkpoint(size: int) -> Checkpoint:
    """Open the signed checkpoint of `size`."""
    return Checkpoint.open((LOG / f"checkpoint.{size}").read_bytes(), VERIFIER)


@pytest.mark.parametrize("size", range(16))
def test_each_checkpoint_is_signed_and_has_the_root_of_its_entries(size: int) -> None:
    head = checkpoint(size)
    assert (head.origin, head.size, head.root) == (
        "example.com/log/testdata",
        size,
        merkle.root_of(HASHES[:size]),
    )


@pytest.mark.parametrize("size", range(1, 16))
def test_each_bundle_is_the_beginning_of_the_next_and_its_tile_holds_the_leaf_hashes(size: int) -> None:
    tile = (LOG / "tile" / "0" / "000.p" / str(size)).read_bytes()
    assert [tile[at : at + 32] for at in range(0, len(tile), 32)] == HASHES[:size]
    assert [merkle.leaf_hash(entry) for entry in entries(size)] == HASHES[:size]


def test_each_checkpoint_continues_each_earlier_one() -> None:
    lookup = merkle.lookup_of(HASHES)
    for later in range(1, 16):
        for earlier in range(1, later + 1):
            proof = merkle.consistency_proof(earlier, later, lookup)
            roots = checkpoint(earlier).root, checkpoint(later).root
            merkle.verify_consistency(earlier, later, proof, *roots)


def test_a_checkpoint_is_written_back_byte_for_byte() -> None:
    for size in range(16):
        data = (LOG / f"checkpoint.{size}").read_bytes()
        note = Note.parse(data)
        assert note.encode() == data
        assert Checkpoint.parse(note.text).text() == note.text


def test_no_flipped_bit_of_a_checkpoint_is_accepted() -> None:
    data = (LOG / "checkpoint.15").read_bytes()
    for bit in range(len(data) * 8):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(TocsinError):
            Checkpoint.open(bytes(changed), VERIFIER)


def test_a_checkpoint_of_another_key_is_refused() -> None:
    other = NoteVerifier("example.com/log/testdata", bytes(32))
    with pytest.raises(Invalid, match="not signed by"):
        Checkpoint.open((LOG / "checkpoint.3").read_bytes(), other)
