"""The inbox: a raw body is committed first and only then answered for; the engine derives the rest in order."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select, update

from tocsin.store.tables import cursor, inbox

CURSOR, OFFSET = "inbox", "inbox.offset"


_ACCEPT = insert(inbox).returning(inbox.c.id)
_POSITION = select(cursor.c.position).where(cursor.c.name == CURSOR)
_POSITION_LOCKED = _POSITION.with_for_update()
_NEWEST = select(func.coalesce(func.max(inbox.c.id), 0))


@dataclass(frozen=True, slots=True)
class Accepted:
    """One accepted body. `format` names its parser, `integration` who sent it, `note` what the route knew."""

    id: int
    received_at: dt.datetime
    format: str
    integration: str
    body: bytes
    note: str


def accept(
    connection: Connection, *, now: dt.datetime, format: str, integration: str, body: bytes, note: str = ""
) -> int:
    """Insert a raw body; return its number. The caller answers its sender only after COMMIT."""
    values = {"received_at": now, "format": format, "integration": integration, "body": body, "note": note}
    return int(connection.execute(_ACCEPT, {**values, "quarantined": False}).scalar_one())


def undelivered(connection: Connection, limit: int) -> list[Accepted]:
    """Return up to `limit` bodies beyond the cursor, oldest first, and hold the cursor's row."""
    position = _position(connection, lock=True)
    rows = connection.execute(select(inbox).where(inbox.c.id > position).order_by(inbox.c.id).limit(limit))
    return [
        Accepted(row.id, row.received_at, row.format, row.integration, bytes(row.body), row.note)
        for row in rows
    ]


def advance(connection: Connection, position: int) -> None:
    """Move the cursor to `position`, in the same transaction as what was derived."""
    connection.execute(update(cursor).where(cursor.c.name == CURSOR).values(position=position))


def offset(connection: Connection) -> int:
    """Return how many reports of the next body have been derived already: a large one is derived in parts."""
    query = select(cursor.c.position).where(cursor.c.name == OFFSET)
    return int(connection.execute(query).scalar_one_or_none() or 0)


def set_offset(connection: Connection, count: int) -> None:
    """Remember how many reports of the next body have been derived; 0 when it is done."""
    changed = connection.execute(update(cursor).where(cursor.c.name == OFFSET).values(position=count))
    if changed.rowcount == 0:
        connection.execute(insert(cursor).values(name=OFFSET, position=count))


def find(connection: Connection, id: int) -> Accepted | None:
    """Return a quarantined body, or None."""
    query = select(inbox).where(inbox.c.id == id, inbox.c.quarantined.is_(True))
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    return Accepted(row.id, row.received_at, row.format, row.integration, bytes(row.body), row.note)


def release(connection: Connection, id: int) -> None:
    """Take a body out of quarantine: it has been derived."""
    connection.execute(update(inbox).where(inbox.c.id == id).values(quarantined=False, reason=None))


def quarantine(connection: Connection, id: int, reason: str) -> None:
    """Keep a body that could not be read, with the reason, for a person to see and replay."""
    connection.execute(update(inbox).where(inbox.c.id == id).values(quarantined=True, reason=reason[:2000]))


def newest(connection: Connection) -> int:
    """Return the number of the newest accepted body; 0 when there is none."""
    return int(connection.execute(_NEWEST).scalar_one())


def derived(connection: Connection) -> int:
    """Return the number up to which bodies have been derived."""
    return _position(connection, lock=False)


def _position(connection: Connection, *, lock: bool) -> int:
    return int(connection.execute(_POSITION_LOCKED if lock else _POSITION).scalar_one())
