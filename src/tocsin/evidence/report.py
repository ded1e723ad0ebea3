"""What the verifier says of an export: which item does not hold, what is proved, and what is not."""

from __future__ import annotations

from typing import Literal

import msgspec


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that does not hold, and where."""

    path: str
    problem: str
    index: int | None = None
    stream: str | None = None
    position: int | None = None

    def __str__(self) -> str:
        place = [] if self.index is None else [f"leaf {self.index}"]
        if self.stream is not None:
            place.append(f"{self.stream} position {self.position}")
        where = f" ({', '.join(place)})" if place else ""
        return f"{self.path}{where}: {self.problem}"


class Signer(msgspec.Struct, frozen=True, kw_only=True):
    """Whose key signed; `identified` only when the caller gave that key."""

    name: str
    key_id: str
    identified: bool


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What an export proves, what it does not, and what is wrong with it."""

    status: Literal["intact", "not intact", "unusable"]
    headline: str
    findings: tuple[Finding, ...] = ()
    proved: tuple[str, ...] = ()
    not_proved: tuple[str, ...] = ()
    signer: Signer | None = None
    kind: str | None = None
    incident: str | None = None
    export: str | None = None
    origin: str | None = None
    size: int | None = None
    """Leaves in the log at the checkpoint."""
    entries: int = 0
    files: int = 0


EXIT_CODES = {"intact": 0, "not intact": 1, "unusable": 2}


def shown(text: str) -> str:
    """Return `text` with whatever could play tricks on a terminal written as an escape."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return `number` with the word that fits it: '1 entry', '2 entries'."""
    return f"{number} {one if number == 1 else many or one + 's'}"
