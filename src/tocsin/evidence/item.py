"""An evidence item: preserved bytes, known by their digest, and how they were come by (EVI-1, EVI-3)."""

from __future__ import annotations

import datetime as dt
import hashlib
import re

import msgspec

from tocsin.kernel.errors import Invalid

_SHA256 = re.compile(r"[0-9a-f]{64}")


def digest(data: bytes) -> str:
    """Return the SHA-256 of `data` as 64 lower-case hex digits: the name that bytes go by everywhere."""
    return hashlib.sha256(data).hexdigest()


def is_digest(text: str) -> bool:
    """Say whether `text` is a SHA-256 as `digest` writes it."""
    return _SHA256.fullmatch(text) is not None


class EvidenceItem(msgspec.Struct, frozen=True, kw_only=True):
    """The minimum custody record of one item: what it is, where from, by whom, when, how, and why."""

    id: str
    incident: str
    what: str
    """What a person calls it, such as 'model registry entry of loan-approval version 7'."""
    sha256: str
    size: int
    """Bytes."""
    media_type: str = "application/octet-stream"
    source_system: str
    source_locator: str
    """Where in the source system: an address, a path, a query."""
    collected_by: str
    """The account or the part of the program that collected it; its first holder."""
    collected_at: dt.datetime
    acquisition_method: str
    """How it was copied, such as 'registry API' or 'upload'."""
    tool: str
    tool_version: str
    volatile: bool = False
    """Whether the source changes or vanishes by itself, so that it cannot be collected again."""
    reason: str
    legal_hold: bool = False
    retention_until: dt.datetime | None = None
    """None: kept until someone sets a date."""
    classification: str = "internal"
    encryption_key_id: str | None = None


_WORDED = (
    "id", "incident", "what", "media_type", "source_system", "source_locator", "collected_by",
    "acquisition_method", "tool", "tool_version", "reason", "classification",
)  # fmt: skip


def check(item: EvidenceItem) -> None:
    """Raise `Invalid`, naming the field, when the custody record of `item` is not complete."""
    for field in _WORDED:
        if not str(getattr(item, field)).strip():
            raise Invalid("A custody record leaves nothing blank.", where=field)
    if not is_digest(item.sha256):
        raise Invalid("This is no SHA-256 in 64 lower-case hex digits.", where="sha256")
    if item.size < 0:
        raise Invalid("A size is a number of bytes, 0 or more.", where="size")
    for field, moment in (("collected_at", item.collected_at), ("retention_until", item.retention_until)):
        if moment is not None and moment.tzinfo is None:
            raise Invalid("A time without a zone has no meaning here.", where=field)
    if item.retention_until is not None and item.retention_until < item.collected_at:
        raise Invalid("The retention ends before the item was collected.", where="retention_until")
