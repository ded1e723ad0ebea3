"""Declare an incident: a title is enough; a preview says what will happen before anything does (CLS-3, CLS-4)."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import select

from tocsin.catalog.configuration import Configuration
from tocsin.engine import declare
from tocsin.engine.escalate import directory
from tocsin.engine.world import World
from tocsin.incidents.severity import allowances, assess_in
from tocsin.kernel.errors import Invalid, TocsinError
from tocsin.kernel.predicate import FactType
from tocsin.kernel.severity import RANKS, Severity, parse
from tocsin.response.oncall import escalation
from tocsin.signals.reported import Fact
from tocsin.store import tables
from tocsin.web.pages.form import take
from tocsin.web.pages.layout import OPEN_STATES, fields, in_thread, page
from tocsin.web.permissions import Caller, Needs, program_of

router = APIRouter(include_in_schema=False)
Responder = Annotated[Caller, Depends(Needs("respond"))]

FACT = "fact."
"""What the form's names of facts begin with."""

LIKELY = 5
EMPTY_WORDS = frozenset("about after again all and are but can for from has have into its not of off one our out the "
                        "this that their there they was were while who why will with more most than often only some very when again".split())  # fmt: skip


@router.get("/declare")
def declare_page(
    request: Request, caller: Responder, title: str = "", system: str = "", part: str = ""
) -> Response:
    """Show the form; `part` asks for likely duplicates of a title alone, as it is typed."""
    typed = {"title": title[:300], "system": system}
    if part:
        found = duplicates(program_of(request).world, typed)
        return page(request, "declare_part.html", title="Declare incident", duplicates=found)
    return _form(request, typed)


def _form(
    request: Request,
    typed: dict[str, str],
    *,
    problem: TocsinError | None = None,
    preview: dict[str, Any] | None = None,
) -> Response:
    world = program_of(request).world
    catalog = world.catalog.current
    return page(
        request,
        "declare.html",
        title="Declare incident",
        live_scope=None,
        problem=problem,
        status=problem.status if problem else 200,
        typed=typed,
        preview=preview,
        duplicates=duplicates(world, typed),
        categories=catalog.taxonomy.categories,
        systems=sorted(catalog.systems.values(), key=lambda system: system.name),
        asked=asked(catalog),
        answered=sum(1 for name, value in typed.items() if name.startswith(FACT) and value),
    )


def asked(catalog: Configuration) -> list[tuple[str, list[tuple[str, FactType]]]]:
    """Return the questions in parts, those that can make it worst first."""
    facts = catalog.vocabulary.facts
    worst: dict[str, int] = {}
    for row in catalog.matrix.criteria:
        for part in row.when.rows():
            worst[part.fact] = min(worst.get(part.fact, 4), row.rank)
    parts = []
    titles = [*(f"Can make it {catalog.label(rank)}" for rank in RANKS), "Good to know"]
    for rank, title in enumerate(titles):
        here = [(name, kind) for name, kind in facts.items() if kind.ask and worst.get(name, 4) == rank]
        if here:
            parts.append((title, here))
    return parts


# --- what was typed -------------------------------------------------------------------------------


def given_facts(given: dict[str, str]) -> dict[str, Fact]:
    """Return the facts that were answered; 'don't know' and empty fields are left out."""
    words: dict[str, Fact] = {"yes": True, "no": False}
    named = ((name.removeprefix(FACT), text) for name, text in given.items() if name.startswith(FACT))
    return {name: words.get(text, text) for name, text in named if text and text != "unknown"}


def _severity(given: dict[str, str]) -> Severity:
    return parse(given.get("severity", ""))


def duplicates(world: World, given: dict[str, str]) -> list[tuple[Any, str]]:
    """Return open incidents that may be the same, the most alike first, each with what they share."""
    table = tables.incident
    query = select(table).where(table.c.status.in_(OPEN_STATES)).order_by(table.c.number.desc()).limit(200)
    rows = world.store.read(lambda connection: connection.execute(query).all())
    words, system = _words(given.get("title", "")), given.get("system", "")
    found = []
    for row in rows:
        shared = words & _words(row.title)
        same = bool(system) and row.system == system
        if not same and len(shared) < min(2, max(1, len(words))):
            continue
        if not same and not shared:
            continue
        told = [f"the same system, {row.system}"] if same else []
        told += [f"the words {', '.join(sorted(shared))}"] if shared else []
        found.append((len(shared) + 2 * same, row, " and ".join(told)))
    found.sort(key=lambda one: (-one[0], -one[1].number))
    return [(row, told) for _, row, told in found[:LIKELY]]


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"[a-z0-9]{3,}", text.lower()) if word not in EMPTY_WORDS}


# --- what will happen -----------------------------------------------------------------------------


def preview(world: World, given: dict[str, str]) -> dict[str, Any]:
    """Return what declaring would lead to: severity with its reasons, deadlines, people. Changes nothing.

    Raises:
        Invalid: a title is missing, or something typed cannot be read.
    """
    catalog, now = world.catalog.current, world.clock.now()
    if not given.get("title"):
        raise Invalid("An incident needs a title.", where="title", mend="Say in a few words what is wrong.")
    system = given.get("system") or None
    facts = declare.checked_facts(catalog, given_facts(given))
    chosen = _severity(given)
    assessment = assess_in(catalog, {**declare.known_facts(catalog, system), **facts})
    severity = chosen if chosen is not None else assessment.severity
    respond, resolve = allowances(catalog.response_profile, severity, assessment.criteria)
    deadlines = [("Respond", now + dt.timedelta(seconds=respond.seconds), respond.source)]
    if resolve is not None:
        deadlines.append(("Resolve", now + dt.timedelta(seconds=resolve.seconds), resolve.source))
    policy = catalog.escalation_policy_of(system)
    people = directory(world)
    level, _ = escalation.first(policy, severity)
    called = escalation.who(policy, level, people, now)
    return {
        "severity": severity,
        "set": chosen is not None,
        "assessed": assessment.severity,
        "criteria": assessment.criteria,
        "deadlines": deadlines,
        "policy": policy,
        "first": called.people,
        "notes": called.notes,
        "names": {one.person: people.name(one.person) for one in called.people},
        "plan": escalation.plan(policy, severity),
    }


@router.post("/declare")
async def declare_incident(request: Request, caller: Responder) -> Response:
    """Declare, or show what declaring would lead to when the form asks for that."""
    world = program_of(request).world
    given = await fields(request)
    if given.get("do") == "preview":
        return await in_thread(lambda: _previewed(request, world, given))  # type: ignore[no-any-return]  # in_thread returns what the work returns

    def work(given: dict[str, str]) -> str:
        if not given.get("title"):
            raise Invalid(
                "An incident needs a title.", where="title", mend="Say in a few words what is wrong."
            )
        _, number = declare.declare(
            world,
            title=given["title"],
            actor=caller.actor,
            by=caller.who,
            description=given.get("description", ""),
            severity=_severity(given),
            category=given.get("category") or None,
            system=given.get("system") or None,
            facts=given_facts(given),
        )
        return f"/incidents/{number}"

    return await take(request, work, lambda error, given: _form(request, given, problem=error))


def _previewed(request: Request, world: World, given: dict[str, str]) -> Response:
    try:
        return _form(request, given, preview=preview(world, given))
    except TocsinError as error:
        return _form(request, given, problem=error)
