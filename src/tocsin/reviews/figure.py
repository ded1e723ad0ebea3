"""How long the response took: five figures from six times, each with its definition (MET-1, MET-4)."""

from __future__ import annotations

import datetime as dt

import msgspec

from tocsin.kernel.clock import aware


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """The moments that the figures are computed from; None is a moment that the record does not hold."""

    began_at: dt.datetime | None = None
    """When the harm began, which is earlier than its detection."""
    detected_at: dt.datetime | None = None
    """When the first signal of it arrived."""
    paged_at: dt.datetime | None = None
    """When the first page was asked for."""
    acknowledged_at: dt.datetime | None = None
    contained_at: dt.datetime | None = None
    resolved_at: dt.datetime | None = None


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One duration of an incident. `seconds` is whole seconds, or None when it is not known."""

    id: str
    title: str
    definition: str
    seconds: int | None
    text: str


_MOMENTS = {
    "began_at": "start of harm",
    "detected_at": "detection",
    "paged_at": "page",
    "acknowledged_at": "acknowledgement",
    "contained_at": "containment",
    "resolved_at": "resolution",
}

_DEFINITIONS: tuple[tuple[str, str, str, str], ...] = (
    ("detect", "Time to detect", "began_at", "detected_at"),
    ("acknowledge", "Time to acknowledge", "paged_at", "acknowledged_at"),
    ("contain", "Time to contain", "detected_at", "contained_at"),
    ("resolve", "Time to resolve", "detected_at", "resolved_at"),
    ("harm", "Duration of harm", "began_at", "contained_at"),
)


def figures(times: Times) -> tuple[Figure, ...]:
    """Return the five figures of `times`: detect, acknowledge, contain, resolve, and how long the harm lasted.

    Seconds are rounded down. A figure whose ends contradict each other (the clocks of two senders differ)
    is not known, and its text says so: a negative duration would spoil every mean it enters.
    """
    return tuple(_figure(times, *definition) for definition in _DEFINITIONS)


def _figure(times: Times, name: str, title: str, start: str, end: str) -> Figure:
    first: dt.datetime | None = getattr(times, start)
    last: dt.datetime | None = getattr(times, end)
    seconds, text = _span(first, last, start, end)
    definition = f"From {_MOMENTS[start]} to {_MOMENTS[end]}."
    return Figure(id=name, title=title, definition=definition, seconds=seconds, text=text)


def _span(
    first: dt.datetime | None, last: dt.datetime | None, start: str, end: str
) -> tuple[int | None, str]:
    absent = [_MOMENTS[name] for name, moment in ((start, first), (end, last)) if moment is None]
    if first is None or last is None:
        return None, f"Not known: the record holds no time of {' and none of '.join(absent)}."
    seconds = (aware(last) - aware(first)) // dt.timedelta(seconds=1)
    if seconds < 0:
        return None, f"Not known: {_MOMENTS[end]} is recorded before {_MOMENTS[start]}."
    return seconds, duration(seconds)


def duration(seconds: int) -> str:
    """Return `seconds` in words of at most two units: `45 s`, `4 min 12 s`, `2 h 5 min`, `3 d 4 h`."""
    parts: list[str] = []
    left = seconds
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
        elif parts:
            break  # `1 d 20 s` would suggest a precision that `1 d` does not lose
        if len(parts) == 2:
            break
    return " ".join(parts) or "0 s"
