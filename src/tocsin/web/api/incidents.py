"""Incidents by API: declare, read, decide, note, close."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AwareDatetime, Field
from sqlalchemy import select

from tocsin.engine import assign, declare, escalate, review
from tocsin.incidents import incident as incidents
from tocsin.incidents.incident import INCIDENT
from tocsin.kernel.canonical import LARGEST
from tocsin.kernel.errors import Invalid
from tocsin.kernel.severity import label, parse
from tocsin.response.oncall.page import PAGE
from tocsin.store import tables
from tocsin.web.api.answers import Body, answer, incident_id, rows, world_of
from tocsin.web.permissions import Caller, Needs

router = APIRouter(prefix="/api/v1", tags=["incidents"])

EARLIEST = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
AHEAD = dt.timedelta(days=1)

Fact = bool | int | str
Text = Annotated[str, Field(max_length=20_000)]
Title = Annotated[str, Field(min_length=1, max_length=300)]


class DeclareBody(Body):
    """What is known when an incident is declared; a title is enough."""

    title: Title
    description: Text = ""
    severity: str | None = None
    category: str | None = None
    system: str | None = None
    facts: dict[str, Fact] = {}
    began_at: AwareDatetime | None = Field(default=None, strict=False)


class SeverityBody(Body):
    """A severity set by a person."""

    severity: str
    reason: Text
    expected: int | None = None


class CategoryBody(Body):
    """A category set by a person."""

    category: str
    reason: Text


class FactsBody(Body):
    """New facts, and where they come from."""

    facts: dict[str, Fact]
    reason: Text


class NoteBody(Body):
    """A note, finding, hypothesis or decision with the ids of its evidence."""

    text: Text
    evidence: tuple[str, ...] = Field(default=(), strict=False)


class VerdictBody(Body):
    """How a hypothesis was settled."""

    verdict: Literal["confirmed", "refuted"]
    text: Text = ""
    evidence: tuple[str, ...] = Field(default=(), strict=False)


class RoleBody(Body):
    """Who holds a role."""

    role: Annotated[str, Field(min_length=1, max_length=60)]
    person: Annotated[str, Field(min_length=1, max_length=120)]


class WordsBody(Body):
    """A summary or a reason."""

    text: Text


class CloseBody(Body):
    """Why it is closed, where that needs saying."""

    reason: Text = ""


def shown(world: object, id: str, state: incidents.Incident, position: int) -> dict[str, object]:
    """Return an incident as the API tells it."""
    return {
        "id": id,
        "name": f"INC-{state.number}",
        "position": position,
        "severity_label": label(state.severity),
        "incident": state,
    }


def _exact(facts: dict[str, Fact]) -> dict[str, Fact]:
    """Return `facts`; raise `Invalid` naming the one whose number JSON cannot carry exactly."""
    for name, value in facts.items():
        if isinstance(value, int) and abs(value) > LARGEST:
            raise Invalid(
                "The number is beyond the exact integers of JSON.",
                where=f"facts.{name}",
                mend=f"Send at most {LARGEST}.",
            )
    return facts


def _moment(given: dt.datetime | None, now: dt.datetime, where: str) -> dt.datetime | None:
    """Return a time in UTC; raise `Invalid` naming the field when it lies before 2000 or beyond tomorrow."""
    if given is None:
        return None
    try:
        moment = given.astimezone(dt.UTC)
    except OverflowError:  # the year 1 or 9999, with an offset that leads beyond it
        moment = None
    if moment is None or not EARLIEST <= moment <= now + AHEAD:
        raise Invalid(
            "The time lies before the year 2000 or in the future.",
            where=where,
            mend="Write it like 2026-11-23T03:04:05Z.",
        )
    return moment


def _position(request: Request, id: str) -> int:
    query = select(tables.stream.c.position).where(tables.stream.c.name == INCIDENT.stream(id))
    return int(world_of(request).store.read(lambda connection: connection.execute(query).scalar_one()))


@router.post("/incidents", status_code=201)
def declare_incident(
    request: Request, body: DeclareBody, caller: Annotated[Caller, Depends(Needs("respond"))]
) -> Response:
    """Declare an incident; a title is enough."""
    world = world_of(request)
    id, number = declare.declare(
        world,
        title=body.title,
        actor=caller.actor,
        by=caller.who,
        description=body.description,
        severity=parse(body.severity) if body.severity else None,
        category=body.category,
        system=body.system,
        facts=_exact(body.facts),
        began_at=_moment(body.began_at, world.clock.now(), "began_at"),
    )
    return answer({"id": id, "number": number, "name": f"INC-{number}"}, 201)


@router.get("/incidents", dependencies=[Depends(Needs("read"))])
def list_incidents(
    request: Request,
    status: str | None = None,
    system: str | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    before: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
) -> Response:
    """List incidents, newest first; `before` is the number to page on from."""
    table = tables.incident
    query = select(table).order_by(table.c.number.desc()).limit(limit)
    if status:
        query = query.where(table.c.status.in_(status.split(",")))
    if system:
        query = query.where(table.c.system == system)
    if before:
        query = query.where(table.c.number < before)
    return answer({"incidents": rows(world_of(request), query)})


@router.get("/incidents/{name}", dependencies=[Depends(Needs("read"))])
def read_incident(request: Request, name: str) -> Response:
    """Return one incident as its record tells it, with its position for `expected`."""
    world = world_of(request)
    id = incident_id(world, name)
    return answer(shown(world, id, world.store.state(INCIDENT, id), _position(request, id)))


@router.get("/incidents/{name}/timeline", dependencies=[Depends(Needs("read"))])
def read_timeline(request: Request, name: str) -> Response:
    """Return the timeline, oldest first; each line names its leaf in the log."""
    world = world_of(request)
    return answer({"timeline": review.told(world, world.store.events(scope=incident_id(world, name)))})


@router.get("/incidents/{name}/pages", dependencies=[Depends(Needs("read"))])
def read_pages(request: Request, name: str) -> Response:
    """Return who was paged, how each delivery went, and where the escalation stands."""
    world = world_of(request)
    id = incident_id(world, name)
    deliveries = (
        select(tables.delivery).where(tables.delivery.c.scope == id).order_by(tables.delivery.c.queued_at)
    )
    pages = select(tables.page).where(tables.page.c.incident == id).order_by(tables.page.c.requested_at)
    state = world.store.state(PAGE, id)
    told = {"status": state.status, "level": state.current, "acknowledge_by": state.acknowledge_by}
    return answer({"escalation": told, "pages": rows(world, pages), "deliveries": rows(world, deliveries)})


def _tell(
    request: Request,
    name: str,
    caller: Caller,
    command: incidents.IncidentCommand,
    expected: int | None = None,
) -> Response:
    world = world_of(request)
    id = incident_id(world, name)
    outcome = declare.tell(world, id, command, actor=caller.actor, expected=expected)
    return answer(shown(world, id, outcome.state, outcome.position))


Responder = Annotated[Caller, Depends(Needs("respond"))]
Commander = Annotated[Caller, Depends(Needs("command"))]


@router.post("/incidents/{name}/acknowledge")
def acknowledge(request: Request, name: str, caller: Responder) -> Response:
    """Acknowledge the page of an incident as the caller."""
    world = world_of(request)
    id = incident_id(world, name)
    escalate.acknowledge(world, id, caller.who, page_id=None, how="api", actor=caller.actor)
    return answer({"acknowledged_by": caller.who})


@router.post("/incidents/{name}/severity")
def set_severity(request: Request, name: str, body: SeverityBody, caller: Commander) -> Response:
    """Override the severity; needs a reason."""
    world = world_of(request)
    id = incident_id(world, name)
    outcome = declare.change_severity(
        world, id, parse(body.severity), body.reason, actor=caller.actor, expected=body.expected
    )
    return answer(shown(world, id, outcome.state, outcome.position))


@router.post("/incidents/{name}/category")
def set_category(request: Request, name: str, body: CategoryBody, caller: Responder) -> Response:
    """Override the category; needs a reason."""
    world = world_of(request)
    id = incident_id(world, name)
    outcome = declare.change_category(world, id, body.category, body.reason, actor=caller.actor)
    return answer(shown(world, id, outcome.state, outcome.position))


@router.post("/incidents/{name}/facts")
def record_facts(request: Request, name: str, body: FactsBody, caller: Responder) -> Response:
    """Record facts; the severity is assessed anew."""
    facts = declare.checked_facts(world_of(request).catalog.current, _exact(body.facts))
    return _tell(request, name, caller, incidents.RecordFacts(facts=facts, reason=body.reason))


@router.post("/incidents/{name}/roles")
def assign_role(request: Request, name: str, body: RoleBody, caller: Commander) -> Response:
    """Give a role to a person."""
    world = world_of(request)
    id = incident_id(world, name)
    how = f"assigned by {caller.who}"
    outcome = assign.assign(world, id, body.role, body.person, how=how, actor=caller.actor)
    return answer(shown(world, id, outcome.state, outcome.position))


@router.post("/incidents/{name}/notes")
def add_note(request: Request, name: str, body: WordsBody, caller: Responder) -> Response:
    """Add a note; a closed record still takes additions."""
    return _tell(request, name, caller, incidents.AddNote(text=body.text))


def _new_id(request: Request) -> str:
    return world_of(request).store.run(lambda tx: tx.new_id())


@router.post("/incidents/{name}/findings")
def note_finding(request: Request, name: str, body: NoteBody, caller: Responder) -> Response:
    """Note a finding with its evidence."""
    command = incidents.NoteFinding(finding=_new_id(request), text=body.text, evidence=body.evidence)
    return _tell(request, name, caller, command)


@router.post("/incidents/{name}/hypotheses")
def note_hypothesis(request: Request, name: str, body: NoteBody, caller: Responder) -> Response:
    """Note a hypothesis; it is open until settled."""
    command = incidents.NoteHypothesis(hypothesis=_new_id(request), text=body.text, evidence=body.evidence)
    return _tell(request, name, caller, command)


@router.post("/incidents/{name}/hypotheses/{hypothesis}")
def settle_hypothesis(
    request: Request, name: str, hypothesis: str, body: VerdictBody, caller: Responder
) -> Response:
    """Confirm or refute a hypothesis."""
    command = incidents.SettleHypothesis(
        hypothesis=hypothesis, verdict=body.verdict, evidence=body.evidence, text=body.text
    )
    return _tell(request, name, caller, command)


@router.post("/incidents/{name}/decisions")
def note_decision(request: Request, name: str, body: NoteBody, caller: Responder) -> Response:
    """Note a decision and why."""
    command = incidents.NoteDecision(decision=_new_id(request), text=body.text, evidence=body.evidence)
    return _tell(request, name, caller, command)


@router.post("/incidents/{name}/contained")
def contained(request: Request, name: str, body: WordsBody, caller: Commander) -> Response:
    """Say that harm has stopped by other means than a containment action here."""
    return _tell(request, name, caller, incidents.Contain(containment=None, summary=body.text))


@router.post("/incidents/{name}/monitoring")
def monitoring(request: Request, name: str, body: WordsBody, caller: Commander) -> Response:
    """Say that the lasting repair is in place and being watched."""
    return _tell(request, name, caller, incidents.StartMonitoring(summary=body.text))


@router.post("/incidents/{name}/resolve")
def resolve(request: Request, name: str, body: WordsBody, caller: Commander) -> Response:
    """Resolve the incident; its review opens by itself."""
    return _tell(request, name, caller, incidents.Resolve(summary=body.text))


@router.post("/incidents/{name}/reopen")
def reopen(request: Request, name: str, body: WordsBody, caller: Commander) -> Response:
    """Say that it was not over."""
    return _tell(request, name, caller, incidents.Reopen(reason=body.text))


@router.post("/incidents/{name}/close")
def close(request: Request, name: str, body: CloseBody, caller: Commander) -> Response:
    """Close the incident; ranks 0 and 1 need a finished review."""
    world = world_of(request)
    id = incident_id(world, name)
    state = review.close(world, id, reason=body.reason, actor=caller.actor)
    return answer(shown(world, id, state, _position(request, id)))
