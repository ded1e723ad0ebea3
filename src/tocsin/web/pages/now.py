"""Now: what waits for me, what is open, what falls due, who is on call."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import Connection, and_, func, select

from tocsin.engine import escalate
from tocsin.engine.review import person_name
from tocsin.engine.world import World
from tocsin.response.oncall.schedule import on_call
from tocsin.store import tables
from tocsin.web.api.answers import incident_id
from tocsin.web.pages.layout import OPEN_STATES, back, page
from tocsin.web.permissions import Caller, Needs, program_of

router = APIRouter(include_in_schema=False)
DUE_SHOWN = 8


@router.get("/now")
def now_elsewhere(request: Request, caller: Annotated[Caller, Depends(Needs("read"))]) -> Response:
    """Go to the start page."""
    return back(request, "/")


@router.get("/")
def now(request: Request, caller: Annotated[Caller, Depends(Needs("read"))], part: str = "") -> Response:
    """Show what waits for the caller first; `part` asks for the live fragment alone."""
    world = program_of(request).world
    context = world.store.read(lambda connection: _read(connection, world, caller.who))
    template = "now_part.html" if part else "now.html"
    return page(request, template, title="Now", section="/", live_scope="", **context, on_call=_on_call(world))


def _read(connection: Connection, world: World, who: str) -> dict[str, Any]:
    page_, incident = tables.page, tables.incident
    mine = (
        select(page_.c.page, page_.c.acknowledge_by, page_.c.requested_at, incident)
        .join_from(page_, incident, page_.c.incident == incident.c.id)
        .where(and_(page_.c.person == who, page_.c.state == "requested"))
        .order_by(func.coalesce(incident.c.severity, 1), page_.c.requested_at)
    )
    active = select(incident).where(incident.c.status.in_(OPEN_STATES)).order_by(
        func.coalesce(incident.c.severity, 1), incident.c.declared_at
    )  # fmt: skip
    reviewing = select(incident).where(incident.c.status.in_(("resolved", "reviewing"))).order_by(incident.c.number)
    found = connection.execute(active).all()
    return {
        "mine": _once(connection.execute(mine).all()),
        "active": found,
        "reviewing": connection.execute(reviewing).all(),
        "due": _due(found),
        "commanders": {row.id: person_name(world, row.commander) for row in found if row.commander},
        "first_run": connection.execute(select(incident.c.id).limit(1)).first() is None,
    }


def _once(rows: Any) -> list[Any]:
    """One line per incident: a person paged at two levels has one thing to answer."""
    seen: dict[str, Any] = {}
    for row in rows:
        seen.setdefault(row.id, row)
    return list(seen.values())


def _due(incidents: Any) -> list[tuple[dt.datetime, str, Any]]:
    names = (("respond_by", "Respond by"), ("resolve_by", "Resolve by"), ("next_update_by", "Update due"))
    found = [
        (getattr(row, name), label, row) for row in incidents for name, label in names if getattr(row, name)
    ]
    return sorted(found, key=lambda one: one[0])[:DUE_SHOWN]


def _on_call(world: World) -> list[tuple[str, list[str]]]:
    moment = world.clock.now()
    return [
        (schedule.name, [person_name(world, person) for person in on_call(schedule, moment)])
        for schedule in world.catalog.current.schedules.values()
    ]


@router.post("/incidents/{number}/acknowledge")
def acknowledge(request: Request, number: int, caller: Annotated[Caller, Depends(Needs("respond"))]) -> Response:
    """Acknowledge the page of an incident as the caller."""
    world = program_of(request).world
    id = incident_id(world, str(number))
    escalate.acknowledge(world, id, caller.who, page_id=None, how="console", actor=caller.actor)
    return back(request, f"/incidents/{number}")
