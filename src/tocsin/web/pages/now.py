"""Now: what waits for me, what is open, what falls due, who is on call."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
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
def now(request: Request, caller: Annotated[Caller, Depends(Needs("read"))]) -> Response:
    """Show what waits for the caller first."""
    world = program_of(request).world
    context = world.store.read(lambda connection: _read(connection, world, caller.who))
    commanders = {row.id: person_name(world, row.commander) for row in context["active"] if row.commander}
    return page(
        request,
        "now.html",
        title="Now",
        section="/",
        live_scope="",
        **context,
        commanders=commanders,
        on_call=_on_call(world),
    )


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
    reviewing = (
        select(incident).where(incident.c.status.in_(("resolved", "reviewing"))).order_by(incident.c.number)
    )
    found = connection.execute(active).all()
    return {
        "mine": _once(connection.execute(mine).all()),
        "tasks": _tasks(connection, world, who),
        "active": found,
        "reviewing": connection.execute(reviewing).all(),
        "due": _due(found),
        "first_run": connection.execute(select(incident.c.id).limit(1)).first() is None,
    }


@dataclass(frozen=True, slots=True)
class Task:
    """Something that waits for a person: what, on which incident, and where it is done."""

    text: str
    href: str
    number: int
    title: str
    due: str = ""


def _tasks(connection: Connection, world: World, who: str) -> list[Task]:
    """Return containment that waits for approval, questions of playbooks, and the action items of `who`."""
    incident, action, run, item = tables.incident, tables.containment, tables.run, tables.action_item

    def of(table: Any, *where: Any) -> Any:
        joined = select(table, incident.c.number, incident.c.title.label("incident_title"))
        query = joined.join_from(table, incident, table.c.incident == incident.c.id).where(*where)
        return connection.execute(query.order_by(func.coalesce(incident.c.severity, 1), incident.c.number))

    is_open = incident.c.status.in_(OPEN_STATES)
    tasks = []
    for row in of(action, action.c.state == "requested"):
        asked = world.catalog.current.systems.get(row.system)
        title = (
            next((one.title for one in asked.containment if one.id == row.action), row.action)
            if asked
            else row.action
        )
        href = f"/incidents/{row.number}/containment"
        tasks.append(Task(f"Decide on containment: {title}", href, row.number, row.incident_title))
    tasks += [
        Task(f"Answer the playbook: {row.title}", f"/runs/{row.id}", row.number, row.incident_title)
        for row in of(run, run.c.waiting_for == "person", run.c.finished.is_(False), is_open)
    ]
    for row in of(item, item.c.owner == who, item.c.done.is_(False)):
        href = f"/incidents/{row.number}/review"
        tasks.append(Task(f"Action item: {row.text}", href, row.number, row.incident_title, row.due))
    return tasks


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
def acknowledge(
    request: Request, number: int, caller: Annotated[Caller, Depends(Needs("respond"))]
) -> Response:
    """Acknowledge the page of an incident as the caller."""
    world = program_of(request).world
    id = incident_id(world, str(number))
    escalate.acknowledge(world, id, caller.who, page_id=None, how="console", actor=caller.actor)
    return back(request, f"/incidents/{number}")
