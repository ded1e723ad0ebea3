"""How the verifier reads an export: a port, and the files of an export held in memory."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from tocsin.evidence.item import digest


@dataclass(frozen=True, slots=True)
class Listed:
    """One name in the directory of an export, with its path relative to it."""

    path: str
    kind: Literal["file", "directory", "link", "other"]
    size: int = 0


class Reader(Protocol):
    """Whoever can read the directory of an export. May raise OSError."""

    def listing(self) -> Iterable[Listed]:
        """Yield everything in the directory, at any depth, links not followed."""
        ...

    def read(self, path: str, limit: int) -> bytes:
        """Return the bytes of a plain file, at most `limit` + 1 of them."""
        ...

    def sha256(self, path: str) -> str:
        """Return the SHA-256 of a plain file of any size, in hex."""
        ...


class Held:
    """A reader over files held in memory, so that a fresh export can be checked before it is handed out."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files

    def listing(self) -> Iterable[Listed]:
        """Yield every file and the directories above it."""
        parents = {posixpath.dirname(path) for path in self._files} - {""}
        yield from (Listed(path, "directory") for path in sorted(parents))
        yield from (Listed(path, "file", len(data)) for path, data in self._files.items())

    def read(self, path: str, limit: int) -> bytes:
        """Return the bytes of a file, at most `limit` + 1."""
        return self._files[path][: limit + 1]

    def sha256(self, path: str) -> str:
        """Return the SHA-256 of a file in hex."""
        return digest(self._files[path])
