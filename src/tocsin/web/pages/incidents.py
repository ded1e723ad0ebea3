"""Incidents: the list; and what leaves one, its record and its evidence."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import or_, select

from tocsin.engine import seal
from tocsin.engine.review import person_name
from tocsin.incidents.incident import OPEN, Status
from tocsin.kernel.errors import Invalid
from tocsin.kernel.severity import parse
from tocsin.store import tables
from tocsin.web.api.answers import incident_id
from tocsin.web.api.record import zipped
from tocsin.web.pages.layout import page
from tocsin.web.permissions import Caller, Needs, program_of

router = APIRouter(include_in_schema=False)
LIST_LIMIT = 200


@router.get("/incidents")
def list_page(
    request: Request,
    caller: Annotated[Caller, Depends(Needs("read"))],
    status: str = "",
    severity: str = "",
    system: str = "",
    q: str = "",
) -> Response:
    """List incidents; every filter is in the URL."""
    world = program_of(request).world
    table = tables.incident
    query = select(table).order_by(table.c.number.desc()).limit(LIST_LIMIT)
    if status == "open":
        query = query.where(table.c.status.in_([one.value for one in OPEN]))
    elif status:
        query = query.where(table.c.status == status)
    problem = None
    try:
        rank = parse(severity)
    except Invalid as error:
        problem, severity = error, ""
    if severity:
        query = query.where(table.c.severity.is_(None) if rank is None else table.c.severity == rank)
    if system:
        query = query.where(table.c.system == system)
    if q:
        words = q.strip().upper().removeprefix("INC-")
        like = table.c.title.icontains(q.strip(), autoescape=True)
        query = query.where(
            or_(like, table.c.number == int(words)) if words.isdigit() and len(words) < 9 else like
        )
    rows = world.store.read(lambda connection: connection.execute(query).all())
    return page(
        request,
        "incidents.html",
        title="Incidents",
        section="/incidents",
        live_scope="",
        problem=problem,
        status=problem.status if problem else 200,
        rows=rows,
        limit=LIST_LIMIT,
        chosen={"status": status, "severity": severity, "system": system, "q": q},
        filtered=bool(status or severity or system or q),
        statuses=[one.value for one in Status if one is not Status.UNDECLARED],
        systems=sorted(world.catalog.current.systems),
        names={row.commander: person_name(world, row.commander) for row in rows if row.commander},
    )


@router.post("/incidents/{number}/export")
def export(request: Request, number: int, caller: Annotated[Caller, Depends(Needs("export"))]) -> Response:
    """Give the record out as a zip that anyone can verify."""
    world = program_of(request).world
    made = seal.export_incident(
        world,
        incident_id(world, str(number)),
        by=caller.who,
        purpose="Exported from the console",
        actor=caller.actor,
    )
    return zipped(made)


@router.get("/evidence/{id}")
def evidence_page(
    request: Request, id: str, caller: Annotated[Caller, Depends(Needs("evidence"))]
) -> Response:
    """Give out an item of evidence; the reading is an entry of its custody."""
    world = program_of(request).world
    item, data = seal.read(world, id, person=caller.who, purpose="Read from the console", actor=caller.actor)
    safe = (
        item.media_type
        if item.media_type in ("application/json", "text/plain")
        else "application/octet-stream"
    )
    headers = {"content-disposition": f'attachment; filename="{item.sha256[:16]}"', "x-sha256": item.sha256}
    return Response(data, 200, headers, safe)
