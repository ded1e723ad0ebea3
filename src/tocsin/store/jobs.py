"""Jobs: every future duty is a row with a due time, a unique key and a lease (at least once, fenced).

Duties are due on the injected clock. Leases run on the database's own time, so that two nodes with
different clocks agree on who holds a job; a holder whose lease ran out cannot complete it (its token is stale).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as lite_insert

from tocsin.store.tables import EPOCH, MICROSECOND, job

WAITING, LEASED, DONE, FAILED = "waiting", "leased", "done", "failed"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One duty. `key` is unique for ever: scheduling the same duty twice is no news."""

    kind: str
    key: str
    due_at: dt.datetime
    scope: str = "installation"
    payload: dict[str, Any] = {}


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A job in somebody's hands; `token` proves the lease. `attempt` counts from 1."""

    id: int
    kind: str
    key: str
    scope: str
    due_at: dt.datetime
    payload: dict[str, Any]
    attempt: int
    token: str


def schedule(connection: Connection, jobs: Sequence[Job]) -> int:
    """Insert `jobs` whose keys are new; return how many were."""
    if not jobs:
        return 0
    rows = [
        {
            "key": one.key,
            "kind": one.kind,
            "scope": one.scope,
            "due_at": one.due_at,
            "payload": msgspec.json.encode(one.payload),
            "state": WAITING,
            "attempts": 0,
        }
        for one in jobs
    ]
    new = lite_insert(job) if connection.dialect.name == "sqlite" else pg_insert(job)
    inserted = 0
    for row in rows:
        one_row = new.values(**row).on_conflict_do_nothing(index_elements=["key"]).returning(job.c.id)
        inserted += connection.execute(one_row).first() is not None
    return inserted


def lease_time(connection: Connection) -> dt.datetime:
    """Return the database's own time."""
    if connection.dialect.name == "sqlite":
        sql = "SELECT CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"
    else:
        sql = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"
    return EPOCH + int(connection.execute(text(sql)).scalar_one()) * MICROSECOND


def claim(
    connection: Connection,
    *,
    now: dt.datetime,
    token: str,
    lease_seconds: int,
    limit: int,
    kinds: Sequence[str],
) -> list[Held]:
    """Lease up to `limit` jobs of `kinds` that are due at `now`, or whose earlier lease ran out; oldest first."""
    held_at = lease_time(connection)
    due = or_(
        and_(job.c.state == WAITING, job.c.due_at <= now),
        and_(job.c.state == LEASED, job.c.lease_until < held_at),
    )
    chosen = (
        select(job.c.id)
        .where(due, job.c.kind.in_(kinds))
        .order_by(job.c.due_at, job.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = [row.id for row in connection.execute(chosen)]
    if not ids:
        return []
    taken = (
        update(job)
        .where(job.c.id.in_(ids))
        .values(
            state=LEASED,
            lease_token=token,
            lease_until=held_at + dt.timedelta(seconds=lease_seconds),
            attempts=job.c.attempts + 1,
        )
        .returning(job)
    )
    rows = sorted(connection.execute(taken), key=lambda row: (row.due_at, row.id))
    return [
        Held(
            id=row.id,
            kind=row.kind,
            key=row.key,
            scope=row.scope,
            due_at=row.due_at,
            payload=msgspec.json.decode(row.payload),
            attempt=row.attempts,
            token=token,
        )
        for row in rows
    ]


def complete(connection: Connection, held: Held, now: dt.datetime) -> bool:
    """Mark a job done; False when the lease was lost to another holder meanwhile."""
    return _close(connection, held, state=DONE, done_at=now, error=None)


def fail(connection: Connection, held: Held, now: dt.datetime, error: str) -> bool:
    """Give a job up for good, with the reason; it stays visible."""
    return _close(connection, held, state=FAILED, done_at=now, error=error[:2000])


def retry(connection: Connection, held: Held, due_at: dt.datetime, error: str) -> bool:
    """Put a job back, to run again at `due_at`."""
    return _close(connection, held, state=WAITING, due_at=due_at, error=error[:2000])


def _close(connection: Connection, held: Held, **values: object) -> bool:
    mine = and_(job.c.id == held.id, job.c.lease_token == held.token, job.c.state == LEASED)
    closed = update(job).where(mine).values(lease_token=None, lease_until=None, **values)
    return connection.execute(closed).rowcount == 1


def next_due(connection: Connection) -> dt.datetime | None:
    """Return when the next waiting job is due, if any waits."""
    moment: dt.datetime | None = connection.execute(
        select(func.min(job.c.due_at)).where(job.c.state == WAITING)
    ).scalar_one()
    return moment


def lateness(connection: Connection, now: dt.datetime) -> dt.timedelta:
    """Return how late the most overdue waiting job is; the dead-man figure."""
    due = next_due(connection)
    return max(now - due, dt.timedelta()) if due else dt.timedelta()


__all__ = ["DONE", "FAILED", "LEASED", "WAITING", "Held", "Job", "claim", "complete", "fail",
           "lateness", "lease_time", "next_due", "retry", "schedule"]  # fmt: skip
