"""Signed notes have one form, and only the key that is known counts (c2sp.org/signed-note)."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.evidence.note import Note, NoteSigner, NoteVerifier, Signature
from tocsin.kernel.errors import Invalid, Malformed, TocsinError

SIGNER = NoteSigner(bytes(range(32)), "tocsin.example/log")
OTHER = NoteSigner(bytes(32), "witness.example")
TEXT = "one\n\ntwo é\n"
NAMES = st.text(st.characters(exclude_categories=["Z", "C"], exclude_characters="+"), min_size=1, max_size=20)


def signed_by(*signers: NoteSigner, text: str = TEXT) -> bytes:
    signatures = [Note.parse(signer.sign(text)).signatures[0] for signer in signers]
    return Note(text, tuple(signatures)).encode()


def test_a_signed_note_verifies_and_is_written_back_byte_for_byte() -> None:
    data = SIGNER.sign(TEXT)
    note = Note.parse(data)
    SIGNER.verifier.verify(note)
    assert note.text == TEXT
    assert note.encode() == data


def test_signing_is_deterministic() -> None:
    assert SIGNER.sign(TEXT) == NoteSigner(bytes(range(32)), "tocsin.example/log").sign(TEXT)


def test_a_key_never_shows_its_secret() -> None:
    assert repr(SIGNER) == f"NoteSigner(tocsin.example/log+{SIGNER.verifier.key_id.hex()})"


@given(NAMES, st.binary(min_size=32, max_size=32))
def test_a_verifier_key_is_read_back_from_its_text(name: str, seed: bytes) -> None:
    signer = NoteSigner(seed, name)
    assert NoteVerifier.parse(signer.vkey) == signer.verifier
    assert NoteVerifier.parse(signer.vkey).vkey == signer.vkey


@given(st.integers(0, 8 * len(SIGNER.vkey) - 1))
def test_no_flipped_bit_of_a_verifier_key_gives_a_key(bit: int) -> None:
    data = bytearray(SIGNER.vkey.encode())
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises(TocsinError):
        NoteVerifier.parse(data.decode("latin-1"))


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "name",
        "name+33d7b496",
        "+".join(["name", "00000000", base64.b64encode(b"\x01" + bytes(32)).decode()]),  # the hash of another
        "+".join(["name", "00000000", base64.b64encode(b"\x02" + bytes(32)).decode()]),  # another algorithm
        "+".join(["name", "00000000", base64.b64encode(b"\x01" + bytes(31)).decode()]),
        SIGNER.vkey.upper(),
        SIGNER.vkey + "\n",
        " " + SIGNER.vkey,
        SIGNER.vkey.rstrip("=") + "!",
        SIGNER.vkey.replace("tocsin.example/log", ""),
        SIGNER.vkey.replace("tocsin", "tocs in"),
        SIGNER.vkey[:-1] + "é",
    ],
)
def test_what_is_not_exactly_a_verifier_key_is_refused(vkey: str) -> None:
    with pytest.raises((Malformed, Invalid)):
        NoteVerifier.parse(vkey)


def test_a_key_of_another_type_or_length_is_malformed() -> None:
    with pytest.raises(Malformed, match="Ed25519"):
        NoteVerifier.parse("name+00000000+" + base64.b64encode(b"\x02" + bytes(32)).decode())
    with pytest.raises(Malformed, match="32 bytes"):
        NoteVerifier("name", bytes(31))


def test_signatures_of_unknown_keys_are_ignored_and_do_not_help() -> None:
    both = Note.parse(signed_by(OTHER, SIGNER))
    SIGNER.verifier.verify(both)
    OTHER.verifier.verify(both)
    with pytest.raises(Invalid, match="not signed by"):
        SIGNER.verifier.verify(Note.parse(signed_by(OTHER)))


def test_a_wrong_signature_under_the_known_key_spoils_the_note() -> None:
    good = Note.parse(SIGNER.sign(TEXT))
    wrong = Signature(SIGNER.name, SIGNER.verifier.key_id, bytes(64))
    short = Signature(SIGNER.name, SIGNER.verifier.key_id, b"x")
    for bad in (wrong, short):
        with pytest.raises(Invalid, match="does not fit"):
            SIGNER.verifier.verify(Note(good.text, (*good.signatures, bad)))


def test_a_key_of_the_same_name_is_another_key() -> None:
    namesake = NoteSigner(bytes(32), SIGNER.name)
    with pytest.raises(Invalid, match="not signed by"):
        SIGNER.verifier.verify(Note.parse(namesake.sign(TEXT)))


def test_the_text_is_all_before_the_last_blank_line() -> None:
    assert Note.parse(SIGNER.sign("a\n\n\n")).text == "a\n\n\n"


GOOD = SIGNER.sign("text\n").decode()
LINE = GOOD.split("\n")[2]


@pytest.mark.parametrize(
    "data",
    [
        "",
        "text\n",
        "text\n\n",
        GOOD[:-1],
        GOOD[:-1] + "x",
        GOOD + "\n",
        GOOD + "x\n",
        GOOD.replace("\n\n", "\n"),
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("text", "te\x00xt"),
        GOOD.replace("text", "te\txt"),
        GOOD.replace("— ", "- "),
        GOOD.replace("— ", "—"),
        GOOD.replace("— ", "—  "),
        f"text\n\n— {SIGNER.name}\n",
        f"text\n\n— {SIGNER.name} \n",
        f"text\n\n— {SIGNER.name} AAAA\n",  # three bytes: not even a key id
        f"text\n\n— {SIGNER.name} AAAAAA==\n",  # a key id and nothing signed
        f"text\n\n— {SIGNER.name} AAAAAAB=\n",  # base64 with bits that mean nothing
        f"text\n\n—  {LINE.split(' ')[2]}\n",
        f"text\n\n— a+b {LINE.split(' ')[2]}\n",
        f"text\n\n— a\u00a0b {LINE.split(' ')[2]}\n",
        GOOD + f"{LINE}\n" * 100,
        "x" * 1_000_000 + "\n\n" + LINE + "\n",
    ],
)
def test_what_is_not_exactly_a_note_is_malformed(data: str) -> None:
    with pytest.raises(Malformed):
        Note.parse(data.encode())


def test_bytes_that_are_no_text_are_malformed() -> None:
    with pytest.raises(Malformed, match="UTF-8"):
        Note.parse(GOOD.encode() + b"\xff\n")


def test_a_hundred_signatures_are_read() -> None:
    assert len(Note.parse((GOOD + f"{LINE}\n" * 99).encode()).signatures) == 100


@given(st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
def test_bytes_are_a_note_in_its_one_form_or_malformed(data: bytes) -> None:
    for whole in (data, data + GOOD.encode(), GOOD.encode() + data):
        try:
            note = Note.parse(whole)
        except Malformed:
            continue
        assert note.encode() == whole


@pytest.mark.parametrize("text", ["", "no newline", "tab\t\n", "nul\0\n"])
def test_what_could_not_be_read_back_is_not_signed(text: str) -> None:
    with pytest.raises(Malformed):
        SIGNER.sign(text)


@pytest.mark.parametrize(
    ("seed", "name"), [(b"short", "n"), (bytes(32), ""), (bytes(32), "a+b"), (bytes(32), "a b")]
)
def test_a_signer_needs_a_whole_seed_and_a_proper_name(seed: bytes, name: str) -> None:
    with pytest.raises(Malformed):
        NoteSigner(seed, name)
