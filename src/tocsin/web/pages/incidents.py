"""Incidents: the list, and the console of one (RSP-7): who commands, what is next, what happened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import and_, or_, select

from tocsin.engine import communicate, declare, review, run_playbook, seal
from tocsin.engine.review import person_name
from tocsin.engine.world import World
from tocsin.incidents import incident as incidents
from tocsin.incidents.incident import INCIDENT, OPEN, Incident, Status
from tocsin.kernel.errors import NotFound, TocsinError
from tocsin.kernel.severity import parse
from tocsin.response.communications.update import NOTICE
from tocsin.response.containment.action import CONTAINMENT, waiting_for
from tocsin.response.oncall.page import PAGE
from tocsin.response.playbooks.run import RUN
from tocsin.reviews.review import REVIEW, missing
from tocsin.store import tables
from tocsin.web.api.answers import incident_id
from tocsin.web.api.record import zipped
from tocsin.web.pages.layout import back, fields, in_thread, page
from tocsin.web.permissions import Caller, Needs, Permission, program_of

router = APIRouter(include_in_schema=False)
LIST_LIMIT = 200
Reader = Annotated[Caller, Depends(Needs("read"))]
Responder = Annotated[Caller, Depends(Needs("respond"))]
Commander = Annotated[Caller, Depends(Needs("command"))]


# --- the list -------------------------------------------------------------------------------------


@router.get("/incidents")
def list_page(
    request: Request, caller: Reader, status: str = "", severity: str = "", system: str = "", q: str = ""
) -> Response:
    """List incidents; every filter is in the URL."""
    world = program_of(request).world
    table = tables.incident
    query = select(table).order_by(table.c.number.desc()).limit(LIST_LIMIT)
    if status == "open":
        query = query.where(table.c.status.in_([one.value for one in OPEN]))
    elif status:
        query = query.where(table.c.status == status)
    if severity:
        rank = parse(severity)
        query = query.where(table.c.severity.is_(None) if rank is None else table.c.severity == rank)
    if system:
        query = query.where(table.c.system == system)
    if q:
        words = q.removeprefix("INC-")
        like = table.c.title.ilike(f"%{q.replace('%', '').replace('_', ' ')}%")
        query = query.where(or_(like, table.c.number == int(words)) if words.isdigit() and len(words) < 9 else like)
    rows = world.store.read(lambda connection: connection.execute(query).all())
    return page(
        request,
        "incidents.html",
        title="Incidents",
        section="/incidents",
        live_scope=None,
        rows=rows,
        chosen={"status": status, "severity": severity, "system": system, "q": q},
        filtered=bool(status or severity or system or q),
        statuses=[one.value for one in Status if one is not Status.UNDECLARED],
        systems=sorted(world.catalog.current.systems),
        names={row.commander: person_name(world, row.commander) for row in rows if row.commander},
    )


# --- the console ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Next:
    """The one thing to do now: a link, or a form that posts."""

    label: str
    href: str
    why: str
    post: bool = False


@router.get("/incidents/{number}")
def console(request: Request, number: int, caller: Reader, part: str = "") -> Response:
    """Show the console; `part` asks for its live fragment alone."""
    return _console(request, str(number), caller, part=part)


def _console(
    request: Request,
    name: str,
    caller: Caller,
    *,
    part: str = "",
    problem: TocsinError | None = None,
    typed: dict[str, str] | None = None,
) -> Response:
    world = program_of(request).world
    id = incident_id(world, name)
    context = _context(world, id, caller)
    return page(
        request,
        "console_part.html" if part else "console.html",
        title=f"INC-{context['state'].number} · {context['state'].title}",
        section="/incidents",
        live_scope=id,
        problem=problem,
        status=problem.status if problem else 200,
        typed=typed or {},
        newest_first=request.query_params.get("order") == "newest",
        sort=request.query_params.get("sort", ""),
        **context,
    )


def _context(world: World, id: str, caller: Caller) -> dict[str, Any]:
    state, catalog = world.store.state(INCIDENT, id), world.catalog.current
    row = world.store.read(lambda c: c.execute(select(tables.incident).where(tables.incident.c.id == id)).one())
    runs = _states(world, RUN, tables.run, id, tables.run.c.started_at)
    actions = _states(world, CONTAINMENT, tables.containment, id, tables.containment.c.requested_at)
    post_review = world.store.state(REVIEW, id)
    context: dict[str, Any] = {
        "id": id,
        "state": state,
        "row": row,
        "system": catalog.systems.get(state.system or ""),
        "timeline": review.told(world, world.store.events(scope=id)),
        "escalation": world.store.state(PAGE, id),
        "deliveries": _rows(world, tables.delivery, tables.delivery.c.scope == id, tables.delivery.c.queued_at),
        "runs": runs,
        "actions": [(key, one, waiting_for(one)) for key, one in actions],
        "updates": _states(world, NOTICE, tables.notice, id, tables.notice.c.drafted_at),
        "review": post_review,
        "missing": missing(post_review) if post_review.status != "none" else (),
        "evidence": _rows(world, tables.evidence_item, tables.evidence_item.c.incident == id, tables.evidence_item.c.what),
        "similar": _similar(world, id, state),
        "templates": [one for one in catalog.templates.values() if one.moment in ("initial", "update", "resolution")],
        "people": sorted(catalog.people.values(), key=lambda person: person.name),
        "name": lambda person: person_name(world, person),
        "open": state.status in OPEN,
        "mine": _paged(world, id, caller.who),
        "me": caller.who,
    }
    context["next"] = next_action(context, caller)
    return context


def _states(world: World, kind: Any, table: Any, id: str, order: Any) -> list[tuple[str, Any]]:
    query = select(table.c.id).where(table.c.incident == id).order_by(order)
    ids = world.store.read(lambda connection: connection.execute(query).scalars().all())
    return [(key, world.store.state(kind, key)) for key in ids]


def _rows(world: World, table: Any, where: Any, order: Any) -> list[Any]:
    return list(world.store.read(lambda c: c.execute(select(table).where(where).order_by(order)).all()))


def _similar(world: World, id: str, state: Incident) -> list[Any]:
    table = tables.incident
    alike = [table.c.system == state.system] if state.system else []
    alike += [table.c.category == state.category] if state.category else []
    if not alike:
        return []
    query = select(table).where(and_(table.c.id != id, or_(*alike))).order_by(table.c.number.desc()).limit(5)
    return list(world.store.read(lambda connection: connection.execute(query).all()))


def _paged(world: World, id: str, who: str) -> bool:
    table = tables.page
    mine = and_(table.c.incident == id, table.c.person == who, table.c.state.in_(("requested", "timed_out")))
    return world.store.read(lambda c: c.execute(select(table.c.page).where(mine).limit(1)).first()) is not None


def next_action(context: dict[str, Any], caller: Caller) -> Next:
    """Return the one primary action of the incident's present state."""
    state: Incident = context["state"]
    here = f"/incidents/{state.number}"
    waiting = [(key, one) for key, one, _ in context["actions"] if one.status == "requested"]
    running = [(key, one) for key, one, _ in context["actions"] if one.status in ("approved", "sealed", "acted")]
    run = next((pair for pair in reversed(context["runs"]) if pair[1].status == "running"), None)
    advised = next((one for _, one in context["runs"] for one in one.standing()), None)
    if state.status is Status.CLOSED:
        return Next("Export the record", f"{here}/export", "It can be verified by anyone, offline.", post=True)
    if state.status in (Status.RESOLVED, Status.REVIEWING):
        why = "It keeps the incident from closing." if context["missing"] else "Everything is there."
        return Next("Write the review" if context["missing"] else "Finish and close", f"{here}/review", why)
    if context["mine"]:
        return Next("Acknowledge", f"{here}/acknowledge", "You are paged.", post=True)
    if waiting:
        return Next("Decide on containment", f"{here}/containment", "An action waits for its approval.")
    if running:
        return Next("Watch the containment", f"{here}/containment", "It is under way.")
    if advised and not any(one.in_effect() for _, one, _ in context["actions"]) and state.status is not Status.CONTAINED:
        return Next("Preview the recommended containment", f"{here}/containment", advised.text or advised.reason)
    if run and run[1].waiting_for == "person":
        return Next("Answer the playbook's question", f"/runs/{run[0]}", "It waits for you.")
    if run:
        return Next("Follow the playbook", f"/runs/{run[0]}", "A probe is measuring.")
    if "commander" not in state.roles:
        return Next("Take command", f"{here}/command", "Nobody commands this incident.", post=True)
    if state.status in (Status.CONTAINED, Status.MONITORING):
        return Next("Send an update", "#update", "Then put the lasting repair in place and resolve.")
    return Next("Preview containment", f"{here}/containment", "Stop the harm first, find the cause after.")


# --- what the console's forms do ------------------------------------------------------------------

Work = Callable[[World, str, dict[str, str], Caller], None]


async def _take(request: Request, number: int, caller: Caller, work: Work) -> Response:
    """Do what a form asks; a refusal is shown on the console with what was typed."""
    given = await fields(request)
    world = program_of(request).world

    def act() -> None:
        work(world, incident_id(world, str(number)), given, caller)

    try:
        await in_thread(act)
    except NotFound:
        raise
    except TocsinError as error:
        refused = error
        return await in_thread(lambda: _console(request, str(number), caller, problem=refused, typed=given))  # type: ignore[no-any-return]
    return back(request, f"/incidents/{number}")


def _command(make: Callable[[dict[str, str], Caller, World], incidents.IncidentCommand]) -> Work:
    def work(world: World, id: str, given: dict[str, str], caller: Caller) -> None:
        declare.tell(world, id, make(given, caller, world), actor=caller.actor)

    return work


def _new_id(world: World) -> str:
    return world.store.run(lambda tx: tx.new_id())


def _severity(world: World, id: str, given: dict[str, str], caller: Caller) -> None:
    declare.change_severity(world, id, parse(given.get("severity", "")), given.get("reason", ""), actor=caller.actor)


def _category(world: World, id: str, given: dict[str, str], caller: Caller) -> None:
    declare.change_category(world, id, given.get("category", ""), given.get("reason", ""), actor=caller.actor)


def _update(world: World, id: str, given: dict[str, str], caller: Caller) -> None:
    template = given.pop("template", "")
    communicate.send_update(world, id, template=template, fields=given, by=caller.who, actor=caller.actor)


def _facts(world: World, id: str, given: dict[str, str], caller: Caller) -> None:
    words: dict[str, bool] = {"true": True, "false": False}
    text = given.get("value", "")
    facts = declare.checked_facts(world.catalog.current, {given.get("fact", ""): words.get(text.lower(), text)})
    reason = given.get("reason", "")
    declare.tell(world, id, incidents.RecordFacts(facts=facts, reason=reason), actor=caller.actor)


def _start_run(world: World, id: str, given: dict[str, str], caller: Caller) -> None:
    playbook = given.get("playbook") or None
    world.store.run(lambda tx: run_playbook.start(tx, world, id, actor=caller.actor, playbook=playbook))


def _close(world: World, id: str, given: dict[str, str], caller: Caller) -> None:
    review.close(world, id, reason=given.get("reason", ""), actor=caller.actor)


FORMS: dict[str, tuple[Permission, Work]] = {
    "notes": ("respond", _command(lambda given, caller, world: incidents.AddNote(text=given.get("text", "")))),
    "findings": (
        "respond",
        _command(lambda given, caller, world: incidents.NoteFinding(finding=_new_id(world), text=given.get("text", ""))),
    ),
    "hypotheses": (
        "respond",
        _command(
            lambda given, caller, world: incidents.NoteHypothesis(hypothesis=_new_id(world), text=given.get("text", ""))
        ),
    ),
    "verdicts": (
        "respond",
        _command(
            lambda given, caller, world: incidents.SettleHypothesis(
                hypothesis=given.get("hypothesis", ""),
                verdict="confirmed" if given.get("verdict") == "confirmed" else "refuted",
                text=given.get("text", ""),
            )
        ),
    ),
    "decisions": (
        "respond",
        _command(
            lambda given, caller, world: incidents.NoteDecision(decision=_new_id(world), text=given.get("text", ""))
        ),
    ),
    "facts": ("respond", _facts),
    "severity": ("command", _severity),
    "category": ("respond", _category),
    "command": (
        "respond",
        _command(
            lambda given, caller, world: incidents.AssignRole(role="commander", person=caller.who, how="took command")
        ),
    ),
    "roles": (
        "command",
        _command(
            lambda given, caller, world: incidents.AssignRole(
                role=given.get("role", ""), person=given.get("person", ""), how=f"assigned by {caller.who}"
            )
        ),
    ),
    "updates": ("update", _update),
    "runs": ("respond", _start_run),
    "monitoring": (
        "command",
        _command(lambda given, caller, world: incidents.StartMonitoring(summary=given.get("text", ""))),
    ),
    "resolve": ("command", _command(lambda given, caller, world: incidents.Resolve(summary=given.get("text", "")))),
    "reopen": ("command", _command(lambda given, caller, world: incidents.Reopen(reason=given.get("text", "")))),
    "close": ("command", _close),
}
"""Each form of the console: its permission and its work. One POST route each, /incidents/{number}/<form>."""


def _route(form: str, permission: Permission, work: Work) -> None:
    async def take(
        request: Request, number: int, caller: Annotated[Caller, Depends(Needs(permission))]
    ) -> Response:
        return await _take(request, number, caller, work)

    take.__annotations__["caller"] = Annotated[Caller, Depends(Needs(permission))]
    endpoint: Callable[..., Awaitable[Response]] = take
    router.add_api_route(f"/incidents/{{number}}/{form}", endpoint, methods=["POST"], name=f"console_{form}")


for _form, (_permission, _work) in FORMS.items():
    _route(_form, _permission, _work)


@router.post("/incidents/{number}/export")
def export(request: Request, number: int, caller: Annotated[Caller, Depends(Needs("export"))]) -> Response:
    """Give the record out as a zip that anyone can verify."""
    world = program_of(request).world
    made = seal.export_incident(
        world, incident_id(world, str(number)), by=caller.who, purpose="Exported from the console", actor=caller.actor
    )
    return zipped(made)


@router.get("/evidence/{id}")
def evidence_page(request: Request, id: str, caller: Annotated[Caller, Depends(Needs("evidence"))]) -> Response:
    """Give out an item of evidence; the reading is an entry of its custody."""
    world = program_of(request).world
    item, data = seal.read(world, id, person=caller.who, purpose="Read from the console", actor=caller.actor)
    safe = item.media_type if item.media_type in ("application/json", "text/plain") else "application/octet-stream"
    headers = {"content-disposition": f'attachment; filename="{item.sha256[:16]}"', "x-sha256": item.sha256}
    return Response(data, 200, headers, safe)


