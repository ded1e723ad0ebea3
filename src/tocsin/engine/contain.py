"""Containment as jobs: capture first, then act, then verify by probe; each step resumes after a crash (CON-3).

An action sets an absolute state that the approved preview names, so doing it twice is observed once.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import and_, select

from tocsin.catalog.system import Component, ContainmentAction, System
from tocsin.connectors import ports
from tocsin.connectors.ports import Acted
from tocsin.engine import capture, crash
from tocsin.engine.duty import ENGINE, Duty, Errand, Later
from tocsin.engine.follow import RECHECK_EVERY
from tocsin.engine.world import World
from tocsin.evidence.item import EvidenceItem
from tocsin.incidents.incident import INCIDENT, OPEN, Contain, Incident, LoseContainment, Status
from tocsin.kernel.clock import to_wire
from tocsin.kernel.errors import NotFound, Refused
from tocsin.kernel.event import wire_name
from tocsin.response.containment import action as containment
from tocsin.response.containment.action import CONTAINMENT, Check, Containment, SnapshotItem
from tocsin.response.containment.preview import Change, Preview, blast_radius, dependents
from tocsin.store import tables
from tocsin.store.jobs import Held, Job
from tocsin.store.transaction import Transaction

VERIFY_EVERY_SECONDS = 1.0
VERIFY_ATTEMPTS = 120


# --- what people ask for --------------------------------------------------------------------------


def preview(world: World, system_id: str, action_id: str) -> tuple[ContainmentAction, Preview]:
    """Return the action with absolute parameters and what it would do; changes nothing.

    Raises:
        NotFound: no such system, action or connector.
        Unavailable, Refused, Invalid: what the outside system answered.
    """
    catalog = world.catalog.current
    system = catalog.system(system_id)
    action = system.action(action_id)
    if action is None:
        have = ", ".join(one.id for one in system.containment) or "none"
        raise NotFound(f"{system.name} has no containment action {action_id!r}.", mend=f"It has: {have}.")
    dry = world.containment_connector(action.connector).preview(action.params)
    everything: list[System | Component] = [*catalog.systems.values(), *catalog.components.values()]
    shown = Preview(
        changes=tuple(Change(what=one.what, was=one.before, becomes=one.after) for one in dry.changes),
        affected=blast_radius(system, dependents(system.id, everything)),
        reversible=action.reversible,
        takes=action.takes,
        snapshot_items=capture.ALWAYS,
        notes=(*((action.affects,) if action.affects else ()), *dry.warnings),
    )
    return msgspec.structs.replace(action, params=dry.params), shown


def request(world: World, incident: str, action_id: str, *, reason: str, by: str, actor: str) -> str:
    """Ask for a containment action of the incident's system; return its id."""
    system = _system_of(world, world.store.state(INCIDENT, incident))
    action, shown = preview(world, system.id, action_id)

    def ask(tx: Transaction) -> str:
        state = tx.state(INCIDENT, incident)
        if state.status not in OPEN:
            raise Refused(
                f"The incident is {state.status}.", mend="Contain an open incident, or reopen this one."
            )
        id = tx.new_id()
        command = containment.Request(
            incident=incident,
            system=system.id,
            action=action,
            severity=state.severity,
            preview=shown,
            reason=reason,
            by=by,
        )
        tx.execute(CONTAINMENT, id, command, actor=actor, scope=incident)
        return id

    id = world.store.run(ask)
    crash.point("contain.after_request")
    return id


def approve(world: World, id: str, *, by: str, actor: str, expected: int | None = None) -> Containment:
    """Agree to an action as `by`, with the roles they hold on the incident."""

    def agree(tx: Transaction) -> Containment:
        state = _known(tx.state(CONTAINMENT, id))
        roles = roles_of(tx.state(INCIDENT, state.incident), by)
        command = containment.Approve(by=by, roles=roles)
        scope = state.incident
        return tx.execute(CONTAINMENT, id, command, actor=actor, scope=scope, expected=expected).state

    state = world.store.run(agree)
    crash.point("contain.after_approve")
    return state


def decline(world: World, id: str, *, by: str, reason: str, actor: str) -> Containment:
    """Turn a request down."""
    return _tell(world, id, containment.Decline(by=by, reason=reason), actor)


def override_order(world: World, id: str, *, by: str, reason: str, actor: str) -> Containment:
    """Let an approved action go before its snapshot, in an emergency; it stays on the record."""
    return _tell(world, id, containment.OverrideOrder(by=by, reason=reason), actor)


def revert(world: World, id: str, *, by: str, reason: str, actor: str) -> Containment:
    """Decide to undo an action, with the roles that `by` holds; the engine then undoes it and records that."""

    def decided(tx: Transaction) -> Containment:
        state = _known(tx.state(CONTAINMENT, id))
        roles = roles_of(tx.state(INCIDENT, state.incident), by)
        command = containment.RequestRevert(by=by, roles=roles, reason=reason)
        return tx.execute(CONTAINMENT, id, command, actor=actor, scope=state.incident).state

    return world.store.run(decided)


def _tell(world: World, id: str, command: containment.ContainmentCommand, actor: str) -> Containment:
    def tell(tx: Transaction) -> Containment:
        state = _known(tx.state(CONTAINMENT, id))
        return tx.execute(CONTAINMENT, id, command, actor=actor, scope=state.incident).state

    return world.store.run(tell)


def roles_of(incident: Incident, person: str) -> tuple[str, ...]:
    """Return the roles that `person` holds on the incident."""
    return tuple(role for role, holder in incident.roles.items() if holder == person)


def _known(state: Containment) -> Containment:
    if state.status == "none":
        raise NotFound("There is no such containment action.")
    return state


def _system_of(world: World, incident: Incident) -> System:
    if not incident.number:
        raise NotFound("There is no such incident.")
    if incident.system is None:
        raise Refused("The incident names no system.", mend="Say which system it is about first.")
    return world.catalog.current.system(incident.system)


# --- capture --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Work:
    """One containment action in hand."""

    id: str
    state: Containment
    action: ContainmentAction


def _work(job: Held, world: World, due: bool) -> Work | None:
    state = world.store.state(CONTAINMENT, job.payload["containment"])
    return Work(job.payload["containment"], state, state.action) if due and state.action else None


def _prepare_snapshot(job: Held, world: World) -> Work | None:
    state = world.store.state(CONTAINMENT, job.payload["containment"])
    return _work(job, world, not state.snapshot)


def _capture(work: Work, world: World) -> list[EvidenceItem]:
    """Copy everything into the vault; return its custody records, not yet on the record."""
    crash.point("contain.before_snapshot")
    items = capture.take(
        world,
        incident=work.state.incident,
        system=work.state.system,
        action=work.action,
        key=work.id,
        reason=f"Snapshot before '{work.action.title}'.",
    )
    crash.point("contain.after_snapshot")
    return items


def _record_snapshot(tx: Transaction, job: Held, work: Work, items: Any, world: World) -> None:
    scope = work.state.incident
    capture.record(tx, items, scope)
    sealed = tuple(
        SnapshotItem(name=item.what, sha256=item.sha256, evidence=item.id, size=item.size) for item in items
    )
    tx.execute(CONTAINMENT, work.id, containment.RecordSnapshot(items=sealed), actor=ENGINE, scope=scope)


def _snapshot_failed(tx: Transaction, job: Held, why: str, world: World) -> None:
    _failed(tx, job, "capture", why)


# --- act ------------------------------------------------------------------------------------------


def _prepare_act(job: Held, world: World) -> Work | None:
    state = world.store.state(CONTAINMENT, job.payload["containment"])
    return _work(job, world, state.may_act() and not state.acted)


def _act(work: Work, world: World) -> Acted | Drifted:
    crash.point("contain.before_act")
    connector = world.containment_connector(work.action.connector)
    drift = _drift(work.state.preview, connector.preview(work.action.params))
    if drift:
        return Drifted(f"The state changed since the preview: {drift}. Preview it again.")
    done = connector.act(work.action.params)
    crash.point("contain.after_act")
    return msgspec.structs.replace(done, before=_seen_before(work, done, world))


@dataclass(frozen=True, slots=True)
class Drifted:
    """The outside is no longer what the approved preview showed, so nothing was done."""

    why: str


def _drift(approved: Preview, now: ports.Preview) -> str:
    """Return how what would change now differs from what was approved; empty when it does not.

    What has the wanted state already (a resumed job finds its own effect) is no change, so it never differs.
    """
    shown = {change.what: change for change in approved.changes}
    for change in now.changes:
        seen = shown.get(change.what)
        if seen is None:
            return f"{change.what} was as wanted and is {change.before or 'unset'}"
        if seen.was != change.before:
            return f"{change.what} was {seen.was or 'unset'} and is {change.before or 'unset'}"
        if seen.becomes != change.after:
            return f"{change.what} would have become {seen.becomes} and would become {change.after}"
    return ""


def _seen_before(work: Work, done: Acted, world: World) -> dict[str, str]:
    """Return what held before the action. One resumed after a crash finds its effect in place: the snapshot knows."""
    sealed = next((item for item in work.state.snapshot if item.name == capture.STATE), None)
    if sealed is None or work.state.overridden_by or done.before != done.after:
        return done.before
    return msgspec.json.decode(world.vault.get(work.state.incident, sealed.sha256), type=dict[str, str])


def _record_act(tx: Transaction, job: Held, work: Work, done: Any, world: World) -> None:
    if isinstance(done, Drifted):
        _failed(tx, job, "act", done.why)
        return
    command = containment.RecordAction(
        observed_before=done.before, observed_after=done.after, detail=done.detail
    )
    tx.execute(CONTAINMENT, work.id, command, actor=ENGINE, scope=work.state.incident)


def _act_failed(tx: Transaction, job: Held, why: str, world: World) -> None:
    _failed(tx, job, "act", why)


# --- verify ---------------------------------------------------------------------------------------


def _prepare_verify(job: Held, world: World) -> tuple[Work, bool] | None:
    state = world.store.state(CONTAINMENT, job.payload["containment"])
    work = _work(job, world, state.status == "acted")
    return (work, job.attempt >= VERIFY_ATTEMPTS - 1) if work else None


def _verify(request: tuple[Work, bool], world: World) -> tuple[Check, ...]:
    """Ask every probe; while one does not say yes, ask again soon, and record what it says at the end of patience."""
    work, last = request
    system = world.catalog.current.system(work.state.system)
    checks = tuple(_check(world, system, name, work) for name in work.action.verify)
    if not checks:
        observed = world.containment_connector(work.action.connector).describe_state(work.action.params)
        holds = all(observed.get(name) == value for name, value in work.state.observed_after.items())
        checks = (Check(probe="state", holds="yes" if holds else "no", measured=observed),)
    waiting = [check for check in checks if check.holds != "yes"]
    if waiting and not last:
        raise Later(
            VERIFY_EVERY_SECONDS, "; ".join(f"{one.probe}: {one.detail or one.holds}" for one in waiting)
        )
    crash.point("contain.after_verify")
    return checks


def _check(world: World, system: System, name: str, work: Work) -> Check:
    probe = system.probe(name)
    if probe is None:
        return Check(probe=name, holds="unknown", detail="The catalog no longer has this probe.")
    given = {**work.action.params, "since": _acted_at(world, work)}
    try:
        answer = world.probe_connector(probe.connector).answer(probe.params, given)
    except Exception as error:  # whatever is wrong with asking, the answer is that nobody can tell
        return Check(probe=name, holds="unknown", detail=f"It could not be asked: {error}")
    return Check(probe=name, holds=answer.answer, measured=answer.measured, detail=answer.detail)


def _acted_at(world: World, work: Work) -> str:
    """Return when the action was seen in effect: what was measured before says nothing about it."""
    table = tables.event
    acted = and_(table.c.stream == CONTAINMENT.stream(work.id), table.c.type == wire_name(containment.Acted))
    when = select(table.c.at).where(acted).order_by(table.c.position).limit(1)
    return to_wire(world.store.read(lambda connection: connection.execute(when).scalar_one()))


def _record_verify(tx: Transaction, job: Held, request: Any, checks: Any, world: World) -> None:
    work: Work = request[0]
    command = containment.RecordVerification(checks=checks)
    tx.execute(CONTAINMENT, work.id, command, actor=ENGINE, scope=work.state.incident)


def _verify_failed(tx: Transaction, job: Held, why: str, world: World) -> None:
    _failed(tx, job, "verify", why)


def _failed(tx: Transaction, job: Held, stage: containment.Stage, why: str) -> None:
    command = containment.Fail(stage=stage, reason=why)
    tx.execute(CONTAINMENT, job.payload["containment"], command, actor=ENGINE, scope=job.scope)


def _contained(tx: Transaction, job: Held, world: World) -> None:
    id = job.payload["incident"]
    state = tx.state(CONTAINMENT, job.payload["containment"])
    if state.action is None or state.status != "verified":
        return  # it was undone, or lost again, meanwhile
    told = "; ".join(check.detail for check in state.checks if check.detail)
    summary = f"{state.action.title}: verified. {told}".strip()
    command = Contain(containment=job.payload["containment"], summary=summary)
    tx.execute(INCIDENT, id, command, actor=ENGINE, scope=id)


# --- undo -----------------------------------------------------------------------------------------


def _prepare_revert(job: Held, world: World) -> Work | None:
    state = world.store.state(CONTAINMENT, job.payload["containment"])
    return _work(job, world, state.being_undone())


def _revert(work: Work, world: World) -> Acted:
    """Put back what was seen before the action: an absolute state, so a resumed job sets the same one."""
    connector = world.containment_connector(work.action.connector)
    return connector.act(connector.undo(work.action.params, work.state.observed_before))


def _record_revert(tx: Transaction, job: Held, work: Work, done: Any, world: World) -> None:
    id, scope = work.id, work.state.incident
    after = tx.execute(
        CONTAINMENT, id, containment.RecordRevert(observed_after=done.after), actor=ENGINE, scope=scope
    ).state
    incident = tx.state(INCIDENT, scope)
    if incident.containment == id and incident.status in OPEN:
        lost = LoseContainment(reason=f"{after.reverted_by} reverted it: {after.end_reason}")
        tx.execute(INCIDENT, scope, lost, actor=ENGINE, scope=scope)


def _revert_failed(tx: Transaction, job: Held, why: str, world: World) -> None:
    _failed(tx, job, "revert", why)


# --- does it still hold? --------------------------------------------------------------------------


def _prepare_recheck(job: Held, world: World) -> Work | None:
    incident = world.store.state(INCIDENT, job.payload["incident"])
    state = world.store.state(CONTAINMENT, job.payload["containment"])
    holding = incident.status in (Status.CONTAINED, Status.MONITORING) and state.status == "verified"
    lost = incident.status in OPEN and state.status == "acted"  # it may come to hold again by itself
    return _work(job, world, (holding or lost) and bool(state.action and state.action.verify))


def _recheck(work: Work, world: World) -> tuple[Check, ...]:
    system = world.catalog.current.system(work.state.system)
    return tuple(_check(world, system, name, work) for name in work.action.verify)


def _record_recheck(tx: Transaction, job: Held, work: Work, checks: Any, world: World) -> None:
    """While it holds only a no is news, and once it is lost only that it holds again.

    A check that cannot tell (a quiet night without traffic) proves nothing. What is recorded has its next count
    follow from the event (`engine.follow`), so there is one chain of counts however often it is lost and found.
    """
    if work.state.status == "verified":
        news = any(check.holds == "no" for check in checks)
    else:
        news = all(check.holds == "yes" for check in checks)
    if news:
        command = containment.RecordVerification(checks=checks)
        if tx.execute(CONTAINMENT, work.id, command, actor=ENGINE, scope=work.state.incident).events:
            return
    _next_recheck(tx, job)


def _recheck_given_up(tx: Transaction, job: Held, why: str, world: World) -> None:
    _next_recheck(tx, job)


def _next_recheck(tx: Transaction, job: Held) -> None:
    """Plan the next count of the chain that `job` belongs to; its first job names the chain."""
    count, chain = job.payload["count"] + 1, job.payload.get("chain", job.key)
    tx.schedule(
        Job(
            kind="contain.recheck",
            key=f"{chain}/{count}",
            due_at=max(tx.now, job.due_at) + RECHECK_EVERY,
            scope=job.scope,
            payload={**job.payload, "count": count, "chain": chain},
        )
    )


def _lost(tx: Transaction, job: Held, world: World) -> None:
    id = job.payload["incident"]
    incident, state = tx.state(INCIDENT, id), tx.state(CONTAINMENT, job.payload["containment"])
    if incident.containment != job.payload["containment"]:
        return
    told = "; ".join(
        check.detail or f"{check.probe}: {check.holds}" for check in state.checks if check.holds != "yes"
    )
    tx.execute(INCIDENT, id, LoseContainment(reason=f"It no longer holds. {told}"), actor=ENGINE, scope=id)


WORK = (
    Errand("contain.recheck", _prepare_recheck, _recheck, _record_recheck, _recheck_given_up, attempts=3),
    Duty("incident.lose_containment", _lost),
    Errand("contain.snapshot", _prepare_snapshot, _capture, _record_snapshot, _snapshot_failed, attempts=5),
    Errand("contain.act", _prepare_act, _act, _record_act, _act_failed, attempts=5),
    Errand(
        "contain.verify", _prepare_verify, _verify, _record_verify, _verify_failed, attempts=VERIFY_ATTEMPTS,
        backoff=lambda attempt: dt.timedelta(seconds=VERIFY_EVERY_SECONDS),
    ),
    Errand("contain.revert", _prepare_revert, _revert, _record_revert, _revert_failed, attempts=5),
    Duty("incident.contain", _contained),
)  # fmt: skip
