"""The vault: evidence bytes by digest, one file each, encrypted under the key of their incident (EVI-2).

A file is written beside its place, forced to disk, made read-only, then renamed: what has a name is whole.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from tocsin.evidence import sealing
from tocsin.kernel.errors import Invalid, NotFound


class EvidenceStore:
    """Keeps evidence under `root`/<scope>/<sha256>. `key_of` gives the encryption key of a scope."""

    def __init__(self, root: Path, key_of: Callable[[str], bytes], chance: Callable[[int], bytes]) -> None:
        self._root = root
        self._key_of = key_of
        self._chance = chance

    def put(self, scope: str, data: bytes) -> str:
        """Keep `data` durably; return its SHA-256 as hex. The same bytes twice are kept once."""
        digest = hashlib.sha256(data).hexdigest()
        place = self._place(scope, digest)
        if place.exists():
            return digest
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        sealed = sealing.seal_blob(self._key_of(scope), digest, data, self._chance(sealing.IV_BYTES))
        beside = place.with_suffix(f".{self._chance(6).hex()}.part")
        with open(beside, "xb") as file:
            file.write(sealed)
            file.flush()
            os.fsync(file.fileno())
        beside.chmod(0o400)
        beside.rename(place)
        _force_directory(place.parent)
        return digest

    def get(self, scope: str, digest: str) -> bytes:
        """Return the bytes kept under `digest`.

        Raises:
            NotFound: there is no such item.
            Invalid: the file was changed: what it holds does not have this digest.
        """
        try:
            sealed = self._place(scope, digest).read_bytes()
        except FileNotFoundError as error:
            raise NotFound(f"No evidence with digest {digest} is kept.") from error
        data = sealing.unseal_blob(self._key_of(scope), digest, sealed)
        if hashlib.sha256(data).hexdigest() != digest:
            raise Invalid(f"The evidence kept as {digest} has other bytes now.")
        return data

    def _place(self, scope: str, digest: str) -> Path:
        if not (len(digest) == 64 and all(letter in "0123456789abcdef" for letter in digest)):
            raise NotFound("That is not a SHA-256 digest.")
        if not scope.replace("-", "").isalnum():
            raise NotFound("That is not a scope.")
        return self._root / scope / digest


def _force_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
