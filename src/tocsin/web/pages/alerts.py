"""Alerts: groups with why they are groups, one alert with what it leads to, and what could not be read (COR-1, COR-7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import Connection, and_, func, or_, select

from tocsin.alerts import routing
from tocsin.alerts.alert import Alert
from tocsin.alerts.grouping import Group, why_grouped
from tocsin.catalog.configuration import Configuration
from tocsin.engine.declare import known_facts
from tocsin.engine.world import World
from tocsin.kernel.errors import NotFound
from tocsin.kernel.severity import parse
from tocsin.store import tables
from tocsin.web.pages.layout import page
from tocsin.web.permissions import Caller, Needs, program_of

router = APIRouter(include_in_schema=False)
Reader = Annotated[Caller, Depends(Needs("read"))]

ALERTS_SHOWN = 300
GROUPS_SHOWN = 60
IN_GROUP = 40
QUARANTINED_SHOWN = 25


@dataclass(frozen=True, slots=True)
class Line:
    """One alert of a list."""

    id: str
    alert: Alert
    incident: int | None


@dataclass(frozen=True, slots=True)
class Shown:
    """One group of a list. `group` is None for alerts that ended before their first report."""

    id: str
    group: Group | None
    why: str
    lines: list[Line]
    more: int
    incident: Any


@router.get("/alerts")
def list_page(
    request: Request,
    caller: Reader,
    status: str = "",
    severity: str = "",
    system: str = "",
    source: str = "",
    q: str = "",
    part: str = "",
) -> Response:
    """List the groups, open ones first; every filter is in the URL."""
    world = program_of(request).world
    chosen = {"status": status, "severity": severity, "system": system, "source": source, "q": q}
    found = world.store.read(lambda connection: _read(connection, chosen))
    filtered = any(chosen.values())
    return page(
        request,
        "alerts_part.html" if part else "alerts.html",
        title="Alerts",
        section="/alerts",
        live_scope="",
        chosen=chosen,
        filtered=filtered,
        systems=sorted(world.catalog.current.systems),
        **found,
    )


def _read(connection: Connection, chosen: dict[str, str]) -> dict[str, Any]:
    table = tables.alert
    query = select(table).where(*_wanted(chosen)).order_by(table.c.last_seen.desc()).limit(ALERTS_SHOWN)
    rows = connection.execute(query).all()
    numbers = _incidents(connection, [row.incident for row in rows])
    lines: dict[str, list[Line]] = {}
    for row in rows:
        incident = numbers.get(row.incident)
        line = Line(
            row.id, msgspec.json.decode(row.document, type=Alert), incident.number if incident else None
        )
        lines.setdefault(row.group_id or "", []).append(line)
    sources = connection.execute(select(table.c.source).distinct().order_by(table.c.source)).scalars().all()
    return {
        "groups": _groups(connection, lines),
        "alone": lines.get("", []),
        "sources": sources,
        "cut": len(rows) == ALERTS_SHOWN,
        **_quarantine(connection),
    }


def _wanted(chosen: dict[str, str]) -> list[Any]:
    table, where = tables.alert, []
    if chosen["status"] == "firing":
        where.append(and_(table.c.status == "firing", table.c.current.is_(True)))
    elif chosen["status"] == "ended":
        where.append(table.c.status != "firing")
    if chosen["severity"]:
        rank = parse(chosen["severity"])
        where.append(table.c.severity.is_(None) if rank is None else table.c.severity == rank)
    where += [table.c[name] == chosen[name] for name in ("system", "source") if chosen[name]]
    if chosen["q"]:
        where.append(table.c.title.ilike(f"%{chosen['q'].replace('%', '').replace('_', ' ')}%"))
    return where


def _groups(connection: Connection, lines: dict[str, list[Line]]) -> list[Shown]:
    table = tables.alert_group
    names = [name for name in lines if name]
    query = (
        select(table).where(table.c.id.in_(names)).order_by(table.c.open.desc(), table.c.updated_at.desc())
    )
    rows = connection.execute(query.limit(GROUPS_SHOWN)).all() if names else []
    numbers = _incidents(connection, [row.incident for row in rows])
    shown = []
    for row in rows:
        group = msgspec.json.decode(row.document, type=Group)
        mine = sorted(
            lines[row.id], key=lambda line: (not line.alert.firing, -line.alert.last_seen.timestamp())
        )
        more = max(0, row.alerts - len(mine[:IN_GROUP]))
        shown.append(
            Shown(row.id, group, why_grouped(group), mine[:IN_GROUP], more, numbers.get(row.incident))
        )
    return shown


def _incidents(connection: Connection, ids: list[str | None]) -> dict[str | None, Any]:
    wanted = {id for id in ids if id}
    if not wanted:
        return {}
    table = tables.incident
    rows = connection.execute(select(table).where(table.c.id.in_(wanted))).all()
    return {row.id: row for row in rows}


def _quarantine(connection: Connection) -> dict[str, Any]:
    table = tables.inbox
    query = select(table.c.id, table.c.received_at, table.c.format, table.c.integration, table.c.reason,
                   func.length(table.c.body).label("size"))  # fmt: skip
    where = table.c.quarantined.is_(True)
    rows = connection.execute(query.where(where).order_by(table.c.id.desc()).limit(QUARANTINED_SHOWN)).all()
    count = connection.execute(select(func.count()).where(where)).scalar_one() if rows else 0
    return {"quarantined": rows, "quarantined_count": count}


# --- one alert ------------------------------------------------------------------------------------


@router.get("/alerts/{id}")
def alert_page(request: Request, id: str, caller: Reader, part: str = "") -> Response:
    """Show an alert: what it says, why it has its severity, where it goes, and what it led to."""
    world = program_of(request).world
    context = _one(world, id)
    return page(
        request,
        "alert_part.html" if part else "alert.html",
        title=context["alert"].title or "Alert",
        section="/alerts",
        live_scope="",
        id=id,
        **context,
    )


def _one(world: World, id: str) -> dict[str, Any]:
    catalog = world.catalog.current

    def read(connection: Connection) -> dict[str, Any]:
        table, groups = tables.alert, tables.alert_group
        row = connection.execute(select(table).where(table.c.id == id)).one_or_none()
        if row is None:
            raise NotFound(
                "There is no such alert.", mend="It may have been forgotten; look through the list."
            )
        group = connection.execute(select(groups).where(groups.c.id == row.group_id)).one_or_none()
        document = msgspec.json.decode(group.document, type=Group) if group else None
        earlier = select(table).where(and_(table.c.fingerprint == row.fingerprint, table.c.id != id))
        wanted = or_(
            tables.incident.c.id == row.incident, tables.incident.c.id == (group.incident if group else None)
        )
        return {
            "row": row,
            "alert": msgspec.json.decode(row.document, type=Alert),
            "group": document,
            "why_grouped": why_grouped(document) if document else "",
            "episodes": connection.execute(earlier.order_by(table.c.episode.desc()).limit(10)).all(),
            "incident": connection.execute(select(tables.incident).where(wanted).limit(1)).one_or_none(),
        }

    found = world.store.read(read)
    alert: Alert = found["alert"]
    decided = routing.decide(
        alert, catalog.declare_policy, catalog.vocabulary, known_facts(catalog, alert.system)
    )
    return {
        **found,
        "routing": decided,
        "why_severity": why_severity(alert, catalog),
        "facts": _facts(alert, catalog),
        "goes_to": goes_to(decided),
    }


def why_severity(alert: Alert, catalog: Configuration) -> str:
    """Return, as a sentence, how the alert came to its severity."""
    word, mapping = alert.sender_severity, catalog.severity_mappings.get(alert.source)
    shown = catalog.label(alert.severity)
    if mapping is not None and mapping.field in alert.labels:
        word = alert.labels[mapping.field]
    if alert.severity is None:
        said = (
            f"Its sender says '{word}', and no mapping reads that word"
            if word
            else "Its sender names no severity"
        )
        return f"{said}. Unknown is paged as {catalog.label(1)} until someone sets it."
    if mapping is None:
        return f"It came in as {shown}."
    known = word.strip().lower() in mapping.words
    if known:
        return f"Its sender says '{word}', which the mapping '{mapping.title}' reads as {shown}."
    said = f"Its sender's word '{word}'" if word else "A report without a word"
    return f"{said} is not in the mapping '{mapping.title}', whose rule for any other is {shown}."


def goes_to(decided: routing.Routing) -> str:
    """Return, as a sentence, who hears of it and when."""
    who = {
        "commander": "the incident commander",
        "on_call": "the engineer on call",
        "owner": "the owning team",
    }[decided.to]
    if decided.declare:
        return f"It declares an incident, or joins the one its group has, and goes to {who}" + (
            " and the whole team." if decided.whole_team else "."
        )
    return (
        f"It waits for the {decided.digest} review of {who}."
        if decided.digest
        else f"It is told to {who} now."
    )


def _facts(alert: Alert, catalog: Configuration) -> list[tuple[str, str]]:
    told = []
    known, _ = routing.readable(alert.facts, catalog.vocabulary)
    for name, value in alert.facts.items():
        text = catalog.vocabulary.facts[name].text if name in catalog.vocabulary.facts else name
        shown = catalog.vocabulary.show(name, known[name]) if name in known else f"{value} (cannot be read)"
        told.append((text, shown))
    return told
