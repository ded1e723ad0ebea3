"""Encryption of what may hold personal data: AES-256-GCM under a key per scope (NIST SP 800-38D).

Destroying a scope's key erases its payloads; the log stays whole, because a leaf holds only a digest. That
digest also binds the plaintext, which AES-GCM alone would not: a second key could open the same bytes to
something else. Randomness is handed in: an `iv` is 12 random bytes, never used twice under one key.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tocsin.kernel import canonical
from tocsin.kernel.errors import Invalid, Malformed
from tocsin.kernel.event import NONCE_BYTES

KEY_BYTES = 32
IV_BYTES = 12
TAG_BYTES = 16


def seal(key: bytes, stream: str, position: int, nonce: bytes, payload: bytes, iv: bytes) -> bytes:
    """Return iv || ciphertext || tag of nonce || payload, bound to its place in its stream."""
    if len(nonce) != NONCE_BYTES:
        raise Malformed(f"A nonce has {NONCE_BYTES} bytes.")
    return _seal(key, {"use": "payload", "stream": stream, "position": position}, nonce + payload, iv)


def unseal(key: bytes, stream: str, position: int, sealed: bytes) -> tuple[bytes, bytes]:
    """Return (nonce, payload) of what `seal` wrote for this place.

    Raises:
        Invalid: another key, another place, or changed bytes.
    """
    whole = _unseal(key, {"use": "payload", "stream": stream, "position": position}, sealed)
    if len(whole) < NONCE_BYTES:
        raise Invalid(f"What was sealed for {stream}:{position} is too short to hold a nonce.")
    return whole[:NONCE_BYTES], whole[NONCE_BYTES:]


def seal_blob(key: bytes, digest: str, data: bytes, iv: bytes) -> bytes:
    """Return iv || ciphertext || tag of the evidence bytes `data`, bound to their SHA-256 `digest` (hex)."""
    return _seal(key, {"use": "blob", "sha256": digest}, data, iv)


def unseal_blob(key: bytes, digest: str, sealed: bytes) -> bytes:
    """Return the evidence bytes that `seal_blob` sealed; raise `Invalid` when they cannot be opened."""
    return _unseal(key, {"use": "blob", "sha256": digest}, sealed)


def wrap(master: bytes, scope: str, key: bytes, iv: bytes) -> bytes:
    """Return the key of `scope` encrypted under the master key."""
    _check_key(key)
    return _seal(master, {"use": "key", "scope": scope}, key, iv)


def unwrap(master: bytes, scope: str, wrapped: bytes) -> bytes:
    """Return the key of `scope`; raise `Invalid` for another master key, another scope or changed bytes."""
    return _unseal(master, {"use": "key", "scope": scope}, wrapped)


def _seal(key: bytes, place: dict[str, object], data: bytes, iv: bytes) -> bytes:
    _check_key(key)
    if len(iv) != IV_BYTES:
        raise Malformed(f"An AES-GCM iv has {IV_BYTES} bytes.")
    return iv + AESGCM(key).encrypt(iv, data, canonical.encode(place))


def _unseal(key: bytes, place: dict[str, object], sealed: bytes) -> bytes:
    _check_key(key)
    if len(sealed) < IV_BYTES + TAG_BYTES:
        raise Invalid("Sealed bytes are cut short.")
    try:
        return AESGCM(key).decrypt(sealed[:IV_BYTES], sealed[IV_BYTES:], canonical.encode(place))
    except InvalidTag as error:
        raise Invalid(
            "Sealed bytes cannot be opened: another key, another place, or they were changed.",
            mend="Check that the master key is the one they were sealed under.",
        ) from error


def _check_key(key: bytes) -> None:
    if len(key) != KEY_BYTES:
        raise Malformed(f"A key has {KEY_BYTES} bytes.")
