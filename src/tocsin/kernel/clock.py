"""Time is handed in. Inside tocsin every datetime is aware and in UTC."""

from __future__ import annotations

import datetime as dt
from typing import Protocol

from tocsin.kernel.errors import Invalid

UTC = dt.UTC


class Clock(Protocol):
    """Whoever may say what time it is. The real one lives in the ring."""

    def now(self) -> dt.datetime:
        """Return the present time, aware, in UTC."""
        ...


class VirtualClock:
    """A clock that moves only when told to: for tests, exercises and the simulation."""

    def __init__(self, start: dt.datetime) -> None:
        self._now = aware(start)

    def now(self) -> dt.datetime:
        """Return the time this clock was last set to."""
        return self._now

    def set(self, moment: dt.datetime) -> None:
        """Move to `moment`; backwards is allowed, since real clocks do that too."""
        self._now = aware(moment)


def aware(moment: dt.datetime) -> dt.datetime:
    """Return `moment` in UTC; a naive datetime is refused with `Invalid`."""
    if moment.tzinfo is None:
        raise Invalid("A time without a zone has no meaning here.", mend="Add an offset such as Z.")
    return moment.astimezone(UTC)


def to_wire(moment: dt.datetime) -> str:
    """Return the one text form of `moment`: UTC, six decimals, `Z` (RFC 3339)."""
    return aware(moment).isoformat(timespec="microseconds")[: -len("+00:00")] + "Z"


def from_wire(text: str) -> dt.datetime:
    """Read an RFC 3339 time; raise `Invalid` when it is none or has no zone."""
    try:
        return aware(dt.datetime.fromisoformat(text))
    except (ValueError, OverflowError) as error:
        raise Invalid(f"{text!r} is not a time.", mend="Write it like 2026-11-23T03:04:05Z.") from error
