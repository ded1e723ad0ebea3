"""Declaring an incident, by policy from an alert or by a person, and assessing it anew when facts change (CLS-3, CLS-4)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import msgspec
from sqlalchemy import select

from tocsin.alerts.alert import Alert
from tocsin.alerts.grouping import Group, told
from tocsin.alerts.routing import Routing, facts_of, readable
from tocsin.catalog.configuration import Configuration
from tocsin.engine import crash
from tocsin.engine.duty import ENGINE, Duty
from tocsin.engine.world import World
from tocsin.incidents.classification import categorise, reassess, standing
from tocsin.incidents.deadline import deadlines, moved
from tocsin.incidents.impact import facts_of_system
from tocsin.incidents.incident import (
    INCIDENT,
    OPEN,
    AttachAlert,
    ChangeCategory,
    ChangeSeverity,
    CheckDeadline,
    Deadline,
    Declare,
    Incident,
    IncidentCommand,
    RecordFacts,
    Status,
)  # fmt: skip
from tocsin.incidents.severity import Assessment, allowances, assess_in
from tocsin.kernel.clock import from_wire
from tocsin.kernel.errors import Invalid, NotFound
from tocsin.kernel.predicate import Fact as KnownFact
from tocsin.kernel.severity import Severity, paging_rank, worse
from tocsin.signals.reported import Fact
from tocsin.store import tables
from tocsin.store.jobs import Held
from tocsin.store.transaction import Outcome, Transaction

ALERTS_NAMED = 100
"""How many alerts an incident's record names one by one."""


def known_facts(catalog: Configuration, system: str | None) -> dict[str, KnownFact]:
    """Return what the catalog itself knows about a system, as facts."""
    known = catalog.systems.get(system or "")
    return facts_of_system(known) if known is not None else {}


# --- by policy, from an alert ---------------------------------------------------------------------


def declare_from_alert(
    tx: Transaction, world: World, alert: str, after: Alert, decided: Routing, group: str | None
) -> str:
    """Declare an incident for an alert as routing decided; return its id."""
    catalog = world.catalog.current
    facts, _ = readable({**known_facts(catalog, after.system), **facts_of(after)}, catalog.vocabulary)
    assessment = assess_in(catalog, facts)
    severity = worse(assessment.severity, decided.severity)
    category = categorise(catalog, facts, alert=decided.category)
    id = tx.new_id()
    command = Declare(
        number=tx.next_number("incident"),
        title=_title(after),
        description=after.annotations.get("summary", after.annotations.get("description", "")),
        severity=severity,
        category=category.category,
        system=decided.system,
        reported_by=f"{after.source}:{after.labels.get('alertname', '')}".rstrip(":"),
        source="alert",
        began_at=after.began_at,
        criteria=assessment.for_record(),
        facts=_asserted(world, after),
        why=(*decided.why, category.why),
        deadlines=_deadlines(catalog, assessment, severity, tx.now),
    )
    tx.execute(INCIDENT, id, command, actor=ENGINE, scope=id)
    _attach(tx, id, alert, after, why="It declared the incident.", resolved=False)
    if group is not None:
        _tie_group(tx, group, id)
    return id


def _title(after: Alert) -> str:
    """Return words for a title: the sender's, the alert's name, or that it has none."""
    return after.title.strip() or after.labels.get("alertname", "").strip() or "An alert without a name"


def attach_alert(
    tx: Transaction, world: World, alert: str, after: Alert, group: str | None, *, resolved: bool
) -> str | None:
    """Tie an alert to the open incident of its group; return the incident's id, or None when there is none."""
    if group is None:
        return None
    found = tx.connection.execute(
        select(tables.alert_group.c.incident).where(tables.alert_group.c.id == group)
    )
    incident = found.scalar_one_or_none()
    if incident is None:
        return None
    state = tx.state(INCIDENT, incident)
    if resolved:
        if state.alerts.get(alert) and state.status is not Status.CLOSED:
            _attach(tx, incident, alert, after, why="Its sender says that it ended.", resolved=True)
        return str(incident)
    if state.status not in OPEN:
        return None
    if len(state.alerts) >= ALERTS_NAMED and alert not in state.alerts:
        return str(incident)  # the alert's own row names its incident; the record stays readable in a storm
    _attach(tx, incident, alert, after, why="It came with the alerts of this incident.", resolved=False)
    facts = _asserted(world, after)
    if facts:
        note = RecordFacts(facts=facts, reason=f"Asserted by the alert '{after.title}'.")
        tx.execute(INCIDENT, incident, note, actor=ENGINE, scope=incident)
    _raise_to(tx, world, str(incident), after)
    return str(incident)


def _asserted(world: World, after: Alert) -> dict[str, Fact]:
    """Return the facts of an alert that the vocabulary can read; senders are strangers."""
    known, _ = readable(after.facts, world.catalog.current.vocabulary)
    return {name: after.facts[name] for name in known}


def _raise_to(tx: Transaction, world: World, incident: str, after: Alert) -> None:
    """An alert that is worse than its incident makes it as bad, unless a person has set the severity."""
    state, catalog = tx.state(INCIDENT, incident), world.catalog.current
    if (
        after.severity is None
        or state.severity_set_by_person
        or worse(after.severity, state.severity) == state.severity
    ):
        return
    assessment = assess_in(catalog, _all_facts(catalog, state))
    command = ChangeSeverity(
        severity=after.severity,
        reason=f"The alert '{after.title}' is worse.",
        by_policy=True,
        criteria=assessment.for_record(),
        deadlines=_moved(catalog, assessment, after.severity, state, tx.now),
    )
    tx.execute(INCIDENT, incident, command, actor=ENGINE, scope=incident)


def _attach(tx: Transaction, incident: str, alert: str, after: Alert, *, why: str, resolved: bool) -> None:
    command = AttachAlert(alert=alert, title=after.title, why=why, resolved=resolved)
    tx.execute(INCIDENT, incident, command, actor=ENGINE, scope=incident)


def _tie_group(tx: Transaction, group: str, incident: str) -> None:
    """The incident is the first word about the group: people are paged for it."""
    table = tables.alert_group
    document = tx.connection.execute(select(table.c.document).where(table.c.id == group)).scalar_one()
    said = told(msgspec.json.decode(document, type=Group), tx.now)
    values = {"incident": incident, "document": msgspec.json.encode(said)}
    tx.connection.execute(table.update().where(table.c.id == group).values(**values))


def _deadlines(
    catalog: Configuration, assessment: Assessment, severity: Severity, start: dt.datetime
) -> tuple[Deadline, ...]:
    respond, resolve = allowances(catalog.response_profile, severity, assessment.criteria)
    return deadlines(respond, resolve, start)


def _moved(
    catalog: Configuration, assessment: Assessment, severity: Severity, state: Incident, now: dt.datetime
) -> tuple[Deadline, ...]:
    """Return the deadlines that a change of severity sets anew."""
    respond, resolve = allowances(catalog.response_profile, severity, assessment.criteria)
    return moved(
        state.deadlines,
        respond,
        resolve,
        declared_at=state.declared_at or now,
        changed_at=now,
        got_worse=paging_rank(severity) < paging_rank(state.severity),
    )


# --- by a person ----------------------------------------------------------------------------------


def declare(
    world: World,
    *,
    title: str,
    actor: str,
    by: str,
    description: str = "",
    severity: Severity = None,
    category: str | None = None,
    system: str | None = None,
    facts: Mapping[str, Fact] | None = None,
    began_at: dt.datetime | None = None,
) -> tuple[str, int]:
    """Declare an incident from a title alone, or with what is known; return its id and number.

    Raises:
        Invalid: an unknown category, system or fact; the text lists the choices.
    """
    catalog = world.catalog.current
    given = checked_facts(catalog, facts or {})
    _known(category, [one.id for one in catalog.taxonomy.categories], "category")
    _known(system, list(catalog.systems), "system")
    assessment = assess_in(catalog, {**known_facts(catalog, system), **given})
    kind = categorise(catalog, given, declared=category)
    decided = severity if severity is not None else assessment.severity

    def write(tx: Transaction) -> tuple[str, int]:
        id, number = tx.new_id(), tx.next_number("incident")
        command = Declare(
            number=number,
            title=title,
            description=description,
            severity=decided,
            category=kind.category,
            system=system,
            reported_by=by,
            source="person",
            began_at=began_at,
            criteria=assessment.for_record(),
            facts=given,
            why=(() if severity is None else ("The severity was set by the person who declared it.",))
            + (kind.why,),
            deadlines=_deadlines(catalog, assessment, decided, tx.now),
        )
        tx.execute(INCIDENT, id, command, actor=actor, scope=id)
        return id, number

    return world.store.run(write)


def checked_facts(catalog: Configuration, facts: Mapping[str, Fact]) -> dict[str, Fact]:
    """Return `facts` when the vocabulary knows each of them; raise `Invalid` naming the first that it does not."""
    vocabulary = catalog.vocabulary
    for name, value in facts.items():
        vocabulary.read(name, value)
    return dict(facts)


def _known(value: str | None, choices: list[str], what: str) -> None:
    if value is not None and value not in choices:
        raise Invalid(
            f"There is no {what} called {value!r}.",
            where=what,
            mend=f"Use one of: {', '.join(sorted(choices))}.",
        )


def tell(
    world: World, id: str, command: IncidentCommand, *, actor: str, expected: int | None = None
) -> Outcome[Incident]:
    """Give a command to an incident; raise `Stale` when `expected` is given and the record has moved on."""

    def act(tx: Transaction) -> Outcome[Incident]:
        if not tx.state(INCIDENT, id).number:
            raise NotFound("There is no such incident.")
        return tx.execute(INCIDENT, id, command, actor=actor, scope=id, expected=expected)

    outcome = world.store.run(act)
    crash.point("incident.after_command")
    return outcome


def change_severity(
    world: World, id: str, severity: Severity, reason: str, *, actor: str, expected: int | None = None
) -> Outcome[Incident]:
    """Override the severity as a person, with a reason; its deadlines follow."""
    catalog = world.catalog.current
    state = world.store.state(INCIDENT, id)
    assessment = assess_in(catalog, _all_facts(catalog, state))
    command = ChangeSeverity(
        severity=severity,
        reason=reason,
        criteria=assessment.for_record(),
        deadlines=_moved(catalog, assessment, severity, state, world.clock.now()),
    )
    return tell(world, id, command, actor=actor, expected=expected)


def change_category(world: World, id: str, category: str, reason: str, *, actor: str) -> Outcome[Incident]:
    """Override the category as a person, with a reason."""
    _known(category, [one.id for one in world.catalog.current.taxonomy.categories], "category")
    return tell(world, id, ChangeCategory(category=category, reason=reason), actor=actor)


# --- as jobs --------------------------------------------------------------------------------------


def _all_facts(catalog: Configuration, state: Incident) -> dict[str, KnownFact]:
    return {**known_facts(catalog, state.system), **state.facts}


def _reassess(tx: Transaction, job: Held, world: World) -> None:
    """New facts re-assess the severity; what a person set is only ever made worse by them."""
    id, catalog = job.payload["incident"], world.catalog.current
    state = tx.state(INCIDENT, id)
    if state.status in (Status.CLOSED, Status.UNDECLARED):
        return
    assessment = assess_in(catalog, _all_facts(catalog, state))
    now_known = standing(state)
    decided = reassess(now_known, assessment)
    if decided.action != "set":
        return
    command = ChangeSeverity(
        severity=decided.severity,
        reason=decided.reason,
        by_policy=True,
        criteria=assessment.for_record(),
        deadlines=_moved(catalog, assessment, decided.severity, state, tx.now),
    )
    tx.execute(INCIDENT, id, command, actor=ENGINE, scope=id)


def _check_deadline(tx: Transaction, job: Held, world: World) -> None:
    command = CheckDeadline(kind=job.payload["kind"], due=from_wire(job.payload["due"]))
    tx.execute(INCIDENT, job.payload["incident"], command, actor=ENGINE, scope=job.scope)


WORK = (Duty("incident.reassess", _reassess), Duty("incident.check_deadline", _check_deadline))
