"""Escalation as jobs: start, call the next level, deliver each page, time a level out (TEAM-2..5)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tocsin.catalog.team import ContactMethod
from tocsin.connectors.sender import DeliveryOutcome
from tocsin.engine import crash
from tocsin.engine.duty import ENGINE, Duty, Errand
from tocsin.engine.world import World
from tocsin.incidents.incident import INCIDENT, AssignRole, Incident, StartInvestigation
from tocsin.kernel.errors import NotFound
from tocsin.response.oncall import escalation, page
from tocsin.response.oncall.delivery import Delivery, next_delivery
from tocsin.response.oncall.link import sign_link
from tocsin.response.oncall.page import PAGE
from tocsin.store.jobs import Held
from tocsin.store.transaction import Transaction

LINK_HOURS = 24
SEND_SECONDS = 10.0


def directory(world: World) -> escalation.Directory:
    """Return who there is, from the configuration in force."""
    catalog = world.catalog.current
    return escalation.Directory(people=catalog.people, teams=catalog.teams, schedules=catalog.schedules)


def _start(tx: Transaction, job: Held, world: World) -> None:
    id = job.payload["incident"]
    incident = tx.state(INCIDENT, id)
    policy = world.catalog.current.escalation_policy_of(incident.system)
    command = page.Start(incident=id, policy=policy, severity=incident.severity)
    tx.execute(PAGE, id, command, actor=ENGINE, scope=id)


def _reach(tx: Transaction, job: Held, world: World) -> None:
    id, level = job.payload["incident"], job.payload["level"]
    policy = tx.state(PAGE, id).policy
    assert policy is not None
    called = escalation.who(policy, level, directory(world), tx.now)
    command = page.ReachLevel(level=level, round=job.payload["round"], people=called.people, why=called.notes)
    tx.execute(PAGE, id, command, actor=ENGINE, scope=id)


def _time_out(tx: Transaction, job: Held, world: World) -> None:
    id = job.payload["incident"]
    command = page.TimeOut(level=job.payload["level"], round=job.payload["round"])
    tx.execute(PAGE, id, command, actor=ENGINE, scope=id)


def _stop(tx: Transaction, job: Held, world: World) -> None:
    id = job.payload["incident"]
    tx.execute(PAGE, id, page.Stop(reason=job.payload["reason"]), actor=ENGINE, scope=id)


def _take_up(tx: Transaction, job: Held, world: World) -> None:
    """Whoever answers first takes the incident up; who was paged for it takes the role that the level gives."""
    id, person, role = job.payload["incident"], job.payload["person"], job.payload["role"]
    actor = f"person:{person}"
    state = tx.execute(INCIDENT, id, StartInvestigation(by=person), actor=actor, scope=id).state
    if role and role not in state.roles and tx.state(PAGE, id).paged(person):
        command = AssignRole(role=role, person=person, how="acknowledged the page")
        tx.execute(INCIDENT, id, command, actor=actor, scope=id)


# --- delivery -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Message:
    """One page on its way to one address."""

    delivery: Delivery
    address: str
    title: str
    body: str


def _prepare(job: Held, world: World) -> Message | None:
    id = job.payload["incident"]
    state, incident = world.store.state(PAGE, id), world.store.state(INCIDENT, id)
    delivery = next_delivery(state, job.payload["page"])
    if delivery is None:
        return None
    asked = state.page(delivery.page)
    method = _method(world, delivery)
    address = method.address if method else ""
    return Message(
        delivery,
        address,
        _title(world, incident),
        _body(world, id, incident, delivery, asked.why if asked else ""),
    )


def _method(world: World, delivery: Delivery) -> ContactMethod | None:
    person = world.catalog.current.people.get(delivery.person)
    return next((way for way in person.contact if way.id == delivery.method), None) if person else None


def _title(world: World, incident: Incident) -> str:
    return f"[{world.catalog.current.label(incident.severity)}] INC-{incident.number} {incident.title}"


def _body(world: World, id: str, incident: Incident, delivery: Delivery, why: str) -> str:
    token = acknowledge_token(world, id, delivery)
    reasons = [criterion.sentence for criterion in incident.criteria] or list(incident.why)
    lines = [
        incident.title,
        "",
        *(f"- {reason}" for reason in reasons),
        "",
        f"You are paged because {why[0].lower() + why[1:] if why.startswith('You') else why}" if why else "",
        f"Acknowledge (no sign-in needed): {world.base_url}/acknowledge/{token}",
        f"Open the incident: {world.base_url}/incidents/{incident.number}",
    ]
    return "\n".join(lines)


def acknowledge_token(world: World, incident: str, delivery: Delivery) -> str:
    """Return the token of a one-tap link; the page it opens changes nothing until its button is pressed."""
    expires = world.clock.now() + dt.timedelta(hours=LINK_HOURS)
    payload = {"incident": incident, "page": delivery.page, "person": delivery.person}
    return quote(sign_link(world.link_secret, payload, expires))


def _perform(message: Message, world: World) -> DeliveryOutcome:
    if not message.address:
        return DeliveryOutcome(outcome="failed", detail="This contact method is no longer in the catalog.")
    crash.point("page.before_send")
    outcome = world.sender.send(
        message.address,
        title=message.title,
        body=message.body,
        key=message.delivery.key,
        timeout=SEND_SECONDS,
    )
    crash.point("page.after_send")
    return outcome


def _record(tx: Transaction, job: Held, message: Message, outcome: Any, world: World) -> None:
    id, sent = job.payload["incident"], message.delivery
    command = page.RecordAttempt(
        page=sent.page,
        method=sent.method,
        attempt=sent.attempt,
        key=sent.key,
        outcome=outcome.outcome,
        detail=outcome.detail,
    )
    tx.execute(PAGE, id, command, actor=ENGINE, scope=id)


def acknowledge(
    world: World, incident: str, person: str, *, page_id: str | None, how: page.How, actor: str
) -> None:
    """Answer the page of an incident as `person`; idempotent. Raises `NotFound` and `Refused`."""

    def answer(tx: Transaction) -> None:
        if not tx.state(INCIDENT, incident).number:
            raise NotFound("There is no such incident.")
        command = page.Acknowledge(person=person, page=page_id, how=how)
        tx.execute(PAGE, incident, command, actor=actor, scope=incident)

    world.store.run(answer)
    crash.point("page.after_acknowledge")


WORK = (
    Duty("page.start", _start),
    Duty("page.reach", _reach),
    Duty("page.time_out", _time_out),
    Duty("page.stop", _stop),
    Duty("incident.take_up", _take_up),
    Errand("page.deliver", _prepare, _perform, _record),
)
