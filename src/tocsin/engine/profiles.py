"""Prediction profiles: accept partial ones, merge on read, pin a reference (SIG-2).

A partial profile is a row keyed by system, window, segment, model version, producer and sequence: sent again,
it counts once. Merging adds integers, so the order does not matter and the result is exact.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, func, select
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as lite_insert

from tocsin.kernel import canonical
from tocsin.kernel.clock import aware, to_wire
from tocsin.kernel.errors import Invalid
from tocsin.store import tables
from tocsin.store.store import Store
from tocsin.store.transaction import Transaction
from tocsin_sdk.profile import Profile, ProfileError

MOST_SECONDS = 86_400
RECENT = dt.timedelta(minutes=30)
SERVING_SHARE = Decimal("0.1")
AHEAD = dt.timedelta(minutes=10)
"""How far the clock of a producer may be ahead of ours."""

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=120)]


class SentProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One partial profile as a producer sends it."""

    system: Name
    model_version: Name
    window_start: dt.datetime
    window_seconds: Annotated[int, msgspec.Meta(ge=1, le=MOST_SECONDS)]
    segment: Annotated[str, msgspec.Meta(max_length=120)] = ""
    producer: Name
    sequence: Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
    profile: dict[str, Any]


class SentProfiles(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request with partial profiles."""

    profiles: Annotated[tuple[SentProfile, ...], msgspec.Meta(max_length=1000)]


def read_profile(data: object, where: str) -> Profile:
    """Return the profile that outside data holds; raise `Invalid` naming the place and the fault."""
    try:
        return Profile.from_wire(data)
    except ProfileError as error:
        raise Invalid(str(error), where=where, mend="Send what tocsin_sdk writes.") from error


def rows_of(sent: SentProfiles) -> list[dict[str, Any]]:
    """Return the table rows of `sent`, every profile checked; raise `Invalid` with the index of a bad one."""
    rows = []
    for index, one in enumerate(sent.profiles):
        if one.window_start.tzinfo is None:
            raise Invalid(
                "A time without a zone has no meaning here.", where=f"profiles[{index}].window_start"
            )
        profile = read_profile(one.profile, f"profiles[{index}].profile")
        rows.append(
            {
                "system": one.system,
                "window_start": aware(one.window_start),
                "segment": one.segment,
                "model_version": one.model_version,
                "producer": one.producer,
                "sequence": one.sequence,
                "window_seconds": one.window_seconds,
                "predictions": profile.operations.volume,
                "body": msgspec.json.encode(one.profile),
            }
        )
    return rows


def accept(tx: Transaction, rows: list[dict[str, Any]]) -> int:
    """Insert rows whose key is new; return how many were."""
    new = lite_insert if tx.connection.dialect.name == "sqlite" else pg_insert
    accepted = 0
    for index, row in enumerate(rows):
        if row["window_start"] > tx.now + AHEAD:
            raise Invalid(
                "The window lies in the future.",
                where=f"profiles[{index}].window_start",
                mend="Set the clock.",
            )
        statement = new(tables.profile).values(**row, received_at=tx.now).on_conflict_do_nothing()
        accepted += tx.connection.execute(statement).rowcount
    if accepted:
        tx.touched.update(f"system:{row['system']}" for row in rows)
    return accepted


@dataclass(frozen=True, slots=True)
class Window:
    """What was merged: the profile, the model version it speaks of, and how many rows it is made of."""

    profile: Profile
    model_version: str
    start: dt.datetime
    end: dt.datetime
    rows: int


def window(
    connection: Connection,
    system: str,
    start: dt.datetime,
    end: dt.datetime,
    *,
    model_version: str | None = None,
) -> Window:
    """Return the merged profile of the newest model version seen in [start, end), or of the one named.

    Only one version counts, so that what an earlier version did cannot be held against the present one.
    """
    table = tables.profile
    inside = and_(table.c.system == system, table.c.window_start >= start, table.c.window_start < end)
    if model_version is None:
        model_version = _serving(connection, inside)
    query = select(table.c.body).where(and_(inside, table.c.model_version == model_version))
    merged, count = Profile(), 0
    for body in connection.execute(query).scalars():
        merged.absorb(Profile.from_wire(msgspec.json.decode(body)))
        count += 1
    return Window(merged, model_version, start, end, count)


def _serving(connection: Connection, inside: ColumnElement[bool]) -> str:
    """Return the newest version that makes a fair share of the predictions; a stray profile speaks for nobody."""
    table = tables.profile
    counted = func.sum(table.c.predictions)
    versions = connection.execute(
        select(table.c.model_version, counted, func.max(table.c.window_start), func.max(table.c.received_at))
        .where(and_(inside, table.c.predictions > 0))
        .group_by(table.c.model_version)
    ).all()
    least = SERVING_SHARE * sum(row[1] for row in versions)
    fair = [row for row in versions if row[1] >= least]
    return max(fair, key=lambda row: (row[2], row[3]))[0] if fair else ""


def reference(connection: Connection, system: str) -> tuple[Profile, str] | None:
    """Return the pinned reference of a system and its digest, or None."""
    row = connection.execute(
        select(tables.reference).where(tables.reference.c.system == system)
    ).one_or_none()
    return (Profile.from_wire(msgspec.json.decode(row.body)), row.digest) if row else None


def pin(tx: Transaction, system: str, data: dict[str, Any], *, model_version: str, note: str, by: str) -> str:
    """Pin `data` as the reference of `system`; return its digest: SHA-256 of its canonical bytes."""
    profile = read_profile(data, "profile")
    body = canonical.encode(profile.to_wire())
    digest = hashlib.sha256(body).hexdigest()
    new = lite_insert if tx.connection.dialect.name == "sqlite" else pg_insert
    values = {
        "digest": digest,
        "model_version": model_version,
        "note": note,
        "pinned_at": tx.now,
        "pinned_by": by,
        "body": body,
    }
    statement = new(tables.reference).values(system=system, **values)
    tx.connection.execute(statement.on_conflict_do_update(index_elements=["system"], set_=values))
    return digest


def recent_profiles(store: Store, system: str, now: dt.datetime) -> dict[str, Any]:
    """Return the merged profile per model version of the last half hour, and the pinned reference, as JSON data."""

    def read(connection: Connection) -> dict[str, Any]:
        table = tables.profile
        since = and_(table.c.system == system, table.c.window_start >= now - RECENT)
        versions = connection.execute(select(table.c.model_version).where(since).distinct()).scalars().all()
        pinned = reference(connection, system)
        return {
            "system": system,
            "since": to_wire(now - RECENT),
            "until": to_wire(now),
            "versions": {
                version: window(
                    connection, system, now - RECENT, now + RECENT, model_version=version
                ).profile.to_wire()
                for version in sorted(versions)
            },
            "reference": pinned[0].to_wire() if pinned else None,
            "reference_sha256": pinned[1] if pinned else None,
        }

    return store.read(read)
