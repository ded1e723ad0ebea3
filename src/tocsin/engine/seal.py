"""Evidence and proof: keep an upload, read an item, export an incident so that anyone can verify it (EVI-1..4, AUD-4)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, and_, insert, select

from tocsin import __version__
from tocsin.engine import crash
from tocsin.engine.duty import Duty
from tocsin.engine.world import World
from tocsin.evidence import export as exports
from tocsin.evidence import merkle
from tocsin.evidence.checkpoint import Checkpoint
from tocsin.evidence.custody import CUSTODY, Access, Collect
from tocsin.evidence.custody import Export as NoteExport
from tocsin.evidence.item import EvidenceItem
from tocsin.evidence.note import Note
from tocsin.incidents.incident import INCIDENT
from tocsin.kernel.errors import NotFound, Refused, TocsinError
from tocsin.store import tables
from tocsin.store.jobs import Held
from tocsin.store.log import lookup
from tocsin.store.transaction import Transaction

CHECKPOINTS_PROVED = 200


def keep(
    world: World, incident: str, data: bytes, *, what: str, media_type: str, reason: str, actor: str, id: str
) -> EvidenceItem:
    """Keep bytes that a person brings as evidence of an incident; return its custody record."""
    if not world.store.state(INCIDENT, incident).number:
        raise NotFound("There is no such incident.")
    item = EvidenceItem(
        id=id,
        incident=incident,
        what=what,
        sha256=world.vault.put(incident, data),
        size=len(data),
        media_type=media_type,
        source_system="upload",
        source_locator=what,
        collected_by=actor,
        collected_at=world.clock.now(),
        acquisition_method="upload",
        tool="tocsin",
        tool_version=__version__,
        reason=reason,
    )
    world.store.run(lambda tx: tx.execute(CUSTODY, id, Collect(item=item), actor=actor, scope=incident))
    return item


def read(world: World, evidence: str, *, person: str, purpose: str, actor: str) -> tuple[EvidenceItem, bytes]:
    """Return an item and its bytes; the reading itself goes on the record first."""
    state = world.store.state(CUSTODY, evidence)
    if state.item is None:
        raise NotFound("There is no such evidence.")
    item = state.item
    command = Access(person=person, how="viewed", purpose=purpose)
    world.store.run(lambda tx: tx.execute(CUSTODY, evidence, command, actor=actor, scope=item.incident))
    return item, world.vault.get(item.incident, item.sha256)


@dataclass(frozen=True, slots=True)
class Exported:
    """An export: its id, the verifier key of its signer, and its files, relative path to bytes."""

    id: str
    vkey: str
    files: dict[str, bytes]


def export_incident(
    world: World, incident: str, *, by: str, purpose: str, actor: str, allow_missing: bool = False
) -> Exported:
    """Return the export of an incident: every event with its proof, the evidence, sealed in the log itself.

    allow_missing: export although evidence is gone or damaged; the verifier then names what is absent.

    Raises:
        NotFound: no such incident.
        Refused: an item of evidence is gone or damaged, and `allow_missing` is not said.
    """
    store = world.store
    if not store.state(INCIDENT, incident).number:
        raise NotFound("There is no such incident.")
    contents, absent, files = _evidence(world, incident, allow_missing=allow_missing)
    id = _note_exports(world, incident, by=by, purpose=purpose, actor=actor)
    recorded = store.events(scope=incident)
    manifest = exports.plan(
        kind="incident",
        export=id,
        incident=incident,
        origin=store.log.signer.name,
        vkey=store.log.signer.vkey,
        created_at=world.clock.now(),
        recorded=recorded,
        files=files,
        absent=absent,
        earlier=store.read(lambda connection: _published(connection, incident)),
    )
    command = exports.seal_command(manifest, by=by, purpose=purpose)
    store.run(lambda tx: tx.execute(CUSTODY, id, command, actor=actor, scope=incident))
    crash.point("export.after_seal")
    (seal,) = store.events(stream=CUSTODY.stream(id))

    checkpoint = store.run(lambda tx: _head(tx, world, seal[0]))

    def build(connection: Connection) -> dict[str, bytes]:
        nodes = lookup(connection)
        return exports.build(
            manifest, recorded=recorded, seal=seal, checkpoint=checkpoint, lookup=nodes, contents=contents
        )

    return Exported(id, store.log.signer.vkey, store.read(build))


def _head(tx: Transaction, world: World, seal: int) -> bytes:
    """Sign and keep the head that ends with leaf `seal`: what is given out is what later exports continue.

    The log may have grown since the seal, so this is not always the log as it stands.
    """
    table, signer = tables.checkpoint, world.store.log.signer
    held = select(table.c.note).where(table.c.size == seal + 1)
    kept = tx.connection.execute(held).scalar_one_or_none()
    if kept is not None:
        return bytes(kept)
    note = exports.head(signer.name, seal, lookup(tx.connection), signer)
    tx.connection.execute(insert(table).values(size=seal + 1, at=tx.now, note=note))
    return note


def _published(connection: Connection, incident: str) -> dict[int, bytes]:
    """Return size -> root of heads that whoever kept one can hold against an export of `incident`.

    They are the newest signed checkpoints, and the head of every earlier export of the incident however old.
    """
    table = tables.checkpoint
    notes = (
        select(table.c.note).where(table.c.size > 0).order_by(table.c.size.desc()).limit(CHECKPOINTS_PROVED)
    )
    heads = (Checkpoint.parse(Note.parse(bytes(note)).text) for note in connection.execute(notes).scalars())
    newest = {head.size: head.root for head in heads}
    nodes = lookup(connection)
    return {size: merkle.root(size, nodes) for size in _exported(connection, incident)} | newest


def _exported(connection: Connection, incident: str) -> list[int]:
    """Return the sizes of the log that end with the seal of an export of `incident`."""
    event, leaf = tables.event, tables.leaf
    same = and_(leaf.c.stream == event.c.stream, leaf.c.position == event.c.position)
    seals = (
        select(leaf.c["index"])
        .join(event, same)
        .where(leaf.c.scope == incident, event.c.type == exports.SEALED_TYPE)
    )
    return [index + 1 for index in connection.execute(seals).scalars()]


def _items(world: World, incident: str) -> list[EvidenceItem]:
    query = select(tables.evidence_item.c.id).where(tables.evidence_item.c.incident == incident)
    ids = world.store.read(lambda connection: connection.execute(query).scalars().all())
    states = (world.store.state(CUSTODY, id) for id in ids)
    return [state.item for state in states if state.item is not None]


def _note_exports(world: World, incident: str, *, by: str, purpose: str, actor: str) -> str:
    """Put into each item's custody that it leaves with this export; return the export's id."""
    items = _items(world, incident)

    def note(tx: Transaction) -> str:
        id = tx.new_id()
        command = NoteExport(export=id, by=by, purpose=purpose)
        for item in items:
            tx.execute(CUSTODY, item.id, command, actor=actor, scope=incident)
        return id

    return world.store.run(note)


def _evidence(
    world: World, incident: str, *, allow_missing: bool
) -> tuple[dict[str, bytes], dict[str, str], list[exports.File]]:
    """Return the incident's evidence by path, what is absent with the reason, and how the manifest lists it."""
    contents: dict[str, bytes] = {}
    absent: dict[str, str] = {}
    files = []
    for item in _items(world, incident):
        try:
            data = world.vault.get(incident, item.sha256)
        except TocsinError as error:
            if not allow_missing:
                raise Refused(
                    f"The evidence {item.id}, {item.what!r}, cannot be exported: {error}",
                    mend="Restore it from a backup, or export without it: the record then says it is absent.",
                ) from error
            absent[item.sha256] = str(error)
            continue
        contents[exports.evidence_path(item.sha256)] = data
        files.append(exports.evidence_file(item))
    return contents, absent, files


@dataclass(frozen=True, slots=True)
class Proof:
    """That one entry is under a signed checkpoint (RFC 9162 2.1.3): what anyone needs to check it."""

    index: int
    stream: str
    position: int
    leaf: bytes
    """The hash of the entry, 32 bytes."""
    path: tuple[bytes, ...]
    """The hashes that lead from the leaf to the root, the lowest first."""
    checkpoint: bytes
    """The signed note with the size and the root of the log."""
    vkey: str


def prove(world: World, incident: str, index: int) -> Proof:
    """Return the inclusion proof of entry `index` of the log under a checkpoint of the log as it stands.

    Raises:
        NotFound: that entry is not one of this incident.
    """
    store = world.store
    note = store.run(lambda tx: store.log.sign(tx.connection, tx.now))
    size = Checkpoint.parse(Note.parse(note).text).size

    def read(connection: Connection) -> Proof:
        mine = select(tables.leaf).where(tables.leaf.c.scope == incident, tables.leaf.c["index"] == index)
        row = connection.execute(mine).one_or_none()
        if row is None:
            raise NotFound(f"Entry {index} of the log is not one of this incident.")
        path = tuple(merkle.inclusion_proof(index, size, lookup(connection)))
        return Proof(index, row.stream, row.position, bytes(row.hash), path, note, store.log.signer.vkey)

    return store.read(read)


def _checkpoint(tx: Transaction, job: Held, world: World) -> None:
    """Sign the log as it stands. The leaves of this very commit are under the next one."""
    world.store.log.sign(tx.connection, tx.now)


WORK = (Duty("log.checkpoint", _checkpoint),)
