"""The four desks by API: playbook runs, containment, updates; and the review."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field
from sqlalchemy import select

from tocsin.engine import communicate, contain, review, run_playbook
from tocsin.kernel.errors import Invalid, NotFound
from tocsin.response.communications.update import NOTICE
from tocsin.response.containment.action import CONTAINMENT, Containment, waiting_for
from tocsin.response.playbooks import run as runs
from tocsin.response.playbooks.run import RUN
from tocsin.reviews import review as reviews
from tocsin.reviews.fairness_review import GroupGap
from tocsin.reviews.review import REVIEW
from tocsin.store import tables
from tocsin.web.api.answers import Body, answer, incident_id, rows, world_of
from tocsin.web.permissions import Caller, Needs

router = APIRouter(prefix="/api/v1", tags=["response"])

Text = Annotated[str, Field(max_length=20_000)]
Word = Annotated[str, Field(min_length=1, max_length=200)]
Responder = Annotated[Caller, Depends(Needs("respond"))]
Container = Annotated[Caller, Depends(Needs("contain"))]
Reviewer = Annotated[Caller, Depends(Needs("review"))]
READ = [Depends(Needs("read"))]


# --- playbook runs --------------------------------------------------------------------------------


class StartBody(Body):
    """Which playbook to run; without one, the one for the incident's category."""

    playbook: str | None = None


class AnswerBody(Body):
    """An answer to the present question."""

    step: Word
    answer: Word
    note: Text = ""
    visit: int | None = None
    evidence: tuple[str, ...] = Field(default=(), strict=False)


class TaskBody(Body):
    """A task done."""

    step: Word
    note: Text = ""
    visit: int | None = None


class StepBody(Body):
    """An earlier step to go back to, and why."""

    step: Word
    reason: Text


class ReasonBody(Body):
    """Why."""

    reason: Text


def _run(id: str, state: runs.Run) -> dict[str, object]:
    return {"id": id, "run": state, "current": state.current(), "recommendations": state.standing()}


@router.get("/incidents/{name}/runs", dependencies=READ)
def list_runs(request: Request, name: str) -> Response:
    """List the playbook runs of an incident, oldest first."""
    world = world_of(request)
    table = tables.run
    query = select(table).where(table.c.incident == incident_id(world, name)).order_by(table.c.started_at)
    return answer({"runs": rows(world, query)})


@router.post("/incidents/{name}/runs", status_code=201)
def start_run(request: Request, name: str, body: StartBody, caller: Responder) -> Response:
    """Start another playbook run."""
    world = world_of(request)
    id = incident_id(world, name)
    run = world.store.run(
        lambda tx: run_playbook.start(tx, world, id, actor=caller.actor, playbook=body.playbook)
    )
    return answer({"id": run}, 201)


@router.get("/runs/{id}", dependencies=READ)
def read_run(request: Request, id: str) -> Response:
    """Return a run: where it is, what it waits for, the path so far, what it recommends."""
    return answer(_run(id, run_playbook.known(world_of(request).store.state(RUN, id))))


@router.post("/runs/{id}/answers")
def answer_question(request: Request, id: str, body: AnswerBody, caller: Responder) -> Response:
    """Answer the present question; 'unknown' leads to the safe branch."""
    state = run_playbook.answer(
        world_of(request),
        id,
        step=body.step,
        answer=body.answer,
        who=caller.who,
        actor=caller.actor,
        note=body.note,
        visit=body.visit,
        evidence=body.evidence,
    )
    return answer(_run(id, state))


@router.post("/runs/{id}/tasks")
def complete_task(request: Request, id: str, body: TaskBody, caller: Responder) -> Response:
    """Say that the present task is done."""
    command = runs.CompleteTask(step=body.step, note=body.note, who=caller.who, visit=body.visit)
    return answer(_run(id, run_playbook.tell(world_of(request), id, command, actor=caller.actor)))


@router.post("/runs/{id}/revisit")
def revisit(request: Request, id: str, body: StepBody, caller: Responder) -> Response:
    """Go back to an earlier step."""
    command = runs.Revisit(step=body.step, who=caller.who, reason=body.reason)
    return answer(_run(id, run_playbook.tell(world_of(request), id, command, actor=caller.actor)))


@router.post("/runs/{id}/abandon")
def abandon(request: Request, id: str, body: ReasonBody, caller: Responder) -> Response:
    """Give the run up."""
    command = runs.Abandon(reason=body.reason, who=caller.who)
    return answer(_run(id, run_playbook.tell(world_of(request), id, command, actor=caller.actor)))


# --- containment ----------------------------------------------------------------------------------


class RequestBody(Body):
    """Which containment action, and what harm it is meant to stop."""

    action: Word
    reason: Text


class ApproveBody(Body):
    """`expected` is the position of the action that was looked at."""

    expected: int | None = None


def _containment(id: str, state: Containment) -> dict[str, object]:
    return {"id": id, "containment": state, "waiting_for": waiting_for(state)}


@router.get("/incidents/{name}/containment-preview")
def preview(request: Request, name: str, action: str, caller: Container) -> Response:
    """Return what an action would change and whom it touches; changes nothing."""
    world = world_of(request)
    system = _system(request, name)
    absolute, shown = contain.preview(world, system, action)
    return answer({"action": absolute, "preview": shown})


def _system(request: Request, name: str) -> str:
    world = world_of(request)
    table = tables.incident
    query = select(table.c.system).where(table.c.id == incident_id(world, name))
    system: str | None = world.store.read(lambda connection: connection.execute(query).scalar_one())
    if system is None:
        raise NotFound("The incident names no system.", mend="Say which system it is about first.")
    return system


@router.get("/incidents/{name}/containments", dependencies=READ)
def list_containments(request: Request, name: str) -> Response:
    """List the containment actions of an incident, oldest first."""
    world = world_of(request)
    table = tables.containment
    query = select(table).where(table.c.incident == incident_id(world, name)).order_by(table.c.requested_at)
    return answer({"containments": rows(world, query)})


@router.post("/incidents/{name}/containments", status_code=201)
def request_containment(request: Request, name: str, body: RequestBody, caller: Container) -> Response:
    """Ask for a containment action; it acts once approved and once its snapshot is sealed."""
    world = world_of(request)
    id = contain.request(
        world, incident_id(world, name), body.action, reason=body.reason, by=caller.who, actor=caller.actor
    )
    return answer(_containment(id, world.store.state(CONTAINMENT, id)), 201)


@router.get("/containments/{id}", dependencies=READ)
def read_containment(request: Request, id: str) -> Response:
    """Return a containment action: preview, approvals, snapshot, what was observed, checks."""
    state = world_of(request).store.state(CONTAINMENT, id)
    if state.status == "none":
        raise NotFound("There is no such containment action.")
    return answer(_containment(id, state))


@router.post("/containments/{id}/approve")
def approve(request: Request, id: str, body: ApproveBody, caller: Container) -> Response:
    """Agree, with the roles the caller holds on the incident."""
    state = contain.approve(world_of(request), id, by=caller.who, actor=caller.actor, expected=body.expected)
    return answer(_containment(id, state))


@router.post("/containments/{id}/decline")
def decline(request: Request, id: str, body: ReasonBody, caller: Container) -> Response:
    """Turn the request down."""
    state = contain.decline(world_of(request), id, by=caller.who, reason=body.reason, actor=caller.actor)
    return answer(_containment(id, state))


@router.post("/containments/{id}/override")
def override(request: Request, id: str, body: ReasonBody, caller: Container) -> Response:
    """Let an approved action go before its snapshot, in an emergency."""
    state = contain.override_order(
        world_of(request), id, by=caller.who, reason=body.reason, actor=caller.actor
    )
    return answer(_containment(id, state))


@router.post("/containments/{id}/revert")
def revert(request: Request, id: str, body: ReasonBody, caller: Container) -> Response:
    """Undo the action."""
    state = contain.revert(world_of(request), id, by=caller.who, reason=body.reason, actor=caller.actor)
    return answer(_containment(id, state))


# --- updates --------------------------------------------------------------------------------------


class UpdateBody(Body):
    """An update from a template; `release` false only drafts it."""

    template: Word
    fields: dict[str, str] = {}
    release: bool = True


@router.get("/incidents/{name}/updates", dependencies=READ)
def list_updates(request: Request, name: str) -> Response:
    """List the updates of an incident with their texts and how each delivery went."""
    world = world_of(request)
    table = tables.notice
    query = (
        select(table.c.id).where(table.c.incident == incident_id(world, name)).order_by(table.c.drafted_at)
    )
    ids = [row["id"] for row in rows(world, query)]
    return answer({"updates": [{"id": id, "update": world.store.state(NOTICE, id)} for id in ids]})


@router.post("/incidents/{name}/updates", status_code=201)
def send_update(
    request: Request, name: str, body: UpdateBody, caller: Annotated[Caller, Depends(Needs("update"))]
) -> Response:
    """Send a structured update to the audience of its template."""
    world = world_of(request)
    id = communicate.send_update(
        world,
        incident_id(world, name),
        template=body.template,
        fields=body.fields,
        by=caller.who,
        actor=caller.actor,
        release=body.release,
    )
    return answer({"id": id, "update": world.store.state(NOTICE, id)}, 201)


# --- review ---------------------------------------------------------------------------------------


class QuestionBody(Body):
    """The answer to one question of the review."""

    question: Word
    text: Text


class FactorBody(Body):
    """A contributing factor."""

    part: Word
    kind: Word
    text: Text


class GapBody(Body):
    """One group's gap before, during and after; decimal text."""

    attribute: Word
    group: Word
    reference: Word
    measure: Word
    before: str | None = None
    during: str | None = None
    after: str | None = None
    note: Text = ""


class FairnessBody(Body):
    """The fairness and safety section; without gaps, those of the record count."""

    assessable: bool
    text: Text
    gaps: list[GapBody] | None = None
    redress: Text = ""
    safety: Text = ""


class ItemBody(Body):
    """An action item that can be checked."""

    text: Text
    owner: Word
    due: str
    measure: Text
    priority: Literal["high", "medium", "low"] = "medium"
    remedy: str = "process"


class FinishBody(Body):
    """When to look again, and what the playbook gains ('none' is an answer)."""

    follow_up: str | None = None
    playbook_change: Text = ""


@router.get("/incidents/{name}/review", dependencies=READ)
def read_review(request: Request, name: str) -> Response:
    """Return the review and what still keeps it from being finished."""
    state = world_of(request).store.state(REVIEW, incident_id(world_of(request), name))
    if state.status == "none":
        raise NotFound("This incident has no review yet.", mend="It opens when the incident is resolved.")
    return answer({"review": state, "missing": reviews.missing(state)})


def _review(request: Request, name: str, caller: Caller, command: reviews.ReviewCommand) -> Response:
    world = world_of(request)
    state = review.tell(world, incident_id(world, name), command, actor=caller.actor)
    return answer({"review": state, "missing": reviews.missing(state)})


def _typed(kind: Any, /, **values: object) -> Any:
    """Return a command of `kind`; a wrong choice is told with the choices there are."""
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Invalid(f"{error}.") from error


@router.post("/incidents/{name}/review/refresh")
def refresh(request: Request, name: str, caller: Reviewer) -> Response:
    """Fill in the record anew: timeline, figures and group gaps as they stand now."""
    world = world_of(request)
    id = incident_id(world, name)
    world.store.run(lambda tx: review.open_review(tx, world, id, actor=caller.actor))
    return read_review(request, name)


@router.post("/incidents/{name}/review/answers")
def answer_review(request: Request, name: str, body: QuestionBody, caller: Reviewer) -> Response:
    """Answer one question of the review."""
    return _review(request, name, caller, reviews.Answer(question=body.question, text=body.text))


@router.post("/incidents/{name}/review/factors")
def add_factor(request: Request, name: str, body: FactorBody, caller: Reviewer) -> Response:
    """Name a contributing factor."""
    return _review(request, name, caller, _typed(reviews.AddFactor, **body.model_dump()))


@router.post("/incidents/{name}/review/fairness")
def record_fairness(request: Request, name: str, body: FairnessBody, caller: Reviewer) -> Response:
    """Write the fairness and safety section."""
    world = world_of(request)
    if body.gaps is None:
        gaps = world.store.state(REVIEW, incident_id(world, name)).gaps if body.assessable else ()
    else:
        gaps = tuple(_typed(GroupGap, **gap.model_dump()) for gap in body.gaps)
    command = reviews.RecordFairness(
        assessable=body.assessable, text=body.text, gaps=gaps, redress=body.redress, safety=body.safety
    )
    return _review(request, name, caller, command)


@router.post("/incidents/{name}/review/action-items", status_code=201)
def add_action_item(request: Request, name: str, body: ItemBody, caller: Reviewer) -> Response:
    """Add an action item; a vague one is refused with the reason."""
    item = world_of(request).store.run(lambda tx: tx.new_id())
    command = _typed(reviews.AddActionItem, item=item, **{**body.model_dump(), "due": _date(body.due)})
    return _review(request, name, caller, command)


@router.post("/incidents/{name}/review/finish")
def finish(request: Request, name: str, body: FinishBody, caller: Reviewer) -> Response:
    """Finish the review; refused with everything that is missing."""
    follow_up = _date(body.follow_up) if body.follow_up else None
    command = reviews.Finish(by=caller.who, follow_up=follow_up, playbook_change=body.playbook_change)
    return _review(request, name, caller, command)


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise Invalid(f"{text!r} is not a date.", where="due", mend="Write it like 2026-12-31.") from error
