"""What follows what: from an event to the jobs that must happen elsewhere because of it.

Each job is keyed by the event's place in its stream, so that it exists exactly once however often this is asked.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from tocsin.catalog import applied
from tocsin.incidents import incident as incidents
from tocsin.kernel.clock import to_wire
from tocsin.response.communications import update as updates
from tocsin.response.containment import action as containment
from tocsin.response.oncall import delivery, page
from tocsin.response.playbooks import run as runs
from tocsin.reviews import review as reviews
from tocsin.store.jobs import Job
from tocsin.store.transaction import Appended

CHECKPOINTS_AFTER = (
    incidents.Declared, incidents.Contained, incidents.Resolved, incidents.Closed,
    containment.SnapshotSealed, reviews.Finished,
)  # fmt: skip
"""The events after which the log is signed at once: the states that matter later."""


RECHECK_EVERY = dt.timedelta(minutes=1)
"""How often a containment is verified again: while it holds, and while a lost one may come to hold again."""


def follow(one: Appended) -> Iterator[Job]:
    """Return the jobs that follow one event."""
    for kind, due, payload in _duties(one):
        yield Job(
            kind=kind,
            key=f"{one.kind}:{one.key}/{one.position}/{kind}"
            + (f"/{payload['part']}" if "part" in payload else ""),
            due_at=due or one.at,
            scope=one.scope,
            payload=payload,
        )


Due = tuple[str, dt.datetime | None, dict[str, Any]]


def _duties(one: Appended) -> Iterator[Due]:
    event, incident = one.event, one.scope
    payload: dict[str, Any]
    if isinstance(event, CHECKPOINTS_AFTER):
        yield "log.checkpoint", None, {}
    match event:
        case incidents.Declared():
            yield "page.start", None, {"incident": incident}
            yield "run.start", None, {"incident": incident}
        case incidents.Contained(containment=str() as action):
            payload = {"containment": action, "incident": incident, "count": 1}
            yield "contain.recheck", one.at + RECHECK_EVERY, payload
        case incidents.DeadlineSet(deadline=deadline):
            payload = {"incident": incident, "kind": deadline.kind, "due": to_wire(deadline.due)}
            yield "incident.check_deadline", deadline.due, payload
        case incidents.FactsRecorded() | incidents.CategoryChanged():
            yield "incident.reassess", None, {"incident": incident}
        case incidents.Resolved():
            yield "page.stop", None, {"incident": incident, "reason": "The incident is resolved."}
            yield "review.open", None, {"incident": incident}
        case page.EscalationStarted() | page.LevelTimedOut() | page.Exhausted():
            yield from _next_level(one)
        case page.LevelReached():
            payload = {"incident": incident, "level": event.level, "round": event.round}
            yield "page.time_out", event.acknowledge_by, payload
        case page.PageRequested() | page.Attempted():
            yield from _next_delivery(one, event.page)
        case page.Acknowledged():
            payload = {"incident": incident, "person": event.person, "role": event.role}
            yield "incident.take_up", None, payload
        case updates.Released():
            yield "update.address", None, {"update": one.key, "incident": incident}
        case updates.Attempted(outcome="failed"):
            payload = {
                "update": one.key,
                "incident": incident,
                "recipient": event.recipient,
                "method": event.method,
            }
            yield "update.deliver", one.at + dt.timedelta(seconds=5), payload
        case runs.StepReached(waiting_for="probe"):
            assert isinstance(one.state, runs.Run)
            payload = {
                "run": one.key,
                "incident": incident,
                "step": event.step,
                "visit": len(one.state.path) - 1,
            }
            yield "run.probe", None, payload
        case runs.StepReached(kind="evidence"):
            yield "run.keep", None, {"run": one.key, "incident": incident, "step": event.step}
        case containment.Approved() | containment.Requested():
            assert isinstance(one.state, containment.Containment)
            if one.state.status == "approved":
                yield "contain.snapshot", None, {"containment": one.key, "incident": incident}
        case containment.SnapshotSealed() | containment.OrderOverridden():
            yield "contain.act", None, {"containment": one.key, "incident": incident}
        case containment.Acted():
            yield "contain.verify", None, {"containment": one.key, "incident": incident}
        case containment.RevertRequested():
            yield "contain.revert", None, {"containment": one.key, "incident": incident}
        case containment.Verified():
            assert isinstance(one.state, containment.Containment)
            if one.state.status == "verified":
                yield "incident.contain", None, {"containment": one.key, "incident": incident}
            elif not event.holds:
                payload = {"containment": one.key, "incident": incident}
                yield "incident.lose_containment", None, payload
                yield "contain.recheck", one.at + RECHECK_EVERY, {**payload, "count": 1}
        case reviews.Opened():
            yield "incident.open_review", None, {"incident": incident}
        case applied.Applied():
            yield "watch.plan", None, {}
            yield "deployments.plan", None, {}
        case _:
            pass


def _next_level(one: Appended) -> Iterator[Due]:
    assert isinstance(one.state, page.Escalation)
    if one.state.due is not None:
        level, round = one.state.due
        yield "page.reach", None, {"incident": one.scope, "level": level, "round": round}


def _next_delivery(one: Appended, page_id: str) -> Iterator[Due]:
    assert isinstance(one.state, page.Escalation)
    wanted = delivery.next_delivery(one.state, page_id)
    if wanted is not None:
        yield "page.deliver", max(wanted.due, one.at), {"incident": one.scope, "page": page_id}
