"""What is sealed opens with its key, at its place, unchanged; and not otherwise."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from tocsin.evidence import sealing
from tocsin.kernel import canonical
from tocsin.kernel.errors import Invalid, Malformed

KEY, OTHER_KEY = bytes(range(32)), bytes(32)
NONCE, IV = b"n" * 16, b"i" * 12


@given(st.binary(), st.text(st.characters(exclude_categories=["Cs"])), st.integers(1, 2**40))
def test_a_payload_opens_at_its_place(payload: bytes, stream: str, position: int) -> None:
    sealed = sealing.seal(KEY, stream, position, NONCE, payload, IV)
    assert sealing.unseal(KEY, stream, position, sealed) == (NONCE, payload)


@pytest.mark.parametrize(
    ("key", "stream", "position"),
    [(OTHER_KEY, "incident:1", 1), (KEY, "incident:2", 1), (KEY, "incident:1", 2)],
)
def test_it_opens_with_no_other_key_and_at_no_other_place(key: bytes, stream: str, position: int) -> None:
    sealed = sealing.seal(KEY, "incident:1", 1, NONCE, b"payload", IV)
    with pytest.raises(Invalid, match="cannot be opened"):
        sealing.unseal(key, stream, position, sealed)


def test_no_flipped_bit_goes_unseen() -> None:
    sealed = sealing.seal(KEY, "incident:1", 1, NONCE, b"payload", IV)
    for bit in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Invalid):
            sealing.unseal(KEY, "incident:1", 1, bytes(changed))


@given(st.binary(max_size=40))
def test_other_bytes_are_invalid_and_nothing_else(data: bytes) -> None:
    with pytest.raises(Invalid):
        sealing.unseal(KEY, "s", 1, data)


def test_a_sealed_payload_without_a_whole_nonce_is_invalid() -> None:
    place = canonical.encode({"use": "payload", "stream": "s", "position": 1})
    short = IV + AESGCM(KEY).encrypt(IV, b"fifteen bytes..", place)
    with pytest.raises(Invalid, match="too short"):
        sealing.unseal(KEY, "s", 1, short)


def test_a_scope_key_opens_under_its_master_key_and_scope_only() -> None:
    wrapped = sealing.wrap(KEY, "incident-1", OTHER_KEY, IV)
    assert sealing.unwrap(KEY, "incident-1", wrapped) == OTHER_KEY
    for master, scope in ((OTHER_KEY, "incident-1"), (KEY, "incident-2")):
        with pytest.raises(Invalid):
            sealing.unwrap(master, scope, wrapped)


def test_evidence_opens_under_its_digest_only() -> None:
    sealed = sealing.seal_blob(KEY, "ab" * 32, b"evidence", IV)
    assert sealing.unseal_blob(KEY, "ab" * 32, sealed) == b"evidence"
    with pytest.raises(Invalid):
        sealing.unseal_blob(KEY, "cd" * 32, sealed)


def test_what_was_sealed_for_one_use_opens_for_no_other() -> None:
    sealed = sealing.seal(KEY, "s", 1, NONCE, b"", IV)
    with pytest.raises(Invalid):
        sealing.unseal_blob(KEY, "s", sealed)
    with pytest.raises(Invalid):
        sealing.unwrap(KEY, "s", sealed)


def test_neither_payload_nor_key_stands_in_the_sealed_bytes() -> None:
    sealed = sealing.seal(KEY, "s", 1, NONCE, b"a name that is nobody's business", IV)
    assert b"nobody" not in sealed
    assert NONCE not in sealed
    assert OTHER_KEY not in sealing.wrap(KEY, "s", OTHER_KEY, IV)


@pytest.mark.parametrize(
    ("key", "nonce", "iv"),
    [(b"short", NONCE, IV), (KEY, b"short", IV), (KEY, NONCE, b"short"), (KEY, NONCE, b"")],
)
def test_keys_nonces_and_ivs_have_their_length(key: bytes, nonce: bytes, iv: bytes) -> None:
    with pytest.raises(Malformed, match="has"):
        sealing.seal(key, "s", 1, nonce, b"", iv)


def test_a_key_that_is_no_key_is_neither_wrapped_nor_used() -> None:
    with pytest.raises(Malformed):
        sealing.wrap(KEY, "s", b"short", IV)
    with pytest.raises(Malformed):
        sealing.unwrap(b"short", "s", b"x" * 60)
