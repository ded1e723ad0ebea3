"""Checkpoints (c2sp.org/tlog-checkpoint): what is not exactly one is malformed."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.evidence.checkpoint import Checkpoint
from tocsin.evidence.note import NoteSigner
from tocsin.kernel.errors import Invalid, Malformed

SIGNER = NoteSigner(bytes(range(32)), "tocsin.example/log")
ROOT = base64.b64encode(bytes(32)).decode()
LINES = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=20)


@given(LINES, st.integers(0, 2**64 - 1), st.binary(min_size=32, max_size=32), st.lists(LINES, max_size=2))
def test_a_checkpoint_is_read_back_and_opens_with_its_key(
    origin: str, size: int, root: bytes, extensions: list[str]
) -> None:
    head = Checkpoint(origin, size, root, tuple(extensions))
    assert Checkpoint.parse(head.text()) == head
    assert Checkpoint.open(head.sign(SIGNER), SIGNER.verifier) == head


def test_it_is_three_lines_without_extensions() -> None:
    assert Checkpoint("o", 7, bytes(32)).text() == f"o\n7\n{ROOT}\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        f"o\n1\n{ROOT}",
        f"o\n1\n{ROOT}x",
        "o\n1\n",
        f"\n1\n{ROOT}\n",
        f"o\n01\n{ROOT}\n",
        f"o\n+1\n{ROOT}\n",
        f"o\n-1\n{ROOT}\n",
        f"o\n 1\n{ROOT}\n",
        f"o\n1_0\n{ROOT}\n",
        f"o\n١\n{ROOT}\n",
        f"o\n0x1\n{ROOT}\n",
        f"o\n{2**64}\n{ROOT}\n",
        f"o\n{'9' * 5000}\n{ROOT}\n",
        "o\n1\nAAAA\n",
        f"o\n1\n{ROOT[:-1]}\n",
        f"o\n1\n{ROOT[:-2]}B=\n",  # base64 with bits that mean nothing
        f"o\n1\n{ROOT} \n",
        "o\n1\né\n",
        f"o\n1\n{ROOT}\n\n",
        f"o\n1\n{ROOT}\nextension\n\n",
    ],
)
def test_what_is_not_exactly_a_checkpoint_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        Checkpoint.parse(text)


@pytest.mark.parametrize(
    "head",
    [
        Checkpoint("", 1, bytes(32)),
        Checkpoint("o\n5", 1, bytes(32)),  # would read back with another size
        Checkpoint("o", -1, bytes(32)),
        Checkpoint("o", 1, bytes(31)),
        Checkpoint("o", 1, bytes(32), ("",)),
        Checkpoint("o", 1, bytes(32), ("two\nlines",)),
    ],
)
def test_what_would_read_back_otherwise_is_not_signed(head: Checkpoint) -> None:
    with pytest.raises(Malformed):
        head.sign(SIGNER)


def test_a_checkpoint_of_another_key_does_not_open() -> None:
    data = Checkpoint("o", 1, bytes(32)).sign(NoteSigner(bytes(32), "other.example"))
    with pytest.raises(Invalid, match="not signed by"):
        Checkpoint.open(data, SIGNER.verifier)
