"""Containment: the actions of a system, what one would do, and each one asked for on its way to verified (CON-1..5)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import select

from tocsin.catalog.system import ContainmentAction, System
from tocsin.engine import contain
from tocsin.engine.review import person_name
from tocsin.engine.world import World
from tocsin.incidents.incident import INCIDENT, OPEN, Incident
from tocsin.kernel.errors import NotFound, TocsinError
from tocsin.kernel.event import Recorded
from tocsin.response.containment import action as actions
from tocsin.response.containment import approval
from tocsin.response.containment.action import CONTAINMENT, Check, Containment, waiting_for
from tocsin.response.playbooks.run import RUN
from tocsin.store import tables
from tocsin.web.api.answers import incident_id
from tocsin.web.pages.form import take
from tocsin.web.pages.layout import page
from tocsin.web.pages.watched import measured
from tocsin.web.permissions import Caller, Needs, program_of

router = APIRouter(include_in_schema=False)
Reader = Annotated[Caller, Depends(Needs("read"))]
Container = Annotated[Caller, Depends(Needs("contain"))]

STAGES: tuple[tuple[str, str], ...] = (
    ("requested", "Requested"), ("approved", "Approved"), ("sealed", "Sealed"), ("acted", "Acted"),
    ("verified", "Verified"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of an action. `state`: done, now, failed, skipped or ahead."""

    name: str
    title: str
    state: str
    at: dt.datetime | None
    told: str


@dataclass(frozen=True, slots=True)
class Taken:
    """One action that was asked for, with what the caller may do about it."""

    id: str
    state: Containment
    stages: list[Stage]
    waits: str
    position: int
    cannot_approve: str
    """Why the caller may not approve now; empty when they may."""
    signed: list[tuple[str, str]]
    """(person, role) of each approval."""
    deviates: tuple[str, ...]
    """Names observed after the action whose value differs from before."""
    same: tuple[str, ...]
    """The other names."""
    checks: list[tuple[Check, str, list[tuple[str, str]]]]
    """Each check with its probe's question and its figures."""


# --- the page -------------------------------------------------------------------------------------


@router.get("/incidents/{number}/containment")
def containment_page(
    request: Request, number: int, caller: Reader, action: str = "", part: str = ""
) -> Response:
    """Show the actions of the incident's system and the preview of one; `part` asks for the live fragment alone."""
    return _shown(request, number, caller, action=action, part=part)


def _shown(
    request: Request,
    number: int,
    caller: Caller,
    *,
    action: str = "",
    part: str = "",
    problem: TocsinError | None = None,
    typed: dict[str, str] | None = None,
) -> Response:
    world = program_of(request).world
    id = incident_id(world, str(number))
    incident = world.store.state(INCIDENT, id)
    taken = _taken(world, id, incident, caller)
    context: dict[str, Any] = {
        "incident": incident,
        "taken": taken,
        "under_way": [
            one for one in taken if one.state.status in ("requested", "approved", "sealed", "acted")
        ],
        "open": incident.status in OPEN,
        "name": lambda person: person_name(world, person),
        "typed": typed or {},
    }
    if not part:
        context |= _choice(world, id, incident, caller, action, taken)
    return page(
        request,
        "containment_part.html" if part else "containment.html",
        title=f"Containment · INC-{number}",
        section="/incidents",
        live_scope=id,
        problem=problem,
        status=problem.status if problem else 200,
        **context,
    )


def _choice(
    world: World, id: str, incident: Incident, caller: Caller, wanted: str, taken: list[Taken]
) -> dict[str, Any]:
    """Return the actions there are, the one looked at, and its preview or why there is none."""
    system = world.catalog.current.systems.get(incident.system or "")
    advised = _advised(world, id)
    chosen = system.action(wanted) if system and wanted else _first_choice(system, advised, taken)
    shown: dict[str, Any] = {
        "system": system,
        "unknown": wanted if wanted and system and chosen is None else "",
        "advised": advised,
        "chosen": chosen,
        "preview": None,
        "absolute": None,
        "preview_problem": None,
        "policy": approval.policy(chosen.approvers(incident.severity)) if chosen else "",
        "policies": {
            one.id: approval.policy(one.approvers(incident.severity))
            for one in (system.containment if system else ())
        },
    }
    if chosen and system and caller.may("contain"):
        try:
            shown["absolute"], shown["preview"] = contain.preview(world, system.id, chosen.id)
        except TocsinError as error:
            shown["preview_problem"] = error
    return shown


def _advised(world: World, id: str) -> dict[str, str]:
    """Return the verbs that the playbooks of the incident recommend, with the reason."""
    table = tables.run
    query = select(table.c.id).where(table.c.incident == id).order_by(table.c.started_at)
    ids = world.store.read(lambda connection: connection.execute(query).scalars().all())
    return {one.action: one.reason for run in ids for one in world.store.state(RUN, run).standing()}


def _first_choice(
    system: System | None, advised: dict[str, str], taken: list[Taken]
) -> ContainmentAction | None:
    """Return the recommended action, unless one is already asked for or in effect."""
    busy = any(
        one.state.in_effect() or one.state.status in ("requested", "approved", "sealed") for one in taken
    )
    if system is None or busy:
        return None
    return next((one for one in system.containment if one.verb in advised), None)


# --- actions asked for ----------------------------------------------------------------------------


def _taken(world: World, id: str, incident: Incident, caller: Caller) -> list[Taken]:
    table = tables.containment
    query = select(table.c.id).where(table.c.incident == id).order_by(table.c.requested_at.desc())
    ids = world.store.read(lambda connection: connection.execute(query).scalars().all())
    return [_one(world, key, incident, caller) for key in ids]


def _one(world: World, id: str, incident: Incident, caller: Caller) -> Taken:
    state = world.store.state(CONTAINMENT, id)
    recorded = [one for _, one in world.store.events(stream=CONTAINMENT.stream(id))]
    deviates = tuple(
        name for name, value in state.observed_after.items() if state.observed_before.get(name) != value
    )
    return Taken(
        id=id,
        state=state,
        stages=stages(state, recorded, lambda person: person_name(world, person)),
        waits=waiting_for(state),
        position=recorded[-1].position if recorded else 0,
        cannot_approve=_cannot_approve(world, state, incident, caller),
        signed=[(person_name(world, one.by), one.role.replace("_", " ")) for one in state.approvals],
        deviates=deviates,
        same=tuple(name for name in state.observed_after if name not in deviates),
        checks=_checks(world, state),
    )


def _checks(world: World, state: Containment) -> list[tuple[Check, str, list[tuple[str, str]]]]:
    catalog = world.catalog.current
    system = catalog.systems.get(state.system)
    found = []
    for check in state.checks:
        probe = system.probe(check.probe) if system else None
        title = (
            probe.title
            if probe
            else "Is the state as it should be?"
            if check.probe == "state"
            else check.probe
        )
        found.append((check, title, measured(check.measured, catalog.monitors)))
    return found


def _cannot_approve(world: World, state: Containment, incident: Incident, caller: Caller) -> str:
    if not caller.may("contain"):
        role = caller.account.role if caller.account else "integration"
        return f"Your account's role '{role}' may look, and not approve."
    if any(one.by == caller.who for one in state.approvals):
        return f"You have approved it. {approval.missing(state.approvals_needed, state.approvals)}"
    told = approval.objection(
        state.approvals_needed,
        state.approvals,
        by=caller.who,
        held=contain.roles_of(incident, caller.who),
        requester=state.requested_by,
    )
    name = caller.account.name if caller.account else caller.who
    return told.replace(f"{caller.who} ", f"{name} ") if told else ""


def stages(state: Containment, recorded: list[Recorded], name: Any) -> list[Stage]:
    """Return the five stages of an action with their times; what failed, was skipped or lies ahead says so."""
    times: dict[str, dt.datetime] = {}
    told: dict[str, str] = {}
    for one in recorded:
        match one.event:
            case actions.Requested(by=by):
                times["requested"], told["requested"] = one.at, name(by)
            case actions.Approved(by=by):
                times["approved"] = one.at
                told["approved"] = ", ".join(filter(None, (told.get("approved"), name(by))))
            case actions.SnapshotSealed(items=items):
                times["sealed"], told["sealed"] = one.at, f"{len(items)} items"
            case actions.Acted():
                times["acted"] = one.at
            case actions.Verified(holds=holds, checks=checks):
                yes = sum(check.holds == "yes" for check in checks)
                told["verified"] = f"{yes} of {len(checks)} checks say yes"
                if holds:
                    times["verified"] = one.at
            case _:
                pass
    if not state.approvals_needed and state.status != "none":
        times.setdefault("approved", times["requested"])
        told.setdefault("approved", "nobody has to")
    return [_stage(key, title, state, times, told) for key, title in STAGES]


def _stage(
    key: str, title: str, state: Containment, times: dict[str, dt.datetime], told: dict[str, str]
) -> Stage:
    failed_at = {"capture": "sealed", "act": "acted", "verify": "verified"}.get(state.failed_stage or "")
    following = {"requested": "approved", "approved": "sealed", "sealed": "acted", "acted": "verified"}.get(
        state.status
    )
    if state.status == "approved" and state.overridden_by:
        following = "acted"
    done = key in times and not (key == "approved" and state.status == "requested")
    standing = "done" if done else "ahead"
    if key == (failed_at if state.status == "failed" else "approved" if state.status == "declined" else None):
        standing = "failed"
    elif not done and key == "sealed" and state.overridden_by:
        standing = "skipped"
    elif not done and key == following:
        standing = "now"
    return Stage(key, title, standing, times.get(key) if done else None, told.get(key, ""))


# --- what its forms do ----------------------------------------------------------------------------


@router.post("/incidents/{number}/containment")
async def ask(request: Request, number: int, caller: Container) -> Response:
    """Ask for an action; it acts once approved and once its snapshot is sealed."""
    world = program_of(request).world

    def work(given: dict[str, str]) -> str:
        incident, action = incident_id(world, str(number)), given.get("action", "")
        contain.request(
            world, incident, action, reason=given.get("reason", ""), by=caller.who, actor=caller.actor
        )
        return f"/incidents/{number}/containment"

    return await take(
        request,
        work,
        lambda error, given: _shown(
            request, number, caller, action=given.get("action", ""), problem=error, typed=given
        ),
    )


def _mine(world: World, number: int, id: str) -> None:
    if world.store.state(CONTAINMENT, id).incident != incident_id(world, str(number)):
        raise NotFound(f"INC-{number} has no such containment action.")


def _again(request: Request, number: int, id: str, caller: Caller) -> Any:
    return lambda error, given: _shown(request, number, caller, problem=error, typed={**given, "for": id})


@router.post("/incidents/{number}/containment/{id}/approve")
async def approve(request: Request, number: int, id: str, caller: Container) -> Response:
    """Agree to what was looked at, with the roles the caller holds on the incident."""
    world = program_of(request).world

    def work(given: dict[str, str]) -> str:
        _mine(world, number, id)
        seen = given.get("expected", "")
        expected = int(seen) if seen.isdigit() and len(seen) < 10 else None
        contain.approve(world, id, by=caller.who, actor=caller.actor, expected=expected)
        return f"/incidents/{number}/containment"

    return await take(request, work, _again(request, number, id, caller))


@router.post("/incidents/{number}/containment/{id}/decline")
async def decline(request: Request, number: int, id: str, caller: Container) -> Response:
    """Turn the request down, with a reason."""
    world = program_of(request).world

    def work(given: dict[str, str]) -> str:
        _mine(world, number, id)
        contain.decline(world, id, by=caller.who, reason=given.get("reason", ""), actor=caller.actor)
        return f"/incidents/{number}/containment"

    return await take(request, work, _again(request, number, id, caller))


@router.post("/incidents/{number}/containment/{id}/override")
async def override(request: Request, number: int, id: str, caller: Container) -> Response:
    """Let an approved action go before its snapshot, with a reason."""
    world = program_of(request).world

    def work(given: dict[str, str]) -> str:
        _mine(world, number, id)
        contain.override_order(world, id, by=caller.who, reason=given.get("reason", ""), actor=caller.actor)
        return f"/incidents/{number}/containment"

    return await take(request, work, _again(request, number, id, caller))


@router.post("/incidents/{number}/containment/{id}/revert")
async def revert(request: Request, number: int, id: str, caller: Container) -> Response:
    """Undo the action, with a reason."""
    world = program_of(request).world

    def work(given: dict[str, str]) -> str:
        _mine(world, number, id)
        contain.revert(world, id, by=caller.who, reason=given.get("reason", ""), actor=caller.actor)
        return f"/incidents/{number}/containment"

    return await take(request, work, _again(request, number, id, caller))
