"""Identifiers: UUIDv7, sortable by the time they were made; time and chance are handed in."""

from __future__ import annotations

import datetime as dt
import uuid

from tocsin.kernel.clock import aware


def uuid7(now: dt.datetime, chance: bytes) -> str:
    """Return a UUIDv7 (RFC 9562 section 5.7) for `now` from ten random bytes, as text."""
    if len(chance) != 10:
        raise ValueError("a UUIDv7 takes ten random bytes")
    milliseconds = int(aware(now).timestamp() * 1000)
    number = (milliseconds << 80) | int.from_bytes(chance, "big")
    number = (number & ~(0xF << 76)) | (0x7 << 76)
    number = (number & ~(0x3 << 62)) | (0x2 << 62)
    return str(uuid.UUID(int=number))
