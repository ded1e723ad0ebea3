"""Monitors as jobs: each looks at its window when due, keeps the reading, and reports through the inbox (DET-7, DET-8)."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, delete, insert, select
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as lite_insert

from tocsin.catalog.monitor import Monitor
from tocsin.connectors.ports import Answer, Params
from tocsin.engine import deployments, profiles
from tocsin.engine.duty import ENGINE, Duty, Errand
from tocsin.engine.world import World
from tocsin.kernel.clock import from_wire
from tocsin.kernel.errors import Invalid, NotFound
from tocsin.signals import alarm
from tocsin.signals.alarm import AlarmState, Transition
from tocsin.signals.formats import monitor_alert
from tocsin.signals.formats.monitor_alert import MonitorAlert
from tocsin.signals.monitor import Reading, evaluate
from tocsin.signals.reported import Fact
from tocsin.store import inbox, tables
from tocsin.store.jobs import Held, Job
from tocsin.store.transaction import Transaction

PLAN_SECONDS = 600
TELL_AGAIN_SECONDS = 300
"""How often a monitor that goes on firing says so: the alert stays the same one."""
READINGS_KEPT = 2000
"""Per monitor; what an incident needs of them is on its record."""


# --- the chain of looks ---------------------------------------------------------------------------


def _plan(tx: Transaction, job: Held, world: World) -> None:
    plan(tx, world)
    deployments.plan(tx, world)
    plan_again(tx, job.due_at)


def plan_again(tx: Transaction, after: dt.datetime) -> None:
    """Plan again in a while: a chain of looks that broke for any reason begins anew by that."""
    due = _multiple(max(tx.now, after), PLAN_SECONDS)
    tx.schedule(Job(kind="watch.plan", key=f"watch.plan/{int(due.timestamp())}", due_at=due))


def plan(tx: Transaction, world: World) -> None:
    """Give every monitor its next look. Looks fall on multiples of the cadence, so planning twice adds nothing."""
    for monitor in world.catalog.current.monitors.values():
        _next_look(tx, monitor)
    plan_again(tx, tx.now)


def _next_look(tx: Transaction, monitor: Monitor, after: dt.datetime | None = None) -> None:
    """Plan the look after `after`: the one just taken counts even when the clock was set back meanwhile."""
    due = _multiple(max(tx.now, after or tx.now), monitor.every_seconds)
    key = f"watch.look/{monitor.id}/{int(due.timestamp())}"
    tx.schedule(Job(kind="watch.look", key=key, due_at=due, payload={"monitor": monitor.id}))


def _multiple(moment: dt.datetime, seconds: int) -> dt.datetime:
    """Return the first multiple of `seconds` after `moment`."""
    return dt.datetime.fromtimestamp((int(moment.timestamp()) // seconds + 1) * seconds, dt.UTC)


def look(world: World, monitor: Monitor, since: dt.datetime | None = None) -> Reading:
    """Return what `monitor` finds in its window now, or in the part of it that lies after `since`."""
    now = world.clock.now()
    start = now - dt.timedelta(seconds=monitor.window_seconds)
    start = max(start, since) if since else start

    def read(connection: Connection) -> tuple[profiles.Window, Any]:
        return (
            profiles.window(connection, monitor.system, start, now + dt.timedelta(seconds=1)),
            profiles.reference(connection, monitor.system),
        )

    seen, pinned = world.store.read(read)
    return evaluate(
        monitor,
        pinned[0] if pinned else None,
        seen.profile,
        now,
        window_start=start,
        window_end=now,
        model_version=seen.model_version,
    )


def _prepare(job: Held, world: World) -> Monitor | None:
    return world.catalog.current.monitors.get(job.payload["monitor"])


def _record(tx: Transaction, job: Held, monitor: Monitor, reading: Any, world: World) -> None:
    kept = tx.connection.execute(
        select(tables.monitor_state).where(tables.monitor_state.c.monitor == monitor.id)
    ).one_or_none()
    before = msgspec.json.decode(kept.alarm, type=AlarmState) if kept else AlarmState()
    after, transition = alarm.step(before, reading, monitor)
    runs = (kept.runs if kept else 0) + 1
    _keep(tx, monitor, reading, after, runs)
    told_again = transition.kind == "held" and runs % max(1, TELL_AGAIN_SECONDS // monitor.every_seconds) == 0
    if transition.kind in ("raised", "ended") or told_again:
        body = monitor_alert.encode(_report(monitor, reading, after, transition))
        inbox.accept(tx.connection, now=tx.now, format=monitor_alert.SOURCE, integration=ENGINE, body=body)
        tx.scheduled += 1
    tx.touched.add(f"system:{monitor.system}")
    if monitor.id in world.catalog.current.monitors:
        _next_look(tx, monitor, job.due_at)


def _keep(tx: Transaction, monitor: Monitor, reading: Reading, after: AlarmState, runs: int) -> None:
    document = msgspec.json.encode(reading)
    values = {
        "system": monitor.system,
        "at": tx.now,
        "state": reading.state,
        "runs": runs,
        "alarm": msgspec.json.encode(after),
        "reading": document,
    }
    new = lite_insert if tx.connection.dialect.name == "sqlite" else pg_insert
    statement = new(tables.monitor_state).values(monitor=monitor.id, **values)
    tx.connection.execute(statement.on_conflict_do_update(index_elements=["monitor"], set_=values))
    tx.connection.execute(
        insert(tables.reading).values(monitor=monitor.id, at=tx.now, state=reading.state, document=document)
    )
    if runs % 100 == 0:
        _forget(tx, monitor)


def _forget(tx: Transaction, monitor: Monitor) -> None:
    mine = tables.reading.c.monitor == monitor.id
    newest = select(tables.reading.c.id).where(mine).order_by(tables.reading.c.id.desc()).limit(1)
    last = tx.connection.execute(newest.offset(READINGS_KEPT)).scalar_one_or_none()
    if last is not None:
        tx.connection.execute(delete(tables.reading).where(and_(mine, tables.reading.c.id <= last)))


def _report(monitor: Monitor, reading: Reading, state: AlarmState, transition: Transition) -> MonitorAlert:
    raised = transition.kind != "ended"
    return MonitorAlert(
        monitor=monitor.id,
        system=monitor.system,
        category=monitor.category,
        dimension=monitor.dimension,
        title=monitor.title,
        state="firing" if raised else "ended",
        at=reading.at,
        since=reading.window_start if raised else None,
        reading=reading.sentence,
        figures=reading.figures,
        facts=facts_of(monitor, reading),
        threshold=monitor.threshold,
        unit=monitor.unit,
        why=monitor.why,
        model_version=reading.model_version,
    )


def facts_of(monitor: Monitor, reading: Reading) -> dict[str, Fact]:
    """Return the facts that `monitor` asserts when it fires, as values of the vocabulary."""
    measured = "" if reading.value is None else str(reading.value)
    words: dict[str, Fact] = {"true": True, "false": False}
    return {name: words.get(text.lower(), text) for name, text in monitor.asserted_facts(measured).items()}


def _give_up(tx: Transaction, job: Held, why: str, world: World) -> None:
    """A look that cannot be taken must not end the chain: the next one is planned all the same."""
    monitor = world.catalog.current.monitors.get(job.payload["monitor"])
    if monitor is not None:
        _next_look(tx, monitor, job.due_at)


# --- as a probe -----------------------------------------------------------------------------------


class MonitorProbe:
    """Answers a probe with fresh looks of monitors: yes when all are fine, no when one is beyond its threshold.

    params: `monitor`, one id, or `monitors`, several separated by commas. When an action is verified, `given` has `since`, the moment it
    acted: only predictions made after it count, for those before it say nothing about it.
    """

    name = "monitor"

    def __init__(self, world: World) -> None:
        self._world = world

    def answer(self, params: Params, given: Params) -> Answer:
        """Return yes, no or unknown with each monitor's figures."""
        listed = params.get("monitors") or params.get("monitor", "")
        names = [name.strip() for name in listed.split(",") if name.strip()]
        if not names:
            raise Invalid(
                "A monitor probe names its monitors.",
                where="monitors",
                mend="Write `monitor: a`, or `monitors: a, b`.",
            )
        since = from_wire(given["since"]) if given.get("since") else None
        readings = [look(self._world, self._monitor(name), since) for name in names]
        measured = {}
        for name, reading in zip(names, readings, strict=True):
            measured[name] = (
                reading.state if reading.value is None else f"{reading.value} {reading.unit}".strip()
            )
        return Answer(
            answer=_verdict(readings), measured=measured, detail=" ".join(one.sentence for one in readings)
        )

    def _monitor(self, name: str) -> Monitor:
        found = self._world.catalog.current.monitors.get(name)
        if found is None:
            raise NotFound(f"There is no monitor called {name!r}.")
        return found


def _verdict(readings: list[Reading]) -> Any:
    if any(reading.state == "breach" for reading in readings):
        return "no"
    return "unknown" if any(reading.state == "insufficient" for reading in readings) else "yes"


WORK = (
    Duty("watch.plan", _plan),
    Errand(
        "watch.look", _prepare, lambda monitor, world: look(world, monitor), _record, _give_up, attempts=3
    ),
)
