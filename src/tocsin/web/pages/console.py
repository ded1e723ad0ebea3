"""The console of one incident (RSP-7): who commands, what is next, what happened; and the forms that change it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import and_, or_, select

from tocsin.catalog.template import Template
from tocsin.engine import assign, communicate, declare, review, run_playbook
from tocsin.engine.review import person_name
from tocsin.engine.world import World
from tocsin.incidents import incident as incidents
from tocsin.incidents.incident import INCIDENT, OPEN, Incident, Status
from tocsin.incidents.timeline import Entry
from tocsin.kernel.errors import NotFound, TocsinError
from tocsin.kernel.severity import parse
from tocsin.response.communications.update import NOTICE
from tocsin.response.containment.action import CONTAINMENT, waiting_for
from tocsin.response.oncall.page import PAGE
from tocsin.response.playbooks.run import RUN
from tocsin.reviews.review import REVIEW, missing
from tocsin.store import tables
from tocsin.web.api.answers import incident_id
from tocsin.web.pages.layout import back, fields, in_thread, page
from tocsin.web.pages.next_action import Standing, next_action
from tocsin.web.pages.paging import paged
from tocsin.web.permissions import Caller, Needs, Permission, program_of

router = APIRouter(include_in_schema=False)

SORTS = {
    "detect": "Signals", "people": "People", "page": "Paging", "playbook": "Playbook", "contain": "Containment",
    "seal": "Evidence", "update": "Updates", "decide": "Decisions", "note": "Notes", "resolve": "Closing",
    "review": "Review",
}  # fmt: skip
"""Sort of a timeline entry to what the filter calls it."""

AUDIENCES = (
    "responders",
    "executives",
    "departments",
    "support",
    "customers",
    "partners",
    "regulator",
    "public",
)
"""In the order in which people are usually told."""


@router.get("/incidents/{number}")
def console(request: Request, number: int, caller: Annotated[Caller, Depends(Needs("read"))]) -> Response:
    """Show the console. `sort` chooses entries of the timeline, `order=newest` turns it round."""
    return _console(request, str(number), caller)


def _console(
    request: Request,
    name: str,
    caller: Caller,
    *,
    problem: TocsinError | None = None,
    typed: dict[str, str] | None = None,
) -> Response:
    world = program_of(request).world
    id = incident_id(world, name)
    context = _context(world, id, caller)
    newest = request.query_params.get("order") == "newest"
    sort = request.query_params.get("sort", "")
    return page(
        request,
        "console.html",
        title=f"INC-{context['state'].number} · {context['state'].title}",
        section="/incidents",
        live_scope=id,
        problem=problem,
        status=problem.status if problem else 200,
        typed=typed or {},
        newest_first=newest,
        sort=sort if sort in SORTS else "",
        **context,
    )


def _context(world: World, id: str, caller: Caller) -> dict[str, Any]:
    state, catalog = world.store.state(INCIDENT, id), world.catalog.current
    row = world.store.read(
        lambda c: c.execute(select(tables.incident).where(tables.incident.c.id == id)).one()
    )
    runs = _states(world, RUN, tables.run, id, tables.run.c.started_at)
    actions = _states(world, CONTAINMENT, tables.containment, id, tables.containment.c.requested_at)
    updates = _states(world, NOTICE, tables.notice, id, tables.notice.c.drafted_at)
    post_review = world.store.state(REVIEW, id)
    lacking = missing(post_review) if post_review.status != "none" else ()
    timeline = review.told(world, world.store.events(scope=id))
    zone = ZoneInfo(catalog.installation.time_zone)
    standing = Standing(
        state=state, runs=runs, actions=actions, updates=updates, missing=lacking,
        mine=_is_paged(world, id, caller.who),
    )  # fmt: skip
    evidence = tables.evidence_item
    return {
        "id": id,
        "state": state,
        "row": row,
        "system": catalog.systems.get(state.system or ""),
        "version": _version(world, state.system),
        "timeline": timeline,
        "sorts": _sorts(timeline),
        "days": len({one.at.astimezone(zone).date() for one in timeline}) > 1,
        "escalation": world.store.state(PAGE, id),
        "paged": paged(world, id),
        "runs": runs,
        "actions": [(key, one, waiting_for(one)) for key, one in actions],
        "updates": updates,
        "review": post_review,
        "missing": lacking,
        "evidence": _rows(world, evidence, evidence.c.incident == id, evidence.c.what),
        "similar": _similar(world, id, state),
        "playbooks": sorted(catalog.playbooks.values(), key=lambda playbook: playbook.title),
        "templates": templates(catalog.templates.values(), state.status),
        "people": sorted(catalog.people.values(), key=lambda person: person.name),
        "name": lambda person: person_name(world, person),
        "open": state.status in OPEN,
        "me": caller.who,
        "roles": assign.ROLES,
        "next": next_action(standing),
    }


def templates(known: Iterable[Template], status: Status) -> list[Template]:
    """Return the templates in the order of use: while it is open updates come first, afterwards resolutions."""
    moments = ("update", "initial", "resolution") if status in OPEN else ("resolution", "update", "initial")
    fitting = [one for one in known if one.moment in moments]
    return sorted(fitting, key=lambda one: (moments.index(one.moment), AUDIENCES.index(one.audience), one.id))


def _version(world: World, system: str | None) -> str:
    """Return the version of a system that was seen in production last; '' when none was."""
    table = tables.deployment
    newest = select(table.c.version).where(table.c.system == system).order_by(table.c.id.desc()).limit(1)
    return world.store.read(lambda connection: connection.execute(newest).scalar()) or ""


def _sorts(timeline: list[Entry]) -> list[tuple[str, str, int]]:
    counts = {sort: sum(one.sort == sort for one in timeline) for sort in SORTS}
    return [(sort, title, counts[sort]) for sort, title in SORTS.items() if counts[sort]]


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


def _is_paged(world: World, id: str, who: str) -> bool:
    table = tables.page
    mine = and_(table.c.incident == id, table.c.person == who, table.c.state.in_(("requested", "timed_out")))
    return (
        world.store.read(lambda c: c.execute(select(table.c.page).where(mine).limit(1)).first()) is not None
    )


# --- what the console's forms do ------------------------------------------------------------------

Work = Callable[[World, str, dict[str, str], Caller], None]


async def _take(request: Request, number: int, caller: Caller, form: str, work: Work) -> Response:
    """Do what a form asks; a refusal is shown on the console with what was typed, in the form it was typed in."""
    given = await fields(request)
    world = program_of(request).world

    def act() -> None:
        work(world, incident_id(world, str(number)), given, caller)

    try:
        await in_thread(act)
    except NotFound:
        raise
    except TocsinError as error:
        refused, typed = error, {**given, "form": form}
        answer: Response = await in_thread(
            lambda: _console(request, str(number), caller, problem=refused, typed=typed)
        )
        return answer
    return back(request, f"/incidents/{number}")


def _command(make: Callable[[dict[str, str], Caller, World], incidents.IncidentCommand]) -> Work:
    def work(world: World, id: str, given: dict[str, str], caller: Caller) -> None:
        declare.tell(world, id, make(given, caller, world), actor=caller.actor)

    return work


def _new_id(world: World) -> str:
    return world.store.run(lambda tx: tx.new_id())


def _severity(world: World, id: str, given: dict[str, str], caller: Caller) -> None:
    declare.change_severity(
        world, id, parse(given.get("severity", "")), given.get("reason", ""), actor=caller.actor
    )


def _category(world: World, id: str, given: dict[str, str], caller: Caller) -> None:
    declare.change_category(world, id, given.get("category", ""), given.get("reason", ""), actor=caller.actor)


def _take_command(world: World, id: str, given: dict[str, str], caller: Caller) -> None:
    assign.take_command(world, id, caller.who, appointed=caller.may("command"), actor=caller.actor)


def _assign(world: World, id: str, given: dict[str, str], caller: Caller) -> None:
    role, person, how = (
        given.get("role", ""),
        given.get("person", ""),
        f"assigned by {person_name(world, caller.who)}",
    )
    assign.assign(world, id, role, person, how=how, actor=caller.actor)


def _update(world: World, id: str, given: dict[str, str], caller: Caller) -> None:
    blanks = {name: text for name, text in given.items() if name != "template"}
    template = given.get("template", "")
    communicate.send_update(world, id, template=template, fields=blanks, by=caller.who, actor=caller.actor)


def _facts(world: World, id: str, given: dict[str, str], caller: Caller) -> None:
    words: dict[str, bool] = {"true": True, "yes": True, "false": False, "no": False}
    text = given.get("value", "")
    facts = declare.checked_facts(
        world.catalog.current, {given.get("fact", ""): words.get(text.lower(), text)}
    )
    reason = given.get("reason", "")
    declare.tell(world, id, incidents.RecordFacts(facts=facts, reason=reason), actor=caller.actor)


def _start_run(world: World, id: str, given: dict[str, str], caller: Caller) -> None:
    playbook = given.get("playbook") or None
    world.store.run(lambda tx: run_playbook.start(tx, world, id, actor=caller.actor, playbook=playbook))


def _close(world: World, id: str, given: dict[str, str], caller: Caller) -> None:
    review.close(world, id, reason=given.get("reason", ""), actor=caller.actor)


FORMS: dict[str, tuple[Permission, Work]] = {
    "notes": (
        "respond",
        _command(lambda given, caller, world: incidents.AddNote(text=given.get("text", ""))),
    ),
    "findings": (
        "respond",
        _command(
            lambda given, caller, world: incidents.NoteFinding(
                finding=_new_id(world), text=given.get("text", "")
            )
        ),
    ),
    "hypotheses": (
        "respond",
        _command(
            lambda given, caller, world: incidents.NoteHypothesis(
                hypothesis=_new_id(world), text=given.get("text", "")
            )
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
            lambda given, caller, world: incidents.NoteDecision(
                decision=_new_id(world), text=given.get("text", "")
            )
        ),
    ),
    "facts": ("respond", _facts),
    "severity": ("command", _severity),
    "category": ("respond", _category),
    "command": ("respond", _take_command),
    "roles": ("command", _assign),
    "updates": ("update", _update),
    "runs": ("respond", _start_run),
    "contained": (
        "command",
        _command(
            lambda given, caller, world: incidents.Contain(containment=None, summary=given.get("text", ""))
        ),
    ),
    "monitoring": (
        "command",
        _command(lambda given, caller, world: incidents.StartMonitoring(summary=given.get("text", ""))),
    ),
    "resolve": (
        "command",
        _command(lambda given, caller, world: incidents.Resolve(summary=given.get("text", ""))),
    ),
    "reopen": (
        "command",
        _command(lambda given, caller, world: incidents.Reopen(reason=given.get("text", ""))),
    ),
    "close": ("command", _close),
}
"""Each form of the console: its permission and its work. One POST route each, /incidents/{number}/<form>."""


def _route(form: str, permission: Permission, work: Work) -> None:
    async def take(
        request: Request, number: int, caller: Annotated[Caller, Depends(Needs(permission))]
    ) -> Response:
        return await _take(request, number, caller, form, work)

    take.__annotations__["caller"] = Annotated[Caller, Depends(Needs(permission))]
    endpoint: Callable[..., Awaitable[Response]] = take
    router.add_api_route(f"/incidents/{{number}}/{form}", endpoint, methods=["POST"], name=f"console_{form}")


for _form, (_permission, _work) in FORMS.items():
    _route(_form, _permission, _work)
