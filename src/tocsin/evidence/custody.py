"""Custody: who held a piece of evidence, who looked at it, where it went, and what was exported (EVI-2, EVI-3).

One stream per evidence item, and one per export: the export's only event, `export.sealed`, puts the digest
of its manifest into the log, so that nobody can rewrite an export later, not even with the signing key.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal

import msgspec

from tocsin.evidence.item import EvidenceItem, check, is_digest
from tocsin.kernel.errors import Invalid, Refused
from tocsin.kernel.event import Command, Event, State, StreamKind


class StreamEnd(msgspec.Struct, frozen=True, kw_only=True):
    """A stream and the position of its last event at some moment."""

    stream: str
    last: int


# --- what happened -------------------------------------------------------------------------------


class Collected(Event, frozen=True, kw_only=True, tag="evidence.collected"):
    """An item was collected, and is held by whoever collected it."""

    item: EvidenceItem


class Accessed(Event, frozen=True, kw_only=True, tag="evidence.accessed"):
    """A person saw the bytes, or a part of the program used them. Every reading is one event."""

    evidence: str
    person: str
    how: Literal["viewed", "downloaded", "analysed"]
    purpose: str
    on_behalf_of: str | None = None


class Transferred(Event, frozen=True, kw_only=True, tag="evidence.transferred"):
    """The item went from one holder to the next, and the same bytes arrived."""

    evidence: str
    from_holder: str
    to_holder: str
    purpose: str
    sha256_before: str
    sha256_after: str
    approval: str | None = None


class Exported(Event, frozen=True, kw_only=True, tag="evidence.exported"):
    """A copy of the item left in an export."""

    evidence: str
    export: str
    by: str
    purpose: str


class ExportSealed(Event, frozen=True, kw_only=True, tag="export.sealed"):
    """An export was made. Its manifest is fixed by digest, and each of its streams by its last position."""

    export: str
    kind: str
    incident: str
    """Empty for an export that is not of one incident."""
    manifest_sha256: str
    entries: int
    streams: tuple[StreamEnd, ...]
    by: str
    purpose: str = ""


CustodyEvent = Collected | Accessed | Transferred | Exported | ExportSealed


# --- what someone asks for -----------------------------------------------------------------------


class Collect(Command, frozen=True, kw_only=True):
    """Begin the custody of an item."""

    item: EvidenceItem


class Access(Command, frozen=True, kw_only=True):
    """Record that someone reads the item."""

    person: str
    how: Literal["viewed", "downloaded", "analysed"]
    purpose: str
    on_behalf_of: str | None = None


class Transfer(Command, frozen=True, kw_only=True):
    """Hand the item over; `arrived_sha256` is the digest of what arrived."""

    to_holder: str
    purpose: str
    arrived_sha256: str
    approval: str | None = None


class Export(Command, frozen=True, kw_only=True):
    """Record that a copy goes into an export."""

    export: str
    by: str
    purpose: str


class SealExport(Command, frozen=True, kw_only=True):
    """Fix the manifest of an export in the log."""

    export: str
    kind: str
    incident: str
    manifest_sha256: str
    entries: int
    streams: tuple[StreamEnd, ...]
    by: str
    purpose: str = ""


CustodyCommand = Collect | Access | Transfer | Export | SealExport


# --- what is true now ----------------------------------------------------------------------------


class Custody(State, frozen=True, kw_only=True):
    """An item in custody, or an export that was sealed, or (both None) nothing yet."""

    item: EvidenceItem | None = None
    holder: str | None = None
    accesses: int = 0
    transfers: int = 0
    exports: tuple[str, ...] = ()
    sealed: ExportSealed | None = None


INITIAL = Custody()


def decide(custody: Custody, command: CustodyCommand, now: dt.datetime) -> tuple[CustodyEvent, ...]:
    """Return the events that `command` causes; none when nothing changes.

    Raises:
        Refused: a rule of custody forbids it.
        Invalid: a field is blank or is not what it should be; `where` names it.
    """
    match command:
        case SealExport():
            return _seal(custody, command)
        case _ if custody.sealed is not None:
            raise Refused(
                "This is the record of an export, not of an evidence item.", mend="Use the item's id."
            )
        case Collect():
            return _collect(custody, command.item, now)
    item = custody.item
    if item is None:
        raise Refused("This evidence was never collected.", mend="Collect it first.")
    match command:
        case Access():
            _not_blank(person=command.person, purpose=command.purpose)
            return (
                Accessed(
                    evidence=item.id,
                    person=command.person,
                    how=command.how,
                    purpose=command.purpose,
                    on_behalf_of=command.on_behalf_of,
                ),
            )
        case Transfer():
            return _transfer(custody, item, command)
        case Export():
            _not_blank(export=command.export, by=command.by, purpose=command.purpose)
            if command.export in custody.exports:
                return ()
            return (
                Exported(evidence=item.id, export=command.export, by=command.by, purpose=command.purpose),
            )


def _collect(custody: Custody, item: EvidenceItem, now: dt.datetime) -> tuple[CustodyEvent, ...]:
    check(item)
    if custody.item == item:
        return ()
    if custody.item is not None:
        raise Refused(
            "This id already stands for other evidence, and a custody record is never rewritten.",
            mend="Collect it under a new id.",
        )
    if item.collected_at > now:
        raise Refused(
            "Nothing can have been collected later than now.", mend="Check the clock of the collector."
        )
    return (Collected(item=item),)


def _transfer(custody: Custody, item: EvidenceItem, command: Transfer) -> tuple[CustodyEvent, ...]:
    _not_blank(to_holder=command.to_holder, purpose=command.purpose)
    if command.arrived_sha256 != item.sha256:
        raise Refused(
            "What arrived are not the bytes that were collected.",
            mend="Send the sealed copy again and compare its SHA-256.",
        )
    if command.to_holder == custody.holder:
        return ()
    return (
        Transferred(
            evidence=item.id,
            from_holder=custody.holder or item.collected_by,
            to_holder=command.to_holder,
            purpose=command.purpose,
            sha256_before=item.sha256,
            sha256_after=command.arrived_sha256,
            approval=command.approval,
        ),
    )


def _seal(custody: Custody, command: SealExport) -> tuple[CustodyEvent, ...]:
    if custody.item is not None:
        raise Refused(
            "This is the record of an evidence item, not of an export.", mend="Use a new export id."
        )
    _not_blank(export=command.export, kind=command.kind, by=command.by)
    if not is_digest(command.manifest_sha256):
        raise Invalid("This is no SHA-256 in 64 lower-case hex digits.", where="manifest_sha256")
    event = ExportSealed(
        export=command.export,
        kind=command.kind,
        incident=command.incident,
        manifest_sha256=command.manifest_sha256,
        entries=command.entries,
        streams=command.streams,
        by=command.by,
        purpose=command.purpose,
    )
    if custody.sealed is None:
        return (event,)
    if custody.sealed == event:
        return ()
    raise Refused("This export is sealed, and a seal is never changed.", mend="Make a new export.")


def _not_blank(**fields: str) -> None:
    for name, text in fields.items():
        if not text.strip():
            raise Invalid("This may not be blank: custody says who and why.", where=name)


def evolve(custody: Custody, event: CustodyEvent) -> Custody:
    """Return `custody` after `event`. Never refuses: the event has already happened."""
    match event:
        case Collected(item=item):
            return msgspec.structs.replace(custody, item=item, holder=item.collected_by)
        case Accessed():
            return msgspec.structs.replace(custody, accesses=custody.accesses + 1)
        case Transferred(to_holder=holder):
            return msgspec.structs.replace(custody, holder=holder, transfers=custody.transfers + 1)
        case Exported(export=export):
            return msgspec.structs.replace(custody, exports=(*custody.exports, export))
        case ExportSealed():
            return msgspec.structs.replace(custody, sealed=event)


CUSTODY = StreamKind("custody", INITIAL, decide, evolve, CustodyEvent)
