"""From the inbox to alerts, groups and incidents: in order, exactly once, cursor and all in one transaction.

What cannot be read is quarantined with its reason and shown; it never stops what comes behind it.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec
from sqlalchemy import and_, insert, select, update
from sqlalchemy.exc import DBAPIError

from tocsin.alerts import alert as alerts
from tocsin.alerts import grouping, routing
from tocsin.alerts.alert import Alert, Change
from tocsin.alerts.grouping import Group
from tocsin.catalog.configuration import Configuration
from tocsin.engine import crash
from tocsin.engine.declare import attach_alert, declare_from_alert, known_facts
from tocsin.engine.duty import Duty
from tocsin.engine.world import World
from tocsin.kernel.errors import Invalid, NotFound, TocsinError, Unavailable
from tocsin.signals.formats import alertmanager, monitor_alert, pagerduty
from tocsin.signals.reported import Batch, ReportedAlert
from tocsin.store import inbox, tables
from tocsin.store.inbox import Accepted
from tocsin.store.jobs import Held, Job
from tocsin.store.transaction import Transaction
from tocsin.store.writer import Lane

log = logging.getLogger(__name__)

CHUNK_SECONDS = 0.020
CHUNK_BODIES = 20
CHUNK_ALERTS = 100
"""Reports of one body that are derived in one commit: people and pages come in between."""
SWEEP_SECONDS = 5
FARTHEST_END = dt.timedelta(days=366)


# --- what a body says -----------------------------------------------------------------------------


def _alertmanager(body: Accepted) -> Batch:
    return alertmanager.parse(body.body, body.received_at)


def _pagerduty(body: Accepted) -> Batch:
    chance, _, scope = body.note.partition("/")
    event = pagerduty.parse(body.body, body.received_at, chance=bytes.fromhex(chance), scope=scope)
    return Batch(alerts=(event.report,))


def _monitor(body: Accepted) -> Batch:
    return Batch(alerts=(monitor_alert.parse(body.body, body.received_at),))


FORMATS: Mapping[str, Callable[[Accepted], Batch]] = {
    alertmanager.SOURCE: _alertmanager,
    pagerduty.SOURCE: _pagerduty,
    monitor_alert.SOURCE: _monitor,
}
"""Format of an inbox row to its parser."""


# --- the drain ------------------------------------------------------------------------------------


def drain(world: World) -> bool:
    """Derive one chunk of the inbox; return whether there was anything to derive."""
    waiting = world.store.read(lambda connection: inbox.newest(connection) > inbox.derived(connection))
    if not waiting:
        return False
    try:
        world.store.run(lambda tx: _derive_chunk(tx, world), Lane.BULK)
    except Unavailable:
        raise
    except Exception:
        log.exception("bodies could not be derived together; now one by one")
        _derive_one(world)
    crash.point("derive.after_commit")
    return True


def _derive_one(world: World) -> None:
    """Derive the next body alone; set it aside when even that fails, for nothing may hold up what comes behind it."""
    try:
        world.store.run(lambda tx: _derive_chunk(tx, world, most=1), Lane.BULK)
    except Unavailable:
        raise
    except Exception as error:
        reason = f"It could not be derived: {type(error).__name__}."
        world.store.run(lambda tx: _set_aside(tx, reason), Lane.BULK)


def _set_aside(tx: Transaction, reason: str) -> None:
    for body in inbox.undelivered(tx.connection, 1):
        inbox.quarantine(tx.connection, body.id, reason)
        inbox.advance(tx.connection, body.id)
    tx.touched.add("alerts")


def _derive_chunk(tx: Transaction, world: World, *, most: int = CHUNK_BODIES) -> None:
    started = time.monotonic()
    for body in inbox.undelivered(tx.connection, most):
        if not _derive(tx, world, body):
            break
        inbox.advance(tx.connection, body.id)
        if time.monotonic() - started > CHUNK_SECONDS:
            break
    tx.touched.add("alerts")
    crash.point("derive.before_commit")


def _derive(tx: Transaction, world: World, body: Accepted) -> bool:
    """Derive a body, or the next part of a large one; return whether all of it is derived now."""
    done = inbox.offset(tx.connection)
    try:
        batch = FORMATS[body.format](body)
    except (TocsinError, KeyError) as error:
        inbox.quarantine(tx.connection, body.id, str(error))
        return True
    part = batch.alerts[done : done + CHUNK_ALERTS]
    faults = [] if done else [f"alert {one.index}: {one.reason}" for one in batch.refused]
    faults += derive_alerts(tx, world, part, body.received_at)
    if faults:
        inbox.quarantine(tx.connection, body.id, "; ".join(faults))
    more = done + len(part) < len(batch.alerts)
    if more or done:
        inbox.set_offset(tx.connection, done + len(part) if more else 0)
    return not more


def derive_alerts(
    tx: Transaction, world: World, reports: Sequence[ReportedAlert], now: dt.datetime
) -> list[str]:
    """Merge `reports` into alerts and groups, and declare or attach what the policy says.

    Returns a sentence for each report that could not be taken; the others are.
    """
    catalog = world.catalog.current
    places = routing.places(catalog)
    known = _current(tx, [alerts.fingerprint(one) for one in reports])
    faults = []
    for reported in reports:
        before = known.get(alerts.fingerprint(reported))
        try:
            with tx.savepoint():
                after, change = alerts.merge(
                    before[1] if before else None, reported, now, places.of(reported)
                )
                if after is None or change in (Change.DROPPED, Change.STALE):
                    continue
                known[after.fingerprint] = (_keep(tx, world, catalog, before, after, change), after)
        except DBAPIError:
            raise
        except Exception as error:  # one odd report must not take its neighbours with it
            log.exception("a report of %r could not be derived", reported.title)
            faults.append(f"{reported.title or reported.labels}: {error}")
    return faults


def replay(world: World, id: int) -> None:
    """Derive a quarantined body again, after a mapping or the program was mended; raise `NotFound` or what is wrong."""

    def again(tx: Transaction) -> None:
        body = inbox.find(tx.connection, id)
        if body is None:
            raise NotFound("There is no such body in quarantine.")
        batch = FORMATS[body.format](body)
        faults = [f"alert {one.index}: {one.reason}" for one in batch.refused]
        faults += derive_alerts(tx, world, batch.alerts, body.received_at)
        if faults:
            raise Invalid("; ".join(faults), mend="The body stays in quarantine.")
        inbox.release(tx.connection, id)
        tx.touched.add("alerts")

    world.store.run(again)


Kept = tuple[str, Alert]
"""(row id, alert)"""


def _current(tx: Transaction, fingerprints: Sequence[str]) -> dict[str, Kept]:
    found: dict[str, Kept] = {}
    for start in range(0, len(fingerprints), 500):
        some = set(fingerprints[start : start + 500])
        query = select(tables.alert.c.id, tables.alert.c.document).where(
            and_(tables.alert.c.current.is_(True), tables.alert.c.fingerprint.in_(some))
        )
        for row in tx.connection.execute(query):
            one = msgspec.json.decode(row.document, type=Alert)
            found[one.fingerprint] = (row.id, one)
    return found


def _keep(
    tx: Transaction, world: World, catalog: Configuration, before: Kept | None, after: Alert, change: Change
) -> str:
    """Write the alert and its group, and what they lead to; return the alert's row id."""
    new_row = before is None or before[1].episode != after.episode
    id = tx.new_id() if new_row or before is None else before[0]
    group_id = _group(tx, before[1] if before else None, after)
    incident = _lead(tx, world, catalog, id, after, change, group_id)
    row = {
        "status": after.status,
        "severity": after.severity,
        "category": after.category,
        "system": after.system,
        "title": after.title,
        "starts_at": after.starts_at,
        "last_seen": after.last_seen,
        "group_id": group_id,
        "document": msgspec.json.encode(after),
        **({"incident": incident} if incident else {}),
    }
    if new_row:
        if before is not None:
            older = update(tables.alert).where(tables.alert.c.id == before[0]).values(current=False)
            tx.connection.execute(older)
        born = {"id": id, "fingerprint": after.fingerprint, "episode": after.episode, "source": after.source}
        tx.connection.execute(insert(tables.alert).values(**born, current=True, **row))
    else:
        tx.connection.execute(update(tables.alert).where(tables.alert.c.id == id).values(**row))
    _schedule_sweep(tx, after.ends_at if after.firing else None)
    if not after.firing:
        _schedule_sweep(tx, tx.now + grouping.DEFAULT_TIMING.interval)
    return id


def _group(tx: Transaction, before: Alert | None, after: Alert) -> str | None:
    """Join the alert to its group; return the group's row id, or None when it opens none."""
    key = grouping.group_key(grouping.group_labels(after))
    opened = select(tables.alert_group).where(
        and_(tables.alert_group.c.open.is_(True), tables.alert_group.c.key == key)
    )
    row = tx.connection.execute(opened).one_or_none()
    old = msgspec.json.decode(row.document, type=Group) if row else None
    group = grouping.join(old, before, after, tx.now)
    if group is None or group == old:
        return row.id if row else None
    values = {
        "key": group.key,
        "open": group.open,
        "updated_at": group.updated_at,
        "alerts": group.alerts,
        "document": msgspec.json.encode(group),
    }
    if row is None:
        id = tx.new_id()
        tx.connection.execute(insert(tables.alert_group).values(id=id, opened_at=group.opened_at, **values))
        return id
    tx.connection.execute(
        update(tables.alert_group).where(tables.alert_group.c.id == row.id).values(**values)
    )
    return str(row.id)


def _lead(
    tx: Transaction,
    world: World,
    catalog: Configuration,
    id: str,
    after: Alert,
    change: Change,
    group: str | None,
) -> str | None:
    """Declare an incident, or tell the one there is; return the incident's id, or None."""
    if change.stops_firing:
        return attach_alert(tx, world, id, after, group, resolved=True)
    if not (change.starts_firing or change is Change.UPDATED) or not after.firing:
        return None
    attached = attach_alert(tx, world, id, after, group, resolved=False)
    if attached is not None:
        return attached
    vocabulary = catalog.vocabulary
    more = known_facts(catalog, after.system)
    decided = routing.decide(after, catalog.declare_policy, vocabulary, more)
    if not decided.declare:
        return None
    return declare_from_alert(tx, world, id, after, decided, group)


# --- expiry ---------------------------------------------------------------------------------------


def _schedule_sweep(tx: Transaction, due: dt.datetime | None) -> None:
    """Look again at `due`, rounded up. An end that is years away is a sender's word for 'never'."""
    if due is None or due - tx.now > FARTHEST_END:
        return
    moment = max(due, tx.now + dt.timedelta(seconds=1))
    seconds = -(-int(moment.timestamp() + 0.999999) // SWEEP_SECONDS) * SWEEP_SECONDS
    tx.schedule(
        Job(
            kind="alerts.sweep",
            key=f"alerts.sweep/{seconds}",
            due_at=dt.datetime.fromtimestamp(seconds, dt.UTC),
        )
    )


def _sweep(tx: Transaction, job: Held, world: World) -> None:
    """Expire alerts that nobody reports any more, and close groups that are quiet."""
    if inbox.newest(tx.connection) > inbox.derived(tx.connection):
        _schedule_sweep(tx, tx.now)  # what came in while we were away may say that they still fire
        return
    catalog = world.catalog.current
    firing = select(tables.alert.c.id, tables.alert.c.document).where(
        and_(tables.alert.c.current.is_(True), tables.alert.c.status == "firing")
    )
    for row in tx.connection.execute(firing).all():
        one = msgspec.json.decode(row.document, type=Alert)
        after, change = alerts.expire(one, tx.now)
        if change is Change.EXPIRED:
            _expire(tx, world, catalog, (row.id, one), after)
    opened = select(tables.alert_group).where(tables.alert_group.c.open.is_(True))
    for row in tx.connection.execute(opened).all():
        group = msgspec.json.decode(row.document, type=Group)
        closed = grouping.close(group, tx.now)
        if not closed.open:
            values = {"open": False, "document": msgspec.json.encode(closed)}
            tx.connection.execute(
                update(tables.alert_group).where(tables.alert_group.c.id == row.id).values(**values)
            )
        elif group.firing == 0:
            _schedule_sweep(tx, grouping.next_look(group))
    tx.touched.add("alerts")


def _expire(tx: Transaction, world: World, catalog: Configuration, before: Kept, after: Alert) -> None:
    try:
        with tx.savepoint():
            _keep(tx, world, catalog, before, after, Change.EXPIRED)
    except DBAPIError:
        raise
    except Exception:
        log.exception("the alert %s could not expire; the next sweep tries again", before[0])
        _schedule_sweep(tx, tx.now + dt.timedelta(seconds=60))


WORK = (Duty("alerts.sweep", _sweep),)


def accept(
    world: World, *, format: str, integration: str, body: bytes, note: str = ""
) -> Callable[[Transaction], int]:
    """Return the unit of work that puts a body into the inbox; its sender is answered after it is durable."""

    def put(tx: Transaction) -> int:
        id = inbox.accept(
            tx.connection, now=tx.now, format=format, integration=integration, body=body, note=note
        )
        tx.scheduled += 1  # wakes the drain
        crash.point("intake.before_commit")
        return id

    return put
