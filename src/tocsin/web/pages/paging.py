"""Who was paged for an incident: one line a person, however often they were called."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import and_, select

from tocsin.engine.review import person_name
from tocsin.engine.world import World
from tocsin.store import tables

STATES = {
    "requested": "paged, no answer yet",
    "acknowledged": "acknowledged",
    "answered_by_other": "another answered first",
    "timed_out": "did not answer in time",
    "stopped": "paging stopped",
}


@dataclass(slots=True)
class Way:
    """One contact method: how its latest delivery went, and how many were tried."""

    method: str
    state: str
    detail: str
    attempts: int


@dataclass(slots=True)
class Paged:
    """One person, as their latest page stands."""

    person: str
    name: str
    level: int
    state: str
    answer_by: dt.datetime | None
    ways: dict[str, Way] = field(default_factory=dict)

    @property
    def told(self) -> str:
        """The state in words."""
        return STATES.get(self.state, self.state)


def paged(world: World, incident: str) -> list[Paged]:
    """Return everybody who was paged, the lowest level first."""
    page, delivery = tables.page, tables.delivery
    asked = select(page).where(page.c.incident == incident).order_by(page.c.requested_at)
    tried = (
        select(delivery)
        .where(and_(delivery.c.scope == incident, delivery.c.purpose == "page"))
        .order_by(delivery.c.updated_at)
    )

    def read(connection: Any) -> tuple[list[Any], list[Any]]:
        return connection.execute(asked).all(), connection.execute(tried).all()

    pages, deliveries = world.store.read(read)
    people: dict[str, Paged] = {}
    for row in pages:
        known = people.get(row.person)
        level = min(row.level, known.level) if known else row.level
        until = row.acknowledge_by if row.state == "requested" else None
        people[row.person] = Paged(row.person, person_name(world, row.person), level, row.state, until)
    for row in deliveries:
        one = people.get(row.person)
        if one is not None:
            count = one.ways[row.method].attempts + 1 if row.method in one.ways else 1
            one.ways[row.method] = Way(row.method, row.state, row.detail, count)
    return sorted(people.values(), key=lambda one: one.level)
