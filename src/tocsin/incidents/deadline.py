"""Respond-by and resolve-by times: when they fall due, where they come from, and how they stand (RSP-9)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Literal

from tocsin.incidents.incident import Deadline
from tocsin.incidents.severity import Allowance
from tocsin.kernel.clock import aware

Kind = Literal["respond", "resolve"]
Standing = Literal["running", "warning", "met", "breached"]

WARN_AFTER = (3, 4)
"""A warning comes when three quarters of the time have passed."""


def due(kind: Kind, start: dt.datetime, allowance: Allowance) -> Deadline:
    """Return the deadline that `allowance` sets from `start`."""
    return Deadline(
        kind=kind, due=aware(start) + dt.timedelta(seconds=allowance.seconds), source=allowance.source
    )


def deadlines(
    respond: Allowance, resolve: Allowance | None, declared_at: dt.datetime
) -> tuple[Deadline, ...]:
    """Return the deadlines of an incident as it is declared."""
    first = due("respond", declared_at, respond)
    return (first, due("resolve", declared_at, resolve)) if resolve else (first,)


def moved(
    existing: Mapping[str, Deadline],
    respond: Allowance,
    resolve: Allowance | None,
    *,
    declared_at: dt.datetime,
    changed_at: dt.datetime,
    got_worse: bool,
) -> tuple[Deadline, ...]:
    """Return the deadlines that a change of severity sets anew; those that stay as they are are left out.

    Worse: the new time runs from the change, since nobody could have known before, and never makes an
    existing deadline later. Better: it runs from the declaration. A time of resolution that is no longer set
    stays as it was.
    """
    found = []
    pairs: tuple[tuple[Kind, Allowance | None], ...] = (("respond", respond), ("resolve", resolve))
    for kind, allowance in pairs:
        if allowance is None:
            continue
        old = existing.get(kind)
        new = due(kind, changed_at if got_worse else declared_at, allowance)
        if old and (old.due == new.due or (got_worse and old.due <= new.due)):
            continue
        found.append(new)
    return tuple(found)


def warn_at(start: dt.datetime, deadline: Deadline) -> dt.datetime:
    """Return when to warn of `deadline`: after three quarters of the time since `start`."""
    numerator, denominator = WARN_AFTER
    span = max(deadline.due - aware(start), dt.timedelta(0))
    return deadline.due - span * (denominator - numerator) / denominator


def standing(
    deadline: Deadline, *, start: dt.datetime, now: dt.datetime, done_at: dt.datetime | None = None
) -> Standing:
    """Return how `deadline` stands at `now`: done at the due time itself is in time, undone at it is not."""
    if done_at is not None and aware(done_at) <= deadline.due:
        return "met"
    if done_at is not None or aware(now) >= deadline.due:
        return "breached"
    return "warning" if aware(now) >= warn_at(start, deadline) else "running"
