"""Jobs: every future duty is a row with a due time, a unique key and a lease (at least once, fenced).

Duties are due on the injected clock. Leases run on the database's own time, so that two nodes with
different clocks agree on who holds a job; a holder whose lease ran out cannot complete it (its token is stale).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, bindparam, func, or_, select, text, update
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


# Every statement is made once: composing one costs more than carrying it out.
_NEW = {
    name: insert(job).on_conflict_do_nothing(index_elements=["key"]).returning(job.c.id)
    for name, insert in (("sqlite", lite_insert), ("postgresql", pg_insert))
}
_LEASE_TIME = {
    "sqlite": text("SELECT CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"),
    "postgresql": text("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"),
}
_OLDEST_FIRST = (
    select(job.c.id)
    .where(job.c.kind.in_(bindparam("kinds", expanding=True)))
    .order_by(job.c.due_at, job.c.id)
    .limit(bindparam("most"))
)
_IS_DUE = and_(job.c.state == WAITING, job.c.due_at <= bindparam("now"))
_LEASE_RAN_OUT = and_(job.c.state == LEASED, job.c.lease_until < bindparam("lease_time"))
_DUE = _OLDEST_FIRST.where(_IS_DUE)
_CLAIMABLE = _OLDEST_FIRST.where(or_(_IS_DUE, _LEASE_RAN_OUT))
_CLAIMABLE_LOCKED = _CLAIMABLE.with_for_update(skip_locked=True)
_LEASE = (
    update(job)
    .where(job.c.id.in_(bindparam("ids", expanding=True)))
    .values(
        state=LEASED,
        lease_token=bindparam("token"),
        lease_until=bindparam("until"),
        attempts=job.c.attempts + 1,
    )
    .returning(job)
)
_TAKE = (
    update(job)
    .where(and_(job.c.id == bindparam("of_id"), job.c.state == WAITING))
    .values(state=DONE, done_at=bindparam("now"), attempts=job.c.attempts + 1, error=None)
    .returning(job)
)
_CLOSE = update(job).where(
    and_(job.c.id == bindparam("of_id"), job.c.lease_token == bindparam("of_token"), job.c.state == LEASED)
)
_NEXT_DUE = select(func.min(job.c.due_at)).where(job.c.state == WAITING)


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
    return len(connection.execute(_NEW[connection.dialect.name], rows).all())


def lease_time(connection: Connection) -> dt.datetime:
    """Return the database's own time."""
    told = connection.execute(_LEASE_TIME[connection.dialect.name]).scalar_one()
    return EPOCH + int(told) * MICROSECOND


def due(connection: Connection, *, now: dt.datetime, limit: int, kinds: Sequence[str]) -> list[int]:
    """Return the ids of up to `limit` waiting jobs of `kinds` that are due at `now`; oldest first."""
    return list(connection.execute(_DUE, {"now": now, "most": limit, "kinds": kinds}).scalars())


def take(connection: Connection, id: int, now: dt.datetime) -> Held | None:
    """Mark a waiting job done in the transaction that does it, and return it; None when it waits no more."""
    row = connection.execute(_TAKE, {"of_id": id, "now": now}).one_or_none()
    return None if row is None else _held(row, "")


def any_claimable(connection: Connection, *, now: dt.datetime, kinds: Sequence[str]) -> bool:
    """Return whether `claim` would find a job."""
    asked = {"now": now, "lease_time": lease_time(connection), "most": 1, "kinds": kinds}
    return connection.execute(_CLAIMABLE, asked).first() is not None


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
    asked = {"now": now, "lease_time": held_at, "most": limit, "kinds": kinds}
    ids = list(connection.execute(_CLAIMABLE_LOCKED, asked).scalars())
    if not ids:
        return []
    lease = {"ids": ids, "token": token, "until": held_at + dt.timedelta(seconds=lease_seconds)}
    rows = sorted(connection.execute(_LEASE, lease), key=lambda row: (row.due_at, row.id))
    return [_held(row, token) for row in rows]


def _held(row: Any, token: str) -> Held:
    return Held(
        id=row.id,
        kind=row.kind,
        key=row.key,
        scope=row.scope,
        due_at=row.due_at,
        payload=msgspec.json.decode(row.payload),
        attempt=row.attempts,
        token=token,
    )


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
    mine = {"of_id": held.id, "of_token": held.token, "lease_token": None, "lease_until": None}
    return connection.execute(_CLOSE, {**mine, **values}).rowcount == 1


def next_due(connection: Connection) -> dt.datetime | None:
    """Return when the next waiting job is due, if any waits."""
    moment: dt.datetime | None = connection.execute(_NEXT_DUE).scalar_one()
    return moment


def lateness(connection: Connection, now: dt.datetime) -> dt.timedelta:
    """Return how late the most overdue waiting job is; the dead-man figure."""
    due = next_due(connection)
    return max(now - due, dt.timedelta()) if due else dt.timedelta()


__all__ = ["DONE", "FAILED", "LEASED", "WAITING", "Held", "Job", "any_claimable", "claim", "complete", "due",
           "fail", "lateness", "lease_time", "next_due", "retry", "schedule", "take"]  # fmt: skip
