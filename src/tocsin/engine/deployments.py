"""What was deployed when: the version in production as its registry tells it, noted whenever it changes (CAT-1)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import insert, select

from tocsin.catalog.system import System
from tocsin.engine.duty import Duty, Errand
from tocsin.engine.world import World
from tocsin.kernel.errors import TocsinError
from tocsin.store import tables
from tocsin.store.jobs import Held, Job
from tocsin.store.transaction import Transaction

EVERY_SECONDS = 10


def plan(tx: Transaction, world: World) -> None:
    """Give every system that names where its versions come from its next look."""
    for system in world.catalog.current.systems.values():
        if source(system) is not None:
            _next_look(tx, system.id)


def source(system: System) -> dict[str, str] | None:
    """Return the parameters that name the system's model in its registry: those of an action that changes it."""
    actions = (action for action in system.containment if action.connector == system.versions_from)
    return next((action.params for action in actions), None)


def _next_look(tx: Transaction, system: str) -> None:
    due = (int(tx.now.timestamp()) // EVERY_SECONDS + 1) * EVERY_SECONDS
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


def _prepare(job: Held, world: World) -> Asked | None:
    system = world.catalog.current.systems.get(job.payload["system"])
    params = source(system) if system else None
    return Asked(system.versions_from, params) if system and params is not None else None


def _perform(asked: Asked, world: World) -> dict[str, str] | None:
    try:
        return world.containment_connector(asked.connector).describe_state(asked.params)
    except TocsinError:
        return None  # a registry that is away says nothing about versions; the next look asks again


def _record(tx: Transaction, job: Held, asked: Any, state: Any, world: World) -> None:
    system = job.payload["system"]
    if system in world.catalog.current.systems:
        _next_look(tx, system)
    version = (state or {}).get("version", "")
    if not version:
        return
    table = tables.deployment
    newest = select(table.c.version).where(table.c.system == system).order_by(table.c.id.desc()).limit(1)
    if tx.connection.execute(newest).scalar_one_or_none() != version:
        row = {
            "system": system,
            "version": version,
            "seen_at": tx.now,
            "document": msgspec.json.encode(state),
        }
        tx.connection.execute(insert(table).values(**row))
        tx.touched.add(f"system:{system}")


def _plan(tx: Transaction, job: Held, world: World) -> None:
    plan(tx, world)


WORK = (Duty("deployments.plan", _plan), Errand("deployments.look", _prepare, _perform, _record, attempts=3))
