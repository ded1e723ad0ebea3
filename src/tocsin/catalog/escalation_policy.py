"""Escalation policies: whom to page, in what order, and how long to wait for an answer (TEAM-2, TEAM-4)."""

from __future__ import annotations

from typing import Annotated

import msgspec

from tocsin.catalog.document import Document, Id, Part, Rank, RankText, Role, Title
from tocsin.kernel.severity import Severity, paging_rank

Seconds = Annotated[int, msgspec.Meta(ge=1, le=604_800)]


class Target(Part, frozen=True, kw_only=True):
    """Whom a level pages: exactly one of the three."""

    schedule: Id | None = None
    """Whoever is on call in this schedule."""
    person: Id | None = None
    """This person."""
    team: Id | None = None
    """Every member of this team."""


class Level(Part, frozen=True, kw_only=True):
    """One level of an escalation."""

    notify: tuple[Target, ...]
    """Whom to page, all at once."""
    acknowledge_within_seconds: Seconds = 300
    """How long to wait for an acknowledgement before the next level."""
    role: Role | None = None
    """The role that whoever acknowledges takes on the incident, or none."""
    acknowledge_by_rank: dict[RankText, Seconds] = {}
    """Other waits for some ranks, in seconds."""
    ranks: tuple[Rank, ...] = ()
    """The ranks this level is for; empty means all. Other ranks pass over it."""

    def acknowledge_seconds(self, severity: Severity) -> int:
        """Return how long to wait at `severity`, in seconds; unknown counts as rank 1."""
        key: RankText = ("0", "1", "2", "3")[paging_rank(severity)]
        return self.acknowledge_by_rank.get(key, self.acknowledge_within_seconds)

    def serves(self, severity: Severity) -> bool:
        """Say whether this level is for `severity`; unknown counts as rank 1."""
        return not self.ranks or paging_rank(severity) in self.ranks


class EscalationPolicy(Document, frozen=True, kw_only=True):
    """The levels of an escalation, first to last, gone through `repeat` more times when nobody answers."""

    name: Title
    """What people call it."""
    levels: tuple[Level, ...]
    """The levels, first to last."""
    repeat: Annotated[int, msgspec.Meta(ge=0, le=20)] = 0
    """How many more rounds after the first; then the escalation is exhausted."""
