"""Updates as jobs: who belongs to the audience, one delivery each, retried, every attempt on the record (COM-2)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from tocsin.catalog.template import Template
from tocsin.engine import crash
from tocsin.engine.duty import ENGINE, Duty, Errand
from tocsin.engine.escalate import SEND_SECONDS
from tocsin.engine.world import World
from tocsin.incidents.incident import INCIDENT, OPEN, Incident
from tocsin.kernel.errors import NotFound
from tocsin.response.communications import template as templates
from tocsin.response.communications import update as updates
from tocsin.response.communications.audience import members
from tocsin.response.communications.update import NOTICE
from tocsin.store.jobs import Held, Job
from tocsin.store.transaction import Transaction


def send_update(
    world: World,
    incident: str,
    *,
    template: str,
    fields: dict[str, str],
    by: str,
    actor: str,
    release: bool = True,
) -> str:
    """Draft an update from a template and, unless told otherwise, let it go out; return its id.

    Raises:
        NotFound: no such incident or template.
        Invalid, Refused: a blank is missing, or the text has a fault that must be mended first.
    """
    catalog = world.catalog.current
    if template not in catalog.templates:
        raise NotFound(f"There is no template called {template!r}.", mend="Choose one of the catalog's.")
    chosen = catalog.templates[template]

    def write(tx: Transaction) -> str:
        state = tx.state(INCIDENT, incident)
        if not state.number:
            raise NotFound("There is no such incident.")
        known = {
            "organisation": catalog.installation.organisation,
            "incident": f"INC-{state.number}",
            "title": state.title,
            "severity": catalog.label(state.severity),
            "status": state.status.value,
            "system": state.system or "",
            "commander": _name(world, state.roles.get("commander", "")),
            "next_update": _next_update(state, tx.now),
        }
        draft = updates.draft(
            incident=incident,
            template=template,
            audience=chosen.audience,
            subject=chosen.subject,
            body=chosen.body,
            fields={**_blank(chosen), **known, **fields},
            required=chosen.required,
        )
        id = tx.new_id()
        tx.execute(NOTICE, id, draft, actor=actor, scope=incident)
        if release:
            tx.execute(NOTICE, id, updates.Release(by=by), actor=actor, scope=incident)
        return id

    return world.store.run(write)


def _next_update(state: Incident, now: dt.datetime) -> str:
    due = updates.next_update_due(state.severity, now, now)
    return f"{due:%Y-%m-%d %H:%M} UTC" if due and state.status in OPEN else ""


def _blank(chosen: Template) -> dict[str, str]:
    """Return the optional blanks of a template as empty: what nobody says is left out, not refused."""
    names = templates.fields_of(chosen.subject, "subject") | templates.fields_of(chosen.body)
    return dict.fromkeys(names, "")


def _name(world: World, person: str) -> str:
    known = world.catalog.current.people.get(person)
    return known.name if known else person


def _address(tx: Transaction, job: Held, world: World) -> None:
    """One delivery job for each member of the audience, by their first contact method."""
    state = tx.state(NOTICE, job.payload["update"])
    for person in members(state.audience, world.catalog.current.people.values()):
        if not person.contact:
            continue
        payload = {**job.payload, "recipient": person.id, "method": person.contact[0].id}
        key = f"notice:{job.payload['update']}/deliver/{person.id}"
        tx.schedule(Job(kind="update.deliver", key=key, due_at=tx.now, scope=job.scope, payload=payload))


@dataclass(frozen=True, slots=True)
class Message:
    """One update on its way to one recipient."""

    address: str
    title: str
    body: str
    key: str
    attempt: int


def _prepare(job: Held, world: World) -> Message | None:
    state = world.store.state(NOTICE, job.payload["update"])
    person = world.catalog.current.people.get(job.payload["recipient"])
    method = (
        next((way for way in person.contact if way.id == job.payload["method"]), None) if person else None
    )
    wanted = updates.next_attempt(
        state, job.payload["update"], job.payload["recipient"], job.payload["method"]
    )
    if wanted is None or method is None:
        return None
    attempt, key = wanted
    return Message(method.address, state.subject, state.body, key, attempt)


def _perform(message: Message, world: World) -> Any:
    crash.point("update.before_send")
    outcome = world.sender.send(
        message.address, title=message.title, body=message.body, key=message.key, timeout=SEND_SECONDS
    )
    crash.point("update.after_send")
    return outcome


def _record(tx: Transaction, job: Held, message: Message, outcome: Any, world: World) -> None:
    command = updates.RecordAttempt(
        recipient=job.payload["recipient"],
        method=job.payload["method"],
        key=message.key,
        attempt=message.attempt,
        outcome=outcome.outcome,
        detail=outcome.detail,
    )
    tx.execute(NOTICE, job.payload["update"], command, actor=ENGINE, scope=job.scope)


WORK = (Duty("update.address", _address), Errand("update.deliver", _prepare, _perform, _record))
