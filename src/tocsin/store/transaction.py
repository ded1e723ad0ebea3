"""A transaction: load, decide, append. One command touches one stream; all that follows rides along.

`execute` appends the events, folds and keeps the state, updates the read models, notes the Merkle leaves and
inserts the jobs that follow; the writer makes all of it durable at once, or none of it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, bindparam, insert, select, update

from tocsin.evidence import merkle, sealing
from tocsin.kernel.errors import Stale
from tocsin.kernel.event import (
    NONCE_BYTES,
    Command,
    Event,
    Recorded,
    State,
    StreamKind,
    leaf_bytes,
    payload_bytes,
    payload_digest,
    wire_name,
)  # fmt: skip
from tocsin.kernel.ids import uuid7
from tocsin.store import jobs, tables
from tocsin.store.jobs import Job
from tocsin.store.scope_keys import Chance, ScopeKeys
from tocsin.store.writer import Group

S = TypeVar("S", bound=State)
C = TypeVar("C", bound=Command)
E = TypeVar("E", bound=Event)

INSTALLATION = "installation"
"""The scope of what belongs to no incident."""


@dataclass(frozen=True, slots=True)
class Appended:
    """One event as it goes into the log, with what the read models and the followers need."""

    kind: str
    key: str
    scope: str
    position: int
    at: dt.datetime
    actor: str
    event: Event
    state: State
    """The state after this event."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[S]):
    """What a command came to: the state after it, the stream's position, the new events."""

    state: S
    position: int
    events: tuple[Event, ...]


Follow = Callable[[Appended], Iterable[Job]]
"""What must follow an event elsewhere, as jobs keyed by its place in its stream."""
Project = Callable[["Transaction", Appended], None]
"""Writes an event into the read models."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What every transaction of a program shares."""

    keys: ScopeKeys
    chance: Chance
    follow: Follow
    project: Project
    kinds: dict[str, StreamKind[Any, Any, Any]]


# Made once: composing a statement costs more than carrying it out.
_STREAM = select(tables.stream.c.state, tables.stream.c.position).where(
    tables.stream.c.name == bindparam("of_name")
)
_STREAM_LOCKED = _STREAM.with_for_update()
_NEW_STREAM, _NEW_EVENT = insert(tables.stream), insert(tables.event)
_MOVE_ON = update(tables.stream).where(tables.stream.c.name == bindparam("of_name"))
_COUNT = (
    update(tables.counter)
    .where(tables.counter.c.name == bindparam("of_name"))
    .values(value=tables.counter.c.value + 1)
    .returning(tables.counter.c.value)
)


class Transaction:
    """One unit of work inside a group commit. `now` is handed in and the same throughout."""

    def __init__(self, group: Group, rules: Rules, now: dt.datetime) -> None:
        self.connection: Connection = group.connection
        self.now = now
        self.touched: set[str] = set()
        """Scopes that changed: the live pages of these incidents."""
        self.scheduled = 0
        self._group = group
        self._rules = rules

    # --- ids ----------------------------------------------------------------------------------

    def new_id(self) -> str:
        """Return a fresh UUIDv7."""
        return uuid7(self.now, self._rules.chance(10))

    def next_number(self, name: str) -> int:
        """Return the next number of a counter, 1 first, without gaps among committed ones."""
        value = self.connection.execute(_COUNT, {"of_name": name}).scalar_one_or_none()
        if value is None:
            self.connection.execute(insert(tables.counter), {"name": name, "value": 1})
            return 1
        return int(value)

    # --- streams ------------------------------------------------------------------------------

    def state(self, kind: StreamKind[S, C, E], key: str) -> S:
        """Return the present state of a stream; the initial one when it has no event yet."""
        return self._load(kind, key)[0]

    def execute(
        self,
        kind: StreamKind[S, C, E],
        key: str,
        command: C,
        *,
        actor: str,
        scope: str,
        expected: int | None = None,
    ) -> Outcome[S]:
        """Decide `command` on a stream and append what follows from it.

        Raises:
            Refused: a rule forbids it.
            Stale: `expected` was given and the stream has moved on.
        """
        state, position = self._load(kind, key, lock=True)
        if expected is not None and expected != position:
            raise Stale(
                f"You saw entry {expected}; the record is now at entry {position}.",
                mend="Look at what changed, then decide again.",
            )
        events = kind.decide(state, command, self.now)
        if not events:
            return Outcome(state, position, ())
        new_stream = position == 0
        appended: list[Appended] = []
        for event in events:
            state, position = kind.evolve(state, event), position + 1
            appended.append(Appended(kind.name, key, scope, position, self.now, actor, event, state))
        self._keep_state(kind, key, scope, state, position, new=new_stream)
        self._append(kind.stream(key), scope, appended)
        for one in appended:
            self._rules.project(self, one)
            self.schedule(*self._rules.follow(one))
        self.touched.add(scope)
        return Outcome(state, position, tuple(events))

    def _load(self, kind: StreamKind[S, C, E], key: str, *, lock: bool = False) -> tuple[S, int]:
        query = _STREAM_LOCKED if lock else _STREAM
        row = self.connection.execute(query, {"of_name": kind.stream(key)}).one_or_none()
        if row is None:
            return kind.initial, 0
        return kind.read_state(bytes(row.state)), int(row.position)

    def _keep_state(
        self, kind: StreamKind[S, C, E], key: str, scope: str, state: S, position: int, *, new: bool
    ) -> None:
        values = {"position": position, "state": kind.write_state(state), "updated_at": self.now}
        if new:
            born = {"name": kind.stream(key), "kind": kind.name, "key": key, "scope": scope}
            self.connection.execute(_NEW_STREAM, {**born, **values})
        else:
            self.connection.execute(_MOVE_ON, {"of_name": kind.stream(key), **values})

    def _append(self, stream: str, scope: str, appended: Sequence[Appended]) -> None:
        key = self._rules.keys.make(self.connection, scope)
        rows = []
        for one in appended:
            payload, nonce = payload_bytes(one.event), self._rules.chance(NONCE_BYTES)
            digest, type = payload_digest(nonce, payload), wire_name(one.event)
            data = leaf_bytes(
                stream=stream, position=one.position, type=type, at=one.at, actor=one.actor, digest=digest
            )
            sealed = sealing.seal(
                key, stream, one.position, nonce, payload, self._rules.chance(sealing.IV_BYTES)
            )
            rows.append(
                {
                    "stream": stream,
                    "position": one.position,
                    "type": type,
                    "at": one.at,
                    "actor": one.actor,
                    "scope": scope,
                    "digest": digest,
                    "sealed": sealed,
                }
            )
            self._group.leaves.append((stream, one.position, scope, merkle.leaf_hash(data)))
        self.connection.execute(_NEW_EVENT, rows)
        self._group.after_commit.append(lambda: self._rules.keys.remember(scope, key))

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Let what happens inside be undone alone when it fails; the error goes on to the caller."""
        mark, inner = self._group.mark(), self.connection.begin_nested()
        try:
            yield
        except BaseException:
            if inner.is_active:
                inner.rollback()
            self._group.rewind(mark)
            raise
        inner.commit()

    # --- jobs and wake-ups --------------------------------------------------------------------

    def schedule(self, *new: Job) -> None:
        """Insert jobs; one whose key is known is no news."""
        self.scheduled += jobs.schedule(self.connection, new)

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call `callback` once everything here is durable, never before."""
        self._group.after_commit.append(callback)


def read_events(
    connection: Connection, rules: Rules, *, scope: str | None = None, stream: str | None = None
) -> list[tuple[int, Recorded]]:
    """Return (leaf index, event) of a scope or a stream in the order of the log."""
    query = (
        select(tables.event, tables.leaf.c["index"].label("leaf_index"))
        .join_from(
            tables.leaf,
            tables.event,
            (tables.leaf.c.stream == tables.event.c.stream)
            & (tables.leaf.c.position == tables.event.c.position),
        )
        .order_by(tables.leaf.c["index"])
    )
    if scope is not None:
        query = query.where(tables.leaf.c.scope == scope)
    if stream is not None:
        query = query.where(tables.leaf.c.stream == stream)
    found = []
    for row in connection.execute(query):
        key = rules.keys.get(connection, row.scope)
        nonce, payload = sealing.unseal(key, row.stream, row.position, bytes(row.sealed))
        kind = rules.kinds[row.stream.split(":", 1)[0]]
        found.append(
            (
                int(row.leaf_index),
                Recorded(
                    stream=row.stream,
                    position=row.position,
                    at=row.at,
                    actor=row.actor,
                    scope=row.scope,
                    event=kind.read_event(payload),
                    nonce=nonce,
                    payload=payload,
                ),
            )
        )
    return found
