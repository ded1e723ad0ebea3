"""A playbook run: the present question alone, what was measured about it, and how one got here (RSP-2, RSP-5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import select

from tocsin.catalog.playbook import UNKNOWN, Decision, Question, Task
from tocsin.catalog.system import ContainmentAction
from tocsin.engine import run_playbook
from tocsin.engine.contain import roles_of
from tocsin.engine.review import person_name
from tocsin.engine.world import World
from tocsin.incidents.incident import INCIDENT, OPEN, Incident, Status
from tocsin.kernel.errors import TocsinError
from tocsin.response.containment.action import CONTAINMENT, Containment
from tocsin.response.playbooks import run as runs
from tocsin.response.playbooks.run import RUN, Proposal, Run, Visit
from tocsin.store import tables
from tocsin.web.pages.form import take
from tocsin.web.pages.layout import page
from tocsin.web.pages.watched import Watched, measured, watched
from tocsin.web.permissions import Caller, Needs, program_of

router = APIRouter(include_in_schema=False)
Reader = Annotated[Caller, Depends(Needs("read"))]
Responder = Annotated[Caller, Depends(Needs("respond"))]
DEPLOYMENTS_SHOWN = 8
SHORT = 30
"""A probe's own figures are shown on the path when they are at most so many."""


@dataclass(frozen=True, slots=True)
class Passed:
    """One step of the path, for people."""

    index: int
    visit: Visit
    text: str
    who: str
    figures: list[tuple[str, str]]
    again: bool
    """Whether one can go back to it."""


@dataclass(frozen=True, slots=True)
class Advice:
    """A standing recommendation, with the system's actions that would carry it out."""

    proposal: Proposal
    actions: tuple[ContainmentAction, ...]
    taken: tuple[tuple[str, Containment], ...]
    """Actions of that kind that were asked for on this incident."""


@router.get("/runs/{id}")
def run_page(request: Request, id: str, caller: Reader, part: str = "") -> Response:
    """Show the run; `part` asks for its live fragment alone."""
    return _shown(request, id, caller, part=part)


def _shown(
    request: Request,
    id: str,
    caller: Caller,
    *,
    part: str = "",
    problem: TocsinError | None = None,
    typed: dict[str, str] | None = None,
) -> Response:
    world = program_of(request).world
    state = run_playbook.known(world.store.state(RUN, id))
    incident = world.store.state(INCIDENT, state.incident)
    title = state.playbook.title if state.playbook else "Playbook"
    return page(
        request,
        "run_part.html" if part else "run.html",
        title=f"{title} · INC-{incident.number}",
        section="/incidents",
        live_scope=state.incident,
        problem=problem,
        status=problem.status if problem else 200,
        typed=typed or {},
        **_context(world, id, state, incident, caller),
    )


def _context(world: World, id: str, state: Run, incident: Incident, caller: Caller) -> dict[str, Any]:
    step = state.current()
    path = _path(world, state)
    advice = _advice(world, state)
    return {
        "id": id,
        "run": state,
        "incident": incident,
        "step": step,
        "kind": runs.kind(step) if step else "",
        "visit": len(state.path) - 1,
        "ways": ways(step),
        "objection": objection(world, step, incident, caller),
        "path": path,
        "done": sum(1 for one in path if one.visit.answer or one.visit.kind == "task"),
        "evidence": _evidence(world, state, step),
        "before": _measured_before(world, state),
        "doubt": measured(state.inconclusive.measured, world.catalog.current.monitors)
        if state.inconclusive
        else [],
        "deployments": _deployments(world, state, incident) if "deployments" in _shows(step) else None,
        "advice": advice,
        "onward": _onward(incident, advice),
        "name": lambda person: person_name(world, person),
    }


# --- the present step -----------------------------------------------------------------------------


def ways(step: Any) -> list[tuple[str, str]]:
    """Return the answers as (value, label), 'Don't know' last and always there for a question."""
    if isinstance(step, Question):
        known = [(way, way.replace("_", " ").capitalize()) for way in step.answers if way != UNKNOWN]
        return [*known, (UNKNOWN, "Don't know")]
    if isinstance(step, Decision):
        return [(way, way.replace("_", " ").capitalize()) for way in step.options]
    return []


def objection(world: World, step: Any, incident: Incident, caller: Caller) -> str:
    """Return why the caller may not answer the present step, as a sentence; empty when they may."""
    if not caller.may("respond"):
        role = caller.account.role if caller.account else "integration"
        return f"Your account's role '{role}' may look, and not answer."
    if isinstance(step, Decision) and not {step.role, "commander"} & set(roles_of(incident, caller.who)):
        holder = incident.roles.get(step.role) or incident.roles.get("commander")
        held = (
            f" {person_name(world, holder)} holds it."
            if holder
            else " Nobody holds it yet: take or assign it on the incident."
        )
        return f"The {step.role.replace('_', ' ')} of this incident decides this.{held}"
    return ""


def _shows(step: Any) -> tuple[str, ...]:
    return step.shows if isinstance(step, Question) else ()


def _evidence(world: World, state: Run, step: Any) -> list[Watched]:
    """Return the monitors that belong before one's eyes: named by id, by dimension, or by the step's probe."""
    shows = set(_shows(step))
    catalog = world.catalog.current
    system = catalog.systems.get(state.system)
    probe = system.probe(step.probe) if system and isinstance(step, Question) and step.probe else None
    if probe is not None:
        shows |= {name.strip() for name in probe.params.get("monitors", "").split(",")}
    chosen = [one for one in catalog.monitors_of(state.system) if one.id in shows or one.dimension in shows]
    return watched(world, chosen)


def _measured_before(world: World, state: Run) -> tuple[Visit, list[tuple[str, str]]] | None:
    """Return what a probe said of the present step on an earlier visit, if somebody came back to it."""
    for visit in reversed(state.path[:-1]):
        if visit.step == state.step and visit.by == "probe":
            return visit, measured(visit.measured, world.catalog.current.monitors)
    return None


def _deployments(world: World, state: Run, incident: Incident) -> list[dict[str, Any]]:
    table = tables.deployment
    query = (
        select(table)
        .where(table.c.system == state.system)
        .order_by(table.c.seen_at.desc())
        .limit(DEPLOYMENTS_SHOWN)
    )
    rows = world.store.read(lambda connection: connection.execute(query).all())
    began = incident.began_at or incident.declared_at
    return [
        {
            "version": row.version,
            "at": row.seen_at,
            "details": _details(row.document),
            "told": _apart((began - row.seen_at).total_seconds()) if began else "",
            "near": began is not None and 0 <= (began - row.seen_at).total_seconds() <= 3600,
        }
        for row in rows
    ]


def _details(document: bytes) -> list[tuple[str, str]]:
    try:
        read = msgspec.json.decode(document)
    except msgspec.DecodeError:
        return []
    plain = read.items() if isinstance(read, dict) else ()
    return [
        (str(name).replace("_", " "), str(value))
        for name, value in plain
        if isinstance(value, str | int) and value != ""
    ]


def _apart(seconds: float) -> str:
    minutes = abs(int(seconds)) // 60
    days, hours = minutes // 1440, minutes // 60
    span = (
        f"{days} d"
        if days
        else f"{hours} h {minutes % 60} min"
        if hours
        else f"{minutes} min"
        if minutes
        else f"{abs(int(seconds))} s"
    )
    return f"{span} {'before' if seconds >= 0 else 'after'} it began"


# --- the path and what it advises -----------------------------------------------------------------


def _path(world: World, state: Run) -> list[Passed]:
    assert state.playbook is not None
    passed = []
    for index, visit in enumerate(state.path):
        step = state.playbook.step(visit.step)
        here = index == len(state.path) - 1 and state.status == "running"
        if here or step is None or visit.kind == "end":
            continue
        answered = visit.kind in ("question", "decision") or (visit.kind == "task" and visit.at is not None)
        passed.append(
            Passed(
                index=index,
                visit=visit,
                text=step.text
                if isinstance(step, Question | Decision | Task)
                else runs.said(step).capitalize(),
                who="measured" if visit.by == "probe" else person_name(world, visit.who),
                figures=measured(visit.measured, world.catalog.current.monitors)[:SHORT],
                again=answered and not visit.left,
            )
        )
    return passed


def _advice(world: World, state: Run) -> list[Advice]:
    system = world.catalog.current.systems.get(state.system)
    table = tables.containment
    query = select(table.c.id).where(table.c.incident == state.incident).order_by(table.c.requested_at)
    ids = world.store.read(lambda connection: connection.execute(query).scalars().all())
    asked = [(id, world.store.state(CONTAINMENT, id)) for id in ids]
    return [
        Advice(
            proposal=proposal,
            actions=tuple(one for one in system.containment if one.verb == proposal.action) if system else (),
            taken=tuple((id, one) for id, one in asked if one.action and one.action.verb == proposal.action),
        )
        for proposal in state.standing()
    ]


def _onward(incident: Incident, advice: list[Advice]) -> tuple[str, str, str]:
    """Return (label, address, why) of what comes after the run."""
    here = f"/incidents/{incident.number}"
    for one in advice if incident.status in OPEN else ():
        open_ = not any(state.in_effect() or state.status == "requested" for _, state in one.taken)
        if open_ and one.actions:
            return (
                "Preview the recommended action",
                f"{here}/containment?action={one.actions[0].id}",
                one.proposal.text,
            )
    if incident.status in (Status.RESOLVED, Status.REVIEWING):
        return (
            "Open the review",
            f"{here}/review",
            "The incident is resolved; what is left is to learn from it.",
        )
    if incident.status is Status.CLOSED:
        return "To the incident", here, "The incident is closed."
    return "Go on in the console", here, "Send an update, then resolve when the lasting repair is in place."


# --- what its forms do ----------------------------------------------------------------------------


def _visit(given: dict[str, str]) -> int | None:
    text = given.get("visit", "")
    return int(text) if text.isdigit() and len(text) < 6 else None


@router.post("/runs/{id}/answers")
async def answer(request: Request, id: str, caller: Responder) -> Response:
    """Answer the present question; 'unknown' leads to the safe branch."""
    world = program_of(request).world

    def work(given: dict[str, str]) -> str:
        run_playbook.answer(
            world,
            id,
            step=given.get("step", ""),
            answer=given.get("answer", ""),
            who=caller.who,
            actor=caller.actor,
            note=given.get("note", ""),
            visit=_visit(given),
        )
        return f"/runs/{id}"

    return await take(
        request, work, lambda error, given: _shown(request, id, caller, problem=error, typed=given)
    )


@router.post("/runs/{id}/tasks")
async def complete(request: Request, id: str, caller: Responder) -> Response:
    """Say that the present task is done."""
    world = program_of(request).world

    def work(given: dict[str, str]) -> str:
        command = runs.CompleteTask(
            step=given.get("step", ""), note=given.get("note", ""), who=caller.who, visit=_visit(given)
        )
        run_playbook.tell(world, id, command, actor=caller.actor)
        return f"/runs/{id}"

    return await take(
        request, work, lambda error, given: _shown(request, id, caller, problem=error, typed=given)
    )


@router.post("/runs/{id}/revisit")
async def revisit(request: Request, id: str, caller: Responder) -> Response:
    """Go back to an earlier step, with a reason."""
    world = program_of(request).world

    def work(given: dict[str, str]) -> str:
        command = runs.Revisit(step=given.get("step", ""), who=caller.who, reason=given.get("reason", ""))
        run_playbook.tell(world, id, command, actor=caller.actor)
        return f"/runs/{id}"

    return await take(
        request, work, lambda error, given: _shown(request, id, caller, problem=error, typed=given)
    )


@router.post("/runs/{id}/abandon")
async def abandon(request: Request, id: str, caller: Responder) -> Response:
    """Give the run up, with a reason."""
    world = program_of(request).world

    def work(given: dict[str, str]) -> str:
        run_playbook.tell(
            world, id, runs.Abandon(reason=given.get("reason", ""), who=caller.who), actor=caller.actor
        )
        return f"/runs/{id}"

    return await take(
        request, work, lambda error, given: _shown(request, id, caller, problem=error, typed=given)
    )
