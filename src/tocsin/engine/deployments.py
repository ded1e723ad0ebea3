"""What was deployed when: the version in production as its registry tells it, noted whenever it changes (CAT-1)."""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select

from tocsin.catalog.system import System
from tocsin.engine.duty import Duty, Errand
from tocsin.engine.world import World
from tocsin.store import tables
from tocsin.store.jobs import Held, Job
from tocsin.store.transaction import Transaction

log = logging.getLogger(__name__)

EVERY_SECONDS = 10

BRIEF = {"mlflow": {"digest": "no"}}
"""Connector name to the optional parameters that leave the costly part out of its description."""


def plan(tx: Transaction, world: World) -> None:
    """Give every system that names where its versions come from its next look."""
    for system in world.catalog.current.systems.values():
        if source(system) is not None:
            _next_look(tx, system.id, tx.now)


def source(system: System) -> dict[str, str] | None:
    """Return the parameters that name the system's model in its registry: those of an action that changes it."""
    actions = (action for action in system.containment if action.connector == system.versions_from)
    return next((action.params for action in actions), None)


def _next_look(tx: Transaction, system: str, after: dt.datetime) -> None:
    due = (int(after.timestamp()) // EVERY_SECONDS + 1) * EVERY_SECONDS
    tx.schedule(
        Job(
            kind="deployments.look",
            key=f"deployments.look/{system}/{due}",
            due_at=dt.datetime.fromtimestamp(due, dt.UTC),
            payload={"system": system},
        )
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """Which registry to ask, and about what."""

    connector: str
    params: dict[str, str]
    known: str
    """The version noted last; empty without one."""


def _prepare(job: Held, world: World) -> Asked | None:
    system = world.catalog.current.systems.get(job.payload["system"])
    params = source(system) if system else None
    if system is None or params is None:
        return None
    known = world.store.read(lambda connection: _newest(connection, system.id))
    return Asked(system.versions_from, params, known)


def _perform(asked: Asked, world: World) -> dict[str, str] | None:
    """Return what is deployed. The costly part of a description is asked for only when the version is another."""
    try:
        connector = world.containment_connector(asked.connector)
        brief = BRIEF.get(asked.connector)
        if brief is None:
            return connector.describe_state(asked.params)
        state = connector.describe_state({**asked.params, **brief})
    except Exception as error:  # a registry that is away or odd says nothing about versions
        log.info("%s could not be read; the next look asks again: %s", asked.connector, error)
        return None
    if state.get("version", "") in ("", asked.known):
        return state
    try:
        return connector.describe_state(asked.params)
    except Exception as error:  # the version is known, which is what counts
        log.info("%s could not be described in full: %s", asked.connector, error)
        return state


def _record(tx: Transaction, job: Held, asked: Any, state: Any, world: World) -> None:
    system = job.payload["system"]
    _again(tx, job, world)
    version = (state or {}).get("version", "")
    if not version:
        return
    if _newest(tx.connection, system) != version:
        row = {
            "system": system,
            "version": version,
            "seen_at": tx.now,
            "document": msgspec.json.encode(state),
        }
        tx.connection.execute(insert(tables.deployment).values(**row))
        tx.touched.add(f"system:{system}")


def _newest(connection: Connection, system: str) -> str:
    """Return the version of a system that was noted last, or an empty text."""
    table = tables.deployment
    newest = select(table.c.version).where(table.c.system == system).order_by(table.c.id.desc()).limit(1)
    return connection.execute(newest).scalar_one_or_none() or ""


def _again(tx: Transaction, job: Held, world: World) -> None:
    """Plan the look after `job`: never at or before its own time, whatever the clock was set back to."""
    system = job.payload["system"]
    if system in world.catalog.current.systems:
        _next_look(tx, system, max(tx.now, job.due_at))


def _given_up(tx: Transaction, job: Held, why: str, world: World) -> None:
    _again(tx, job, world)


def _plan(tx: Transaction, job: Held, world: World) -> None:
    plan(tx, world)


WORK = (
    Duty("deployments.plan", _plan),
    Errand("deployments.look", _prepare, _perform, _record, _given_up, attempts=3),
)
