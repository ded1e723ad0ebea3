"""A log held in memory, with one incident in it, and exports of it: what the tests of evidence are about."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass, field

from tocsin.evidence import export, merkle
from tocsin.evidence.checkpoint import Checkpoint
from tocsin.evidence.custody import CUSTODY, Accessed, Collected
from tocsin.evidence.export import Manifest
from tocsin.evidence.item import EvidenceItem, digest
from tocsin.evidence.note import NoteSigner
from tocsin.kernel.event import Event, Recorded, leaf_bytes, payload_bytes, payload_digest, wire_name

ORIGIN = "tocsin.example/log"
INCIDENT = "0190aaaa-0000-7000-8000-000000000001"
EXPORT = "0190eeee-0000-7000-8000-000000000001"
MORNING = dt.datetime(2026, 11, 23, 9, 0, tzinfo=dt.UTC)
SIGNER = NoteSigner(bytes(range(32)), ORIGIN)
OTHER_SIGNER = NoteSigner(bytes(range(1, 33)), ORIGIN)
BLOB = b'{"model":"loan-approval","version":"7"}'
TABLE = b"id,score\n1,0.4\n"


class Happened(Event, frozen=True, kw_only=True, tag="test.happened"):
    """Something of any kind."""

    text: str
    number: int = 0


class Elsewhere(Event, frozen=True, kw_only=True, tag="test.elsewhere"):
    """An event of another incident, which the log holds and the export does not."""


@dataclass
class SmallLog:
    """Streams, leaves and their hashes. Nonces are made from the position, so that every run is the same."""

    hashes: list[bytes] = field(default_factory=list)
    recorded: list[tuple[int, Recorded]] = field(default_factory=list)
    positions: dict[str, int] = field(default_factory=dict)

    def append(self, stream: str, event: Event, *, scope: str = INCIDENT) -> tuple[int, Recorded]:
        """Record one event; return (leaf index, event)."""
        position = self.positions[stream] = self.positions.get(stream, 0) + 1
        payload = payload_bytes(event)
        one = Recorded(
            stream=stream,
            position=position,
            at=MORNING + dt.timedelta(seconds=len(self.hashes)),
            actor="ana",
            scope=scope,
            event=event,
            nonce=hashlib.sha256(f"{stream}:{position}".encode()).digest()[:16],
            payload=payload,
        )
        leaf = leaf_bytes(
            stream=stream,
            position=position,
            type=wire_name(event),
            at=one.at,
            actor=one.actor,
            digest=payload_digest(one.nonce, payload),
        )
        self.hashes.append(merkle.leaf_hash(leaf))
        self.recorded.append((len(self.hashes) - 1, one))
        return self.recorded[-1]

    def of(self, scope: str = INCIDENT) -> list[tuple[int, Recorded]]:
        """Return the events of one scope."""
        return [(index, one) for index, one in self.recorded if one.scope == scope]

    def checkpoint(self, size: int | None = None, signer: NoteSigner = SIGNER, origin: str = ORIGIN) -> bytes:
        """Return the signed head of the first `size` leaves, of all by default."""
        leaves = self.hashes[:size]
        return Checkpoint(origin, len(leaves), merkle.root_of(leaves)).sign(signer)


def an_item(data: bytes = BLOB, *, id: str = "ev-1", what: str = "registry entry") -> EvidenceItem:
    """Return the custody record of `data`."""
    return EvidenceItem(
        id=id,
        incident=INCIDENT,
        what=what,
        sha256=digest(data),
        size=len(data),
        media_type="application/json",
        source_system="registry",
        source_locator="models:/loan-approval/7",
        collected_by="tocsin",
        collected_at=MORNING,
        acquisition_method="registry API",
        tool="tocsin",
        tool_version="0.1.0",
        reason="captured before containment",
    )


def a_log() -> SmallLog:
    """Return a log of 13 leaves: one incident with a run and two evidence items, among other incidents."""
    log = SmallLog()
    log.append("incident:other", Elsewhere(), scope="other")
    log.append(f"incident:{INCIDENT}", Happened(text="declared"))
    log.append(f"incident:{INCIDENT}", Happened(text="né à 9 h", number=2))
    log.append("incident:other", Elsewhere(), scope="other")
    log.append("run:r-1", Happened(text="started"))
    log.append("custody:ev-1", Collected(item=an_item()))
    log.append("incident:other", Elsewhere(), scope="other")
    log.append("custody:ev-2", Collected(item=an_item(TABLE, id="ev-2", what="recent predictions")))
    log.append("run:r-1", Happened(text="finished"))
    log.append("custody:ev-1", Accessed(evidence="ev-1", person="ana", how="viewed", purpose="review"))
    log.append(f"incident:{INCIDENT}", Happened(text="contained"))
    log.append(f"incident:{INCIDENT}", Happened(text="resolved"))
    log.append("incident:other", Elsewhere(), scope="other")
    return log


REPORT = b"<html>the incident</html>"


def a_manifest(
    log: SmallLog,
    *,
    recorded: list[tuple[int, Recorded]] | None = None,
    earlier: tuple[int, ...] = (),
    id: str = EXPORT,
    absent: dict[str, str] | None = None,
    files: tuple[export.File, ...] | None = None,
) -> Manifest:
    """Return the plan of an export of the incident."""
    whole = (
        export.evidence_file(an_item()),
        export.evidence_file(an_item(TABLE, id="ev-2", what="recent predictions")),
        export.document("report.html", REPORT, "the incident for people", "text/html"),
    )
    return export.plan(
        kind="incident",
        export=id,
        incident=INCIDENT,
        origin=ORIGIN,
        vkey=SIGNER.vkey,
        created_at=MORNING + dt.timedelta(hours=1),
        recorded=log.of() if recorded is None else recorded,
        files=whole if files is None else files,
        absent=absent,
        earlier={size: merkle.root_of(log.hashes[:size]) for size in earlier},
    )


def seal(log: SmallLog, manifest: Manifest) -> tuple[int, Recorded]:
    """Put the seal of `manifest` into the log; return (leaf index, event)."""
    command = export.seal_command(manifest, by="ana", purpose="audit")
    (event,) = CUSTODY.decide(CUSTODY.initial, command, MORNING)
    return log.append(CUSTODY.stream(manifest.export), event)


CONTENTS = {
    export.evidence_path(digest(BLOB)): BLOB,
    export.evidence_path(digest(TABLE)): TABLE,
    "documents/report.html": REPORT,
}


def an_export(log: SmallLog | None = None, *, earlier: tuple[int, ...] = (4,)) -> dict[str, bytes]:
    """Return a whole, sound export: relative path -> bytes."""
    log = log or a_log()
    recorded = log.of()
    manifest = a_manifest(log, recorded=recorded, earlier=earlier)
    sealed = seal(log, manifest)
    log.append("incident:other", Elsewhere(), scope="other")  # the log goes on meanwhile
    lookup = merkle.lookup_of(log.hashes)
    return export.build(
        manifest,
        recorded=recorded,
        seal=sealed,
        checkpoint=export.head(ORIGIN, sealed[0], lookup, SIGNER),
        lookup=lookup,
        contents=CONTENTS,
    )
