"""Signed notes: text, a blank line, signatures (c2sp.org/signed-note). Ed25519 only (RFC 8032).

Parsing is strict: a note, a key and their base64 have exactly one form here, so that bytes compare.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tocsin.kernel.errors import Invalid, Malformed

ED25519 = 0x01  # the signature type of c2sp.org/signed-note
KEY_BYTES = 32
KEY_ID_BYTES = 4
LARGEST_NOTE = 1_000_000  # bytes; far above 16 of the largest signatures in use, which must be accepted
MOST_SIGNATURES = 100

_DASH = "\N{EM DASH} "


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line. `key_id` is 4 bytes; `value` is what the key made of the note's text."""

    name: str
    key_id: bytes
    value: bytes

    def line(self) -> str:
        """Return the line as it stands in a note, newline included."""
        return f"{_DASH}{self.name} {_base64(self.key_id + self.value)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A note as parsed. Its text means nothing until a signature of a known key is verified."""

    text: str
    """Ends in a newline."""
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a signed note; raise `Malformed` when `data` is not exactly one."""
        if len(data) > LARGEST_NOTE:
            raise Malformed(f"A signed note has at most {LARGEST_NOTE} bytes.")
        try:
            whole = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Malformed("A signed note is UTF-8 text.") from error
        if any(character < " " and character != "\n" for character in whole):
            raise Malformed("A signed note has no control characters besides newline.")
        text, blank, tail = whole.rpartition("\n\n")
        if not blank or not tail.endswith("\n"):
            raise Malformed("A signed note is text, a blank line and signature lines that end in a newline.")
        lines = tail[:-1].split("\n")
        if len(lines) > MOST_SIGNATURES:
            raise Malformed(f"A signed note has at most {MOST_SIGNATURES} signatures.")
        return cls(text + "\n", tuple(_signature(line) for line in lines))

    def encode(self) -> bytes:
        """Return the bytes of the note, the same that `parse` read."""
        return (self.text + "\n" + "".join(signature.line() for signature in self.signatures)).encode("utf-8")


@dataclass(frozen=True, slots=True)
class NoteVerifier:
    """A public key with its name, which together check signatures."""

    name: str
    public: bytes
    """32 bytes."""

    def __post_init__(self) -> None:
        _check_name(self.name)
        if len(self.public) != KEY_BYTES:
            raise Malformed(f"An Ed25519 public key has {KEY_BYTES} bytes.")

    @property
    def key_id(self) -> bytes:
        """The 4 bytes that tell keys of one name apart; not a strong hash."""
        hashed = self.name.encode() + b"\n" + bytes([ED25519]) + self.public
        return hashlib.sha256(hashed).digest()[:KEY_ID_BYTES]

    @property
    def label(self) -> str:
        """`name+hash`: what a person calls this key."""
        return f"{self.name}+{self.key_id.hex()}"

    @property
    def vkey(self) -> str:
        """The verifier key as text, `name+hash+base64`."""
        return f"{self.label}+{_base64(bytes([ED25519]) + self.public)}"

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """Read a verifier key; raise `Malformed` when it is none, `Invalid` when its hash does not fit."""
        name, *rest = vkey.split("+", 2)  # base64 may hold a plus, a name may not
        if len(rest) != 2:
            raise Malformed("A verifier key is name+hash+base64.", mend="Copy the whole line.")
        key = _decode(rest[1], "the key in a verifier key")
        if key[:1] != bytes([ED25519]):
            raise Malformed("This verifier key is not for Ed25519 (type 1), the only type known here.")
        verifier = cls(name, key[1:])
        if verifier.vkey != vkey:
            raise Invalid(f"The hash {rest[0]!r} in this verifier key does not belong to its name and key.")
        return verifier

    def verify(self, note: Note) -> None:
        """Check that this key signed `note`; signatures of other keys are ignored.

        Raises:
            Invalid: this key did not sign, or a signature under its name and id is wrong.
        """
        own = [one for one in note.signatures if (one.name, one.key_id) == (self.name, self.key_id)]
        if not own:
            raise Invalid(f"The note is not signed by {self.label}.")
        for one in own:
            try:
                Ed25519PublicKey.from_public_bytes(self.public).verify(one.value, note.text.encode("utf-8"))
            except (InvalidSignature, ValueError) as error:
                raise Invalid(f"The signature of {self.label} does not fit the text of the note.") from error


class NoteSigner:
    """A secret Ed25519 key with its name. The 32 byte seed is handed in and is the whole secret."""

    def __init__(self, seed: bytes, name: str) -> None:
        if len(seed) != KEY_BYTES:
            raise Malformed(f"An Ed25519 seed has {KEY_BYTES} bytes.")
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = NoteVerifier(name, self._key.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"NoteSigner({self.verifier.label})"

    @property
    def name(self) -> str:
        """The name that the key signs under."""
        return self.verifier.name

    @property
    def vkey(self) -> str:
        """The verifier key as text."""
        return self.verifier.vkey

    def sign(self, text: str) -> bytes:
        """Return `text`, which ends in a newline, as a note signed by this key."""
        if not text.endswith("\n"):
            raise Malformed("The text of a note ends in a newline.")
        value = self._key.sign(text.encode("utf-8"))
        data = Note(text, (Signature(self.name, self.verifier.key_id, value),)).encode()
        Note.parse(data)  # refuse to sign what nobody could read back
        return data


def _signature(line: str) -> Signature:
    if not line.startswith(_DASH):
        raise Malformed("A signature line begins with an em dash and a space.")
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not space:
        raise Malformed("A signature line is an em dash, a key name and base64.")
    _check_name(name)
    value = _decode(encoded, "a signature")
    if len(value) <= KEY_ID_BYTES:
        raise Malformed("A signature is a key id of 4 bytes and at least one byte more.")
    return Signature(name, value[:KEY_ID_BYTES], value[KEY_ID_BYTES:])


def _check_name(name: str) -> None:
    if not name or "+" in name or any(character.isspace() for character in name):
        raise Malformed(f"{name!r} is not a key name: one or more characters, no spaces, no plus.")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _decode(text: str, what: str) -> bytes:
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise Malformed(f"The base64 of {what} cannot be read.") from error
    if _base64(data) != text:
        raise Malformed(f"The base64 of {what} is not in its one standard form (RFC 4648 section 4).")
    return data
