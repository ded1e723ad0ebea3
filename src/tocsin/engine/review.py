"""The review as jobs: opened by itself with what the record holds, then filled in by people (REV-1..4)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import and_, select

from tocsin.catalog.playbook import Playbook
from tocsin.engine import crash
from tocsin.engine.duty import ENGINE, Duty
from tocsin.engine.world import World
from tocsin.incidents import incident as incidents
from tocsin.incidents import timeline
from tocsin.incidents.incident import INCIDENT, Close, OpenReview
from tocsin.kernel.errors import NotFound
from tocsin.kernel.event import Recorded, wire_name
from tocsin.response.oncall import page
from tocsin.response.playbooks import run as runs
from tocsin.reviews import review as reviews
from tocsin.reviews.fairness_review import GroupGap
from tocsin.reviews.figure import Times, figures
from tocsin.reviews.review import REVIEW, Entry, Review
from tocsin.signals.monitor import Reading
from tocsin.store import tables
from tocsin.store.jobs import Held
from tocsin.store.transaction import Transaction, read_events

UUID_LETTERS = 36
"""Ids of accounts are UUIDs; only such an id is looked up."""


def person_name(world: World, id: str) -> str:
    """Return what a person of the catalog, or an account without one, is called; the id itself for anybody else."""
    known = world.catalog.current.people.get(id)
    if known is not None or len(id) != UUID_LETTERS:
        return known.name if known else id
    query = select(tables.account.c.name).where(tables.account.c.id == id)
    return world.store.read(lambda connection: connection.execute(query).scalar_one_or_none()) or id


def told(world: World, recorded: Sequence[tuple[int, Recorded]]) -> list[timeline.Entry]:
    """Return the timeline of recorded events, in the order of the log."""
    lines = []
    books: dict[str, Playbook] = {}
    for index, one in recorded:
        if isinstance(one.event, runs.Started):
            books[one.stream] = one.event.playbook
        line = timeline.entry(
            index=index,
            at=one.at,
            type=wire_name(one.event),
            actor=one.actor,
            stream=one.stream,
            position=one.position,
            payload=_with_question(msgspec.json.decode(one.payload), books.get(one.stream)),
            name=lambda who: person_name(world, who),
        )
        if line is not None:
            lines.append(line)
    return lines


def _with_question(payload: dict[str, Any], book: Playbook | None) -> dict[str, Any]:
    """Return an answer's payload with the words of its question, which only the run's snapshot holds."""
    step = book.step(payload.get("step", "")) if book else None
    text = getattr(step, "text", "")
    return {**payload, "question": text} if text else payload


def times(recorded: Sequence[tuple[int, Recorded]]) -> Times:
    """Return the six moments of an incident that its figures are made of."""
    found: dict[str, dt.datetime] = {}
    for _, one in recorded:
        match one.event:
            case incidents.Declared(began_at=began_at):
                found["began_at"], found["detected_at"] = began_at, one.at
            case page.PageRequested():
                found.setdefault("paged_at", one.at)
            case page.Acknowledged():
                found.setdefault("acknowledged_at", one.at)
            case incidents.Contained():
                found.setdefault("contained_at", one.at)
            case incidents.Resolved():
                found["resolved_at"] = one.at
            case _:
                pass
    return Times(**found)


# --- group gaps -----------------------------------------------------------------------------------


def gaps(tx: Transaction, world: World, system: str | None, moments: Times) -> tuple[GroupGap, ...]:
    """Return each fairness monitor's gap before, during and after, from its kept readings."""
    catalog = world.catalog.current
    watched = catalog.systems.get(system or "")
    if watched is None or watched.groups is None:
        return ()
    found = []
    for monitor in catalog.monitors_of(watched.id):
        if monitor.dimension != "fairness":
            continue
        harm_ended = moments.contained_at or moments.resolved_at
        during = _reading(tx, monitor.id, harm_ended, worst=True, since=moments.began_at)
        before = _before(during)
        after = _reading(tx, monitor.id, tx.now, worst=False, since=moments.contained_at)
        found.append(
            GroupGap(
                attribute=watched.groups.attribute,
                group=", ".join(watched.groups.protected),
                reference=watched.groups.reference,
                measure=monitor.title,
                before=before,
                during=_gap(during),
                after=_gap(after),
                note=_note(before, during, after),
            )
        )
    return tuple(found)


def _reading(
    tx: Transaction, monitor: str, until: dt.datetime | None, *, worst: bool, since: dt.datetime | None
) -> Reading | None:
    table = tables.reading
    where = and_(table.c.monitor == monitor, table.c.state != "insufficient", table.c.at <= (until or tx.now))
    if since is not None:
        where = and_(where, table.c.at >= since)
    newest = select(table.c.document).where(where).order_by(table.c.id.desc()).limit(1)
    if worst:
        breach = tx.connection.execute(newest.where(table.c.state == "breach")).scalar_one_or_none()
        if breach is not None:
            return msgspec.json.decode(breach, type=Reading)
    document = tx.connection.execute(newest).scalar_one_or_none()
    return msgspec.json.decode(document, type=Reading) if document is not None else None


def _gap(reading: Reading | None) -> Decimal | None:
    text = reading.figures.get("gap") if reading else None
    return Decimal(text) if text else None


def _before(during: Reading | None) -> Decimal | None:
    text = during.figures.get("pinned_gap") if during else None
    return Decimal(text) if text else None


def _note(before: Decimal | None, during: Reading | None, after: Reading | None) -> str:
    absent = [
        when for when, known in (("before", before), ("during", during), ("after", after)) if known is None
    ]
    return f"The record holds no reading {' or '.join(absent)} the incident." if absent else ""


# --- opening, refreshing, closing -----------------------------------------------------------------


def _record(tx: Transaction, world: World, id: str) -> dict[str, Any]:
    recorded = read_events(tx.connection, world.store.rules, scope=id)
    state, moments = tx.state(INCIDENT, id), times(recorded)
    lines = tuple(
        Entry(at=line.at, text=line.text, who=line.actor, stream=line.stream, position=line.position)
        for line in told(world, recorded)
        if line.sort != "review"
    )
    return {
        "severity": state.severity,
        "figures": figures(moments),
        "timeline": lines,
        "gaps": gaps(tx, world, state.system, moments),
    }


def _open(tx: Transaction, job: Held, world: World) -> None:
    open_review(tx, world, job.payload["incident"], actor=ENGINE)


def open_review(tx: Transaction, world: World, id: str, *, actor: str) -> None:
    """Open the review of an incident with what the record holds, or fill the record in anew."""
    if not tx.state(INCIDENT, id).number:
        raise NotFound("There is no such incident.")
    record = _record(tx, world, id)
    if tx.state(REVIEW, id).status == "none":
        questions = world.catalog.current.review_form.questions
        command: reviews.ReviewCommand = reviews.Open(incident=id, questions=questions, **record)
    else:
        command = reviews.RefreshRecord(**record)
    tx.execute(REVIEW, id, command, actor=actor, scope=id)


def _open_incident_review(tx: Transaction, job: Held, world: World) -> None:
    id = job.payload["incident"]
    tx.execute(INCIDENT, id, OpenReview(), actor=ENGINE, scope=id)
    crash.point("review.after_open")


def tell(world: World, id: str, command: reviews.ReviewCommand, *, actor: str) -> Review:
    """Give a command to the review of an incident."""
    state = world.store.run(lambda tx: tx.execute(REVIEW, id, command, actor=actor, scope=id)).state
    crash.point("review.after_command")
    return state


def close(world: World, id: str, *, reason: str, actor: str) -> incidents.Incident:
    """Close an incident; ranks 0 and 1 refuse while the review is not finished, and say what is missing."""

    def shut(tx: Transaction) -> incidents.Incident:
        finished = tx.state(REVIEW, id).status == "finished"
        command = Close(review_finished=finished, reason=reason)
        return tx.execute(INCIDENT, id, command, actor=actor, scope=id).state

    return world.store.run(shut)


WORK = (Duty("review.open", _open), Duty("incident.open_review", _open_incident_review))
