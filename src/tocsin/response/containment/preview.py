"""What an action would change and whom it touches, worked out before anybody agrees to it (CON-3)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal

import msgspec

from tocsin.catalog.system import Component, System

ALL = Decimal(1)


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that will have another value: `what`, its value now and its value afterwards."""

    what: str
    was: str = msgspec.field(name="from")
    becomes: str = msgspec.field(name="to")


class Affected(msgspec.Struct, frozen=True, kw_only=True):
    """The blast radius. `users` is the most it can be: people who use two of the systems count twice."""

    systems: tuple[str, ...]
    users: int
    decisions_per_day: int = 0
    share: Decimal = ALL
    """The share of the system's traffic that is touched, 0 to 1."""


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What a dry run found. Approval is given to this, so it travels with the request."""

    changes: tuple[Change, ...] = ()
    affected: Affected
    reversible: bool
    takes: str = ""
    snapshot_items: tuple[str, ...] = ()
    """The names of what will be sealed before the action."""
    notes: tuple[str, ...] = ()


def blast_radius(
    system: System, dependents: Iterable[System | Component] = (), *, share: Decimal = ALL
) -> Affected:
    """Return whom an action on `share` (0 to 1) of the traffic of `system` touches.

    `dependents` need the system, directly or through others; all of their users are counted, because one
    cannot know which share of them meets the part that is touched. Components have no users of their own.

    Raises:
        ValueError: `share` is not between 0 and 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"a share lies between 0 and 1, not {share}")
    others = {other.id: other for other in dependents if other.id != system.id}
    users = _part(system.users_exposed, share)
    users += sum(other.users_exposed for other in others.values() if isinstance(other, System))
    return Affected(
        systems=(system.id, *sorted(others)),
        users=users,
        decisions_per_day=_part(system.decisions_per_day, share),
        share=share,
    )


def dependents(name: str, catalog: Iterable[System | Component]) -> tuple[System | Component, ...]:
    """Return everything in `catalog` that needs `name`, directly or through others, by id; circles are harmless."""
    entries = {entry.id: entry for entry in catalog}
    found: dict[str, System | Component] = {}
    waiting = [name]
    while waiting:
        needed = waiting.pop()
        for entry in entries.values():
            if needed in entry.depends_on and entry.id != name and entry.id not in found:
                found[entry.id] = entry
                waiting.append(entry.id)
    return tuple(found[key] for key in sorted(found))


def _part(count: int, share: Decimal) -> int:
    """Return `share` of `count`, rounded up: a blast radius is never told smaller than it is."""
    return math.ceil(count * share)
