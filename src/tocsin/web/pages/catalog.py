"""The catalog, to read: systems, what watches them, what can be done, who is called; and who changed it (CAT-1, CAT-2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import Connection, and_, func, select

from tocsin.catalog.configuration import Configuration
from tocsin.catalog.system import Component, System
from tocsin.engine.escalate import directory
from tocsin.engine.review import person_name
from tocsin.engine.world import World
from tocsin.response.containment import approval
from tocsin.response.oncall import escalation
from tocsin.response.oncall.schedule import on_call
from tocsin.store import tables
from tocsin.web.pages.layout import OPEN_STATES, page
from tocsin.web.pages.watched import watched
from tocsin.web.permissions import Caller, Needs, program_of

router = APIRouter(include_in_schema=False)
Reader = Annotated[Caller, Depends(Needs("read"))]
VERSIONS_SHOWN = 20
DEPLOYMENTS_SHOWN = 10


@router.get("/catalog")
def catalog_page(request: Request, caller: Reader) -> Response:
    """List the systems, how they depend on each other, and the versions of the configuration."""
    world = program_of(request).world
    catalog = world.catalog.current
    alarms, incidents = world.store.read(_standing)
    return page(
        request,
        "catalog.html",
        title="Catalog",
        section="/catalog",
        live_scope=None,
        systems=sorted(catalog.systems.values(), key=lambda system: (system.criticality, system.name)),
        teams=catalog.teams,
        breached=alarms,
        open_incidents=incidents,
        graph=graph(catalog),
        schedules=_schedules(world),
        counts=_counts(catalog),
        **_versions(world),
    )


def _standing(connection: Connection) -> tuple[dict[str, int], dict[str, int]]:
    state, incident = tables.monitor_state, tables.incident
    breached = select(state.c.system, func.count()).where(state.c.state == "breach").group_by(state.c.system)
    open_ = (
        select(incident.c.system, func.count())
        .where(incident.c.status.in_(OPEN_STATES))
        .group_by(incident.c.system)
    )
    return (
        {row[0]: row[1] for row in connection.execute(breached)},
        {row[0]: row[1] for row in connection.execute(open_) if row[0]},
    )


def _versions(world: World) -> dict[str, Any]:
    table = tables.configuration
    query = select(table.c.version, table.c.digest, table.c.applied_at, table.c.applied_by)
    newest = query.order_by(table.c.version.desc()).limit(VERSIONS_SHOWN)
    rows = world.store.read(lambda connection: connection.execute(newest).all())
    names = {row.applied_by: _actor(world, row.applied_by) for row in rows}
    return {"version": world.catalog.version, "versions": rows, "applied_by": names}


def _actor(world: World, actor: str) -> str:
    kind, _, id = actor.partition(":")
    return person_name(world, id) if kind == "person" else actor.replace(":", " ")


def _schedules(world: World) -> list[tuple[str, list[str]]]:
    now = world.clock.now()
    return [
        (schedule.name, [person_name(world, person) for person in on_call(schedule, now)])
        for schedule in world.catalog.current.schedules.values()
    ]


def _counts(catalog: Configuration) -> list[tuple[str, int]]:
    return [
        ("systems", len(catalog.systems)), ("monitors", len(catalog.monitors)), ("people", len(catalog.people)),
        ("teams", len(catalog.teams)), ("playbooks", len(catalog.playbooks)), ("schedules", len(catalog.schedules)),
    ]  # fmt: skip


# --- one system -----------------------------------------------------------------------------------


@router.get("/catalog/{id}")
def system_page(request: Request, id: str, caller: Reader, part: str = "") -> Response:
    """Show a system; `part` asks for its monitors alone, which are live."""
    world = program_of(request).world
    catalog = world.catalog.current
    system = catalog.system(id)
    monitors = watched(world, catalog.monitors_of(id))
    context: dict[str, Any] = {"system": system, "monitors": monitors}
    if not part:
        context |= _about(world, catalog, system)
    return page(
        request,
        "catalog_system_part.html" if part else "catalog_system.html",
        title=system.name,
        section="/catalog",
        live_scope=f"system:{id}",
        **context,
    )


def _about(world: World, catalog: Configuration, system: System) -> dict[str, Any]:
    policy = catalog.escalation_policy_of(system.id)
    now, people = world.clock.now(), directory(world)
    level, _ = escalation.first(policy, 0)
    return {
        "team": catalog.teams.get(system.owner),
        "policy": policy,
        "plan": escalation.plan(policy, 0),
        "called": escalation.who(policy, level, people, now),
        "graph": graph(catalog, system.id),
        "approvals": {
            action.id: {rank: approval.policy(action.approvers(rank)) for rank in (0, 1, 2, 3)}
            for action in system.containment
        },
        "playbooks": [
            (category.title, catalog.playbook_of(system.id, category.id).title)
            for category in catalog.taxonomy.categories
            if category.id in system.playbooks
        ],
        "name": people.name,
        **world.store.read(lambda connection: _seen(connection, system.id)),
        **_versions(world),
    }


def _seen(connection: Connection, system: str) -> dict[str, Any]:
    deployment, incident, reference = tables.deployment, tables.incident, tables.reference
    deployments = (
        select(deployment).where(deployment.c.system == system).order_by(deployment.c.seen_at.desc())
    )
    mine = and_(incident.c.system == system)
    return {
        "deployments": connection.execute(deployments.limit(DEPLOYMENTS_SHOWN)).all(),
        "incidents": connection.execute(
            select(incident).where(mine).order_by(incident.c.number.desc()).limit(5)
        ).all(),
        "reference": connection.execute(select(reference).where(reference.c.system == system)).one_or_none(),
    }


# --- the graph of dependencies --------------------------------------------------------------------

BOX_WIDTH, BOX_HEIGHT, GAP_X, GAP_Y = 180, 40, 44, 14


@dataclass(frozen=True, slots=True)
class Node:
    """A box of the graph, in the drawing's units."""

    id: str
    name: str
    kind: str
    href: str
    x: int
    y: int
    centre: bool


@dataclass(frozen=True, slots=True)
class Graph:
    """What needs what: boxes in columns, what needs something left of it."""

    width: int
    height: int
    box: int
    """How wide a box is."""
    nodes: list[Node]
    edges: list[str]
    """SVG path data, from the one that needs to the one that is needed."""
    label: str


def graph(catalog: Configuration, centre: str = "") -> Graph | None:
    """Return the graph of all dependencies, or of those around `centre`; None when there are none."""
    everything: dict[str, System | Component] = {**catalog.components, **catalog.systems}
    edges = [(id, need) for id, one in everything.items() for need in one.depends_on if need in everything]
    if centre:
        near = _reach(centre, edges) | _reach(centre, [(need, id) for id, need in edges])
        edges = [(id, need) for id, need in edges if id in near and need in near]
    if not edges:
        return None
    columns = _columns(edges)
    tallest = max(len(column) for column in columns)
    height = tallest * (BOX_HEIGHT + GAP_Y) - GAP_Y + 4
    places: dict[str, tuple[int, int]] = {}
    for number, column in enumerate(columns):
        top = (height - (len(column) * (BOX_HEIGHT + GAP_Y) - GAP_Y)) // 2
        for row, id in enumerate(column):
            places[id] = (2 + number * (BOX_WIDTH + GAP_X), top + row * (BOX_HEIGHT + GAP_Y))
    nodes = [_node(everything[id], place, id == centre) for id, place in places.items()]
    told = "; ".join(f"{everything[id].name} needs {everything[need].name}" for id, need in edges)
    drawn = [_edge(places[id], places[need]) for id, need in edges]
    return Graph(len(columns) * (BOX_WIDTH + GAP_X) - GAP_X + 4, height, BOX_WIDTH, nodes, drawn, told)


def _reach(start: str, edges: list[tuple[str, str]]) -> set[str]:
    found, waiting = {start}, [start]
    while waiting:
        here = waiting.pop()
        fresh = {need for id, need in edges if id == here} - found
        found |= fresh
        waiting += fresh
    return found


def _columns(edges: list[tuple[str, str]]) -> list[list[str]]:
    """Return the nodes in columns so that a need lies right of what needs it; a circle stops at the last column."""
    names = dict.fromkeys(name for edge in edges for name in edge)
    depth = dict.fromkeys(names, 0)
    for _ in range(len(names)):
        for id, need in edges:
            if depth[need] <= depth[id] and depth[id] + 1 < len(names):
                depth[need] = depth[id] + 1
    levels = sorted(set(depth.values()))
    return [[name for name in names if depth[name] == level] for level in levels]


def _node(one: System | Component, place: tuple[int, int], centre: bool) -> Node:
    is_system = isinstance(one, System)
    kind = "AI system" if isinstance(one, System) else one.type.replace("_", " ")
    name = one.name if len(one.name) <= 21 else f"{one.name[:20]}…"
    return Node(one.id, name, kind, f"/catalog/{one.id}" if is_system else "", *place, centre)


def _edge(start: tuple[int, int], end: tuple[int, int]) -> str:
    x1, y1 = start[0] + BOX_WIDTH, start[1] + BOX_HEIGHT // 2
    x2, y2 = end[0], end[1] + BOX_HEIGHT // 2
    bend = GAP_X // 2
    return f"M{x1} {y1} C{x1 + bend} {y1} {x2 - bend} {y2} {x2 - 5} {y2}"
