"""How many events a second become Merkle leaf bytes: payload, digest, canonical form. No disk."""

from __future__ import annotations

import datetime as dt

from bench.figure import rates, tell
from tocsin.kernel.event import leaf_bytes, payload_digest

COUNT = 20_000
PAYLOAD = (
    b'{"alert":"0192f0c0-0000-7000-8000-000000000000","title":"The gap between groups grew","why":"fairness"}'
)


def leaves() -> int:
    """Make the leaf bytes of COUNT events and return COUNT."""
    at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    for position in range(COUNT):
        leaf_bytes(
            stream="incident:0192f0c0-0000-7000-8000-000000000000",
            position=position,
            type="incident.declared",
            at=at,
            actor="person:ada",
            digest=payload_digest(b"0123456789abcdef", PAYLOAD),
        )
    return COUNT


if __name__ == "__main__":
    tell("events made into leaf bytes", "events/s", rates(leaves))
