"""Checkpoints: the size and root of the log at one moment, as a signed note (c2sp.org/tlog-checkpoint)."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Self

from tocsin.evidence.merkle import HASH_BYTES
from tocsin.evidence.note import Note, NoteSigner, NoteVerifier
from tocsin.kernel.errors import Malformed

LARGEST_SIZE = 2**64 - 1
_SIZE = re.compile(r"0|[1-9][0-9]{0,19}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log: who issued it, how many leaves it has, and the root over them (32 bytes)."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()
    """Opaque further lines. Others may write them; tocsin writes none, since nobody can audit them."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a note as a checkpoint; raise `Malformed` when it is none."""
        if not text.endswith("\n"):
            raise Malformed("A checkpoint ends in a newline.")
        lines = text[:-1].split("\n")
        if len(lines) < 3 or not all(lines):
            raise Malformed("A checkpoint is three or more lines, none empty: origin, size and root.")
        origin, size, root, *extensions = lines
        if not _SIZE.fullmatch(size) or int(size) > LARGEST_SIZE:
            raise Malformed(f"{size[:30]!r} is not the size of a log: decimal digits, no leading zero.")
        return cls(origin, int(size), _root(root), tuple(extensions))

    def text(self) -> str:
        """Return the text to sign; raise `Malformed` when a field cannot stand in a checkpoint."""
        root = base64.b64encode(self.root).decode("ascii")
        text = "".join(f"{line}\n" for line in (self.origin, self.size, root, *self.extensions))
        if Checkpoint.parse(text) != self:  # an origin with a newline would read back as another checkpoint
            raise Malformed("This checkpoint would read back as another one.")
        return text

    def sign(self, signer: NoteSigner) -> bytes:
        """Return the checkpoint as a note signed by `signer`."""
        return signer.sign(self.text())

    @classmethod
    def open(cls, data: bytes, verifier: NoteVerifier) -> Self:
        """Return the checkpoint in the note `data` after checking that `verifier`'s key signed it.

        Raises:
            Malformed: not a note, or not a checkpoint.
            Invalid: not signed by that key.
        """
        note = Note.parse(data)
        verifier.verify(note)
        return cls.parse(note.text)


def _root(text: str) -> bytes:
    try:
        root = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise Malformed("The root of a checkpoint is base64.") from error
    if len(root) != HASH_BYTES or base64.b64encode(root).decode("ascii") != text:
        raise Malformed(f"The root of a checkpoint is {HASH_BYTES} bytes in standard base64.")
    return root
