"""Read models: one row each, kept in step with the streams by the transaction that appends the event."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import cache
from typing import Any

from sqlalchemy import Insert, Table, Update, and_, bindparam, insert, update

from tocsin.evidence import custody
from tocsin.incidents import incident as incidents
from tocsin.response.communications import update as updates
from tocsin.response.containment import action as containment
from tocsin.response.oncall import page
from tocsin.response.playbooks import run as runs
from tocsin.reviews import review as reviews
from tocsin.store import tables
from tocsin.store.transaction import Appended, Transaction


def project(tx: Transaction, one: Appended) -> None:
    """Write one event into the read models."""
    view = _VIEWS.get(one.kind)
    if view is not None:
        view(tx, one)


def _insert(tx: Transaction, table: Table, **values: Any) -> None:
    tx.connection.execute(_into(table), values)


def _update(tx: Transaction, table: Table, id: str, **values: Any) -> None:
    tx.connection.execute(_of_id(table), {"of_id": id, **values})


@cache  # composing a statement costs more than carrying it out
def _into(table: Table) -> Insert:
    return insert(table)


@cache
def _of_id(table: Table) -> Update:
    return update(table).where(table.c.id == bindparam("of_id"))


def _incident(tx: Transaction, one: Appended) -> None:
    state, event = one.state, one.event
    assert isinstance(state, incidents.Incident)
    values: dict[str, Any] = {
        "title": state.title,
        "status": state.status.value,
        "severity": state.severity,
        "category": state.category,
        "system": state.system,
        "commander": state.roles.get("commander"),
        "updated_at": one.at,
        "respond_by": _open_deadline(state, "respond"),
        "resolve_by": _open_deadline(state, "resolve"),
    }
    if isinstance(event, incidents.Declared):
        due = updates.next_update_due(state.severity, None, one.at)
        born = {"id": one.key, "number": state.number, "declared_at": one.at, "next_update_by": due}
        _insert(tx, tables.incident, **born, **values)
        return
    if isinstance(event, incidents.Resolved | incidents.Closed):
        values["next_update_by"] = None
    _update(tx, tables.incident, one.key, **values)


def _open_deadline(state: incidents.Incident, kind: str) -> dt.datetime | None:
    deadline = state.deadlines.get(kind)
    return deadline.due if deadline and kind not in state.deadlines_done else None


def _page(tx: Transaction, one: Appended) -> None:
    event, state = one.event, one.state
    assert isinstance(state, page.Escalation)
    table = tables.page
    match event:
        case page.PageRequested():
            asked = state.page(event.page)
            _insert(
                tx,
                table,
                incident=one.scope,
                page=event.page,
                person=event.person,
                level=event.level,
                round=event.round,
                state="requested",
                requested_at=one.at,
                acknowledge_by=asked.acknowledge_by if asked else None,
            )
        case page.Attempted():
            _delivery(tx, one, purpose="page", subject=event.page, person=_person(state, event.page))
        case page.Acknowledged():
            mine = and_(table.c.incident == one.scope, table.c.person == event.person)
            _pages(tx, mine, "acknowledged", one.at)
            _pages(
                tx,
                and_(table.c.incident == one.scope, table.c.state == "requested"),
                "answered_by_other",
                None,
            )
        case page.LevelTimedOut():
            late = and_(
                table.c.incident == one.scope, table.c.level == event.level, table.c.round == event.round
            )
            _pages(tx, and_(late, table.c.state == "requested"), "timed_out", None)
        case page.EscalationStopped():
            waiting = and_(table.c.incident == one.scope, table.c.state.in_(("requested", "timed_out")))
            _pages(tx, waiting, "stopped", None)
        case _:
            pass


def _pages(tx: Transaction, which: Any, state: str, acknowledged_at: dt.datetime | None) -> None:
    values = {"state": state, **({"acknowledged_at": acknowledged_at} if acknowledged_at else {})}
    tx.connection.execute(update(tables.page).where(which).values(**values))


def _person(state: page.Escalation, id: str) -> str:
    found = state.page(id)
    return found.person if found else ""


_OF_DELIVERY = update(tables.delivery).where(tables.delivery.c.key == bindparam("of_key"))


def _delivery(tx: Transaction, one: Appended, *, purpose: str, subject: str, person: str) -> None:
    """One row per attempt; the same key again (after a lost lease) only changes how it stands."""
    event: Any = one.event
    values = {"state": event.outcome, "detail": event.detail, "updated_at": one.at}
    table = tables.delivery
    changed = tx.connection.execute(_OF_DELIVERY, {"of_key": event.key, **values})
    if changed.rowcount == 0:
        _insert(
            tx,
            table,
            key=event.key,
            scope=one.scope,
            purpose=purpose,
            subject=subject,
            person=person,
            method=event.method,
            attempt=event.attempt or 1,
            queued_at=one.at,
            **values,
        )


def _run(tx: Transaction, one: Appended) -> None:
    state = one.state
    assert isinstance(state, runs.Run)
    values = {
        "step": state.step or None,
        "waiting_for": state.waiting_for,
        "finished": state.status in ("finished", "abandoned"),
    }
    if isinstance(one.event, runs.Started):
        book = one.event.playbook
        _insert(
            tx, tables.run, id=one.key, incident=one.scope, playbook=book.id, title=book.title,
            started_at=one.at, **values,
        )  # fmt: skip
    else:
        _update(tx, tables.run, one.key, **values)


def _containment(tx: Transaction, one: Appended) -> None:
    state = one.state
    assert isinstance(state, containment.Containment)
    assert state.action is not None
    values = {"state": state.status, "updated_at": one.at}
    if isinstance(one.event, containment.Requested):
        born = {"id": one.key, "incident": one.scope, "system": state.system, "action": state.action.id}
        _insert(tx, tables.containment, **born, requested_at=one.at, **values)
    else:
        _update(tx, tables.containment, one.key, **values)


def _notice(tx: Transaction, one: Appended) -> None:
    state, event = one.state, one.event
    assert isinstance(state, updates.Update)
    if isinstance(event, updates.Attempted):
        _delivery(tx, one, purpose="update", subject=one.key, person=event.recipient)
        return
    values: dict[str, Any] = {"audience": state.audience, "subject": state.subject, "state": state.status}
    if isinstance(event, updates.Drafted) and one.position == 1:
        _insert(tx, tables.notice, id=one.key, incident=one.scope, drafted_at=one.at, **values)
        return
    if isinstance(event, updates.Released):
        values["released_at"] = one.at
        _next_update(tx, one)
    _update(tx, tables.notice, one.key, **values)


def _next_update(tx: Transaction, one: Appended) -> None:
    incident = tx.state(incidents.INCIDENT, one.scope)
    if incident.status in incidents.OPEN:
        due = updates.next_update_due(incident.severity, one.at, one.at)
        _update(tx, tables.incident, one.scope, next_update_by=due)


def _review(tx: Transaction, one: Appended) -> None:
    event = one.event
    match event:
        case reviews.Opened():
            _insert(tx, tables.review, incident=one.scope, opened_at=one.at)
        case reviews.Finished() | reviews.Reopened():
            finished = one.at if isinstance(event, reviews.Finished) else None
            mine = tables.review.c.incident == one.scope
            tx.connection.execute(update(tables.review).where(mine).values(finished_at=finished))
        case reviews.ActionItemAdded():
            _insert(
                tx,
                tables.action_item,
                id=event.item,
                incident=one.scope,
                text=event.text,
                owner=event.owner,
                due=event.due.isoformat(),
                measure=event.measure,
                done=False,
            )
        case reviews.ActionItemCompleted():
            _update(tx, tables.action_item, event.item, done=True)
        case _:
            pass


def _custody(tx: Transaction, one: Appended) -> None:
    if isinstance(one.event, custody.Collected):
        item = one.event.item
        _insert(
            tx,
            tables.evidence_item,
            id=one.key,
            incident=one.scope,
            sha256=item.sha256,
            size=item.size,
            media_type=item.media_type,
            what=item.what,
            collected_at=item.collected_at,
        )


_VIEWS: dict[str, Callable[[Transaction, Appended], None]] = {
    "incident": _incident,
    "page": _page,
    "run": _run,
    "containment": _containment,
    "notice": _notice,
    "review": _review,
    "custody": _custody,
}
