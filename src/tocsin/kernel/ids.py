"""Identifiers: UUIDv7, sortable by the time they were made; time and chance are handed in."""

from __future__ import annotations

import datetime as dt
import uuid

from tocsin.kernel.clock import UTC, aware

EPOCH = dt.datetime(1970, 1, 1, tzinfo=UTC)


def uuid7(now: dt.datetime, chance: bytes) -> str:
    """Return a UUIDv7 (RFC 9562 section 5.7) for `now` from ten random bytes, as text.

    Raises:
        ValueError: not ten bytes, or a time before 1970, which the 48 bits cannot hold.
    """
    if len(chance) != 10:
        raise ValueError("a UUIDv7 takes ten random bytes")
    milliseconds = (aware(now) - EPOCH) // dt.timedelta(milliseconds=1)  # exact, where a float is not
    if milliseconds < 0:
        raise ValueError("a UUIDv7 has no form for a time before 1970")
    number = (milliseconds << 80) | int.from_bytes(chance, "big")
    number = (number & ~(0xF << 76)) | (0x7 << 76)
    number = (number & ~(0x3 << 62)) | (0x2 << 62)
    return str(uuid.UUID(int=number))
