"""The export format, version 1: an incident or an audit package as a directory without an uncovered byte.

    checkpoint              the signed head of the log that ends with the seal (c2sp.org/tlog-checkpoint)
    manifest.json           what the export holds: `Manifest`
    seal.json               the `export.sealed` event with its proof: `Entry`
    entries/00000042.json   one event with its leaf and its proof, named by its index in the log: `Entry`
    evidence/<sha256>       the bytes of an evidence item
    documents/<name>        a rendering for people
    consistency.json        proofs from earlier checkpoints; only when the manifest lists some: `Consistency`

How each byte is covered: the log holds the seal, the seal holds the digest of the manifest, and the manifest
holds the signer's key, the leaf hash of every entry and the digest of every file. An entry's proof is the
only one there is for its place under the checkpoint. That the seal is the last leaf fixes the size, which the
root alone does not; and a later export of the same stream proves that it continues this checkpoint, because
it holds this seal. Every JSON file is canonical (RFC 8785), so it has one
form. Hence the key holder himself cannot change an export later: he would have to rewrite the log.

An event stands in its entry as JSON that people can read; its canonical bytes are the recorded payload.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from tocsin.evidence import merkle
from tocsin.evidence.checkpoint import Checkpoint
from tocsin.evidence.custody import SealExport, StreamEnd
from tocsin.evidence.item import EvidenceItem, digest, is_digest
from tocsin.evidence.note import Note, NoteSigner, NoteVerifier
from tocsin.kernel import canonical
from tocsin.kernel.clock import from_wire, to_wire
from tocsin.kernel.errors import Invalid, Malformed, TocsinError
from tocsin.kernel.event import LEAF_VERSION, NONCE_BYTES, Recorded, payload_digest, wire_name

VERSION = 1
CHECKPOINT, MANIFEST, SEAL, CONSISTENCY = "checkpoint", "manifest.json", "seal.json", "consistency.json"
SEALED_TYPE = "export.sealed"
ERASED = "erased"
"""How the reason of evidence begins that was erased on purpose; any other absence breaks the record."""

_DOCUMENT = re.compile(r"documents/[a-z0-9][a-z0-9_-]{0,63}(\.[a-z0-9]{1,8})?")
_HEX = re.compile(r"([0-9a-f]{2})+")
T = TypeVar("T")


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the format. Every field is written, so that it has one encoding."""


class Line(_Part, frozen=True, kw_only=True):
    """One entry as the manifest lists it; `leaf` is its leaf hash in hex."""

    index: int
    stream: str
    position: int
    leaf: str


class File(_Part, frozen=True, kw_only=True):
    """A file of the export that is no JSON of this format: evidence, or a document."""

    path: str
    sha256: str
    size: int
    what: str
    media_type: str


class Absent(_Part, frozen=True, kw_only=True):
    """Evidence that an event names and the export does not hold, and why not: `erased ...`, or it is lost."""

    sha256: str
    reason: str


class Earlier(_Part, frozen=True, kw_only=True):
    """An earlier head of the same log, from which a consistency proof is included; `root` in hex."""

    size: int
    root: str


class Manifest(_Part, frozen=True, kw_only=True):
    """What an export holds. Fixed before the seal is recorded, hence before the checkpoint is signed."""

    version: int = VERSION
    kind: str
    export: str
    """The id of the export; the seal is the event of the stream `custody:<id>`."""
    incident: str
    """Empty for an export that is not of one incident."""
    origin: str
    """The log: the first line of the checkpoint."""
    vkey: str
    """The key that signs the checkpoint, in the text form of c2sp.org/signed-note."""
    created_at: str
    streams: tuple[StreamEnd, ...]
    """In the order of their names; each is held whole, from position 1 to `last`."""
    entries: tuple[Line, ...]
    """In the order of the log."""
    files: tuple[File, ...]
    """In the order of their paths."""
    absent: tuple[Absent, ...]
    earlier: tuple[Earlier, ...]


class Leaf(_Part, frozen=True, kw_only=True):
    """The leaf data of an event: what the log itself holds."""

    v: int
    stream: str
    position: int
    type: str
    at: str
    actor: str
    digest: str


class Entry(_Part, frozen=True, kw_only=True):
    """One event of the log: its leaf, what the leaf's digest binds, and the proof of its place."""

    index: int
    leaf: Leaf
    nonce: str
    """16 bytes in hex."""
    event: dict[str, Any]
    proof: tuple[str, ...]
    """Hashes in hex, from the leaf upwards."""

    def leaf_hash(self) -> bytes:
        """Return the hash of the leaf, 32 bytes."""
        return merkle.leaf_hash(canonical.encode(msgspec.to_builtins(self.leaf)))

    def path(self) -> list[bytes]:
        """Return the proof as bytes."""
        return [bytes.fromhex(text) for text in self.proof]

    def payload_digest(self) -> str:
        """Return the digest that the leaf must hold for this nonce and event."""
        return payload_digest(bytes.fromhex(self.nonce), canonical.encode(self.event))


class Proof(_Part, frozen=True, kw_only=True):
    """A consistency proof from the log at `size` to the checkpoint, hashes in hex."""

    size: int
    proof: tuple[str, ...]


class Consistency(_Part, frozen=True, kw_only=True):
    """The consistency proofs of an export, one for each earlier head that the manifest lists."""

    proofs: tuple[Proof, ...]


def entry_path(index: int) -> str:
    """Return where the entry of leaf `index` stands."""
    return f"entries/{index:08d}.json"


def evidence_path(sha256: str) -> str:
    """Return where the bytes with this digest stand."""
    return f"evidence/{sha256}"


# --- making one ----------------------------------------------------------------------------------


def evidence_file(item: EvidenceItem) -> File:
    """Return how the manifest lists the bytes of `item`."""
    return File(
        path=evidence_path(item.sha256),
        sha256=item.sha256,
        size=item.size,
        what=item.what,
        media_type=item.media_type,
    )


def document(name: str, data: bytes, what: str, media_type: str) -> File:
    """Return how the manifest lists a document called `name`, such as `report.html`."""
    return File(
        path=f"documents/{name}", sha256=digest(data), size=len(data), what=what, media_type=media_type
    )


def plan(
    *,
    kind: str,
    export: str,
    incident: str,
    origin: str,
    vkey: str,
    created_at: dt.datetime,
    recorded: Iterable[tuple[int, Recorded]],
    files: Iterable[File] = (),
    absent: Mapping[str, str] | None = None,
    earlier: Mapping[int, bytes] | None = None,
) -> Manifest:
    """Return the manifest of an export of `recorded`: (leaf index, event), every stream whole.

    `absent` is sha256 -> reason; `earlier` is size -> root of heads to prove consistency from.

    Raises:
        Malformed: the parts do not make a manifest, for instance a stream with a gap.
    """
    placed = sorted(recorded, key=lambda one: one[0])
    by_path = {file.path: file for file in files}  # the same bytes may have been collected twice
    last: dict[str, int] = {}
    for _, one in placed:
        last[one.stream] = max(one.position, last.get(one.stream, 0))
    manifest = Manifest(
        kind=kind,
        export=export,
        incident=incident,
        origin=origin,
        vkey=vkey,
        created_at=to_wire(created_at),
        streams=tuple(StreamEnd(stream=stream, last=last[stream]) for stream in sorted(last)),
        entries=tuple(_line(index, one) for index, one in placed),
        files=tuple(by_path[path] for path in sorted(by_path)),
        absent=tuple(Absent(sha256=name, reason=why) for name, why in sorted((absent or {}).items())),
        earlier=tuple(Earlier(size=size, root=root.hex()) for size, root in sorted((earlier or {}).items())),
    )
    problems = list(gaps(manifest))
    if problems:
        stream, position, why = problems[0]
        raise Malformed(f"{stream} position {position} {why}.")
    return read_manifest(write(manifest))


def seal_command(manifest: Manifest, *, by: str, purpose: str) -> SealExport:
    """Return the command that fixes `manifest` in the log; its stream is `custody:<manifest.export>`."""
    return SealExport(
        export=manifest.export,
        kind=manifest.kind,
        incident=manifest.incident,
        manifest_sha256=digest(write(manifest)),
        entries=len(manifest.entries),
        streams=manifest.streams,
        by=by,
        purpose=purpose,
    )


def head(origin: str, seal: int, lookup: merkle.NodeLookup, signer: NoteSigner) -> bytes:
    """Return the signed checkpoint of an export whose seal is leaf `seal`: the log up to and with the seal.

    The log may have grown since; its earlier sizes can be signed at any time.
    """
    return Checkpoint(origin, seal + 1, merkle.root(seal + 1, lookup)).sign(signer)


def build(
    manifest: Manifest,
    *,
    recorded: Iterable[tuple[int, Recorded]],
    seal: tuple[int, Recorded],
    checkpoint: bytes,
    lookup: merkle.NodeLookup,
    contents: Mapping[str, bytes],
) -> dict[str, bytes]:
    """Return the files of the export: relative path -> bytes.

    recorded: the events that the manifest was planned from.
    seal: leaf index and event that `seal_command` led to.
    checkpoint: what `head` returns for that leaf, or another signed note of the same size.
    contents: path -> bytes of the manifest's files; one that is left out is the caller's to copy (it is large).

    Raises:
        Malformed: the parts do not belong together.
    """
    size = Checkpoint.parse(Note.parse(checkpoint).text).size
    if size != seal[0] + 1:
        raise Malformed(
            f"The checkpoint has size {size}, and the seal is leaf {seal[0]}.",
            mend="Sign the log at the size that ends with the seal: `export.head`.",
        )
    listed = {file.path: file for file in manifest.files}
    for path, data in contents.items():
        if path not in listed or listed[path].sha256 != digest(data):
            raise Malformed(f"{path!r} is not a file of this manifest, or has other bytes.")
    entries = [_entry(index, one, size, lookup) for index, one in recorded]
    if sorted(entry.index for entry in entries) != [line.index for line in manifest.entries]:
        raise Malformed("The manifest was planned from other events than these.")
    files = {
        CHECKPOINT: checkpoint,
        MANIFEST: write(manifest),
        SEAL: write(_entry(*seal, size, lookup)),
        **{entry_path(entry.index): write(entry) for entry in entries},
        **contents,
    }
    if manifest.earlier:
        files[CONSISTENCY] = write(_consistency(manifest.earlier, size, lookup))
    return files


def _line(index: int, one: Recorded) -> Line:
    leaf = _leaf(one)
    data = canonical.encode(msgspec.to_builtins(leaf))
    return Line(index=index, stream=one.stream, position=one.position, leaf=merkle.leaf_hash(data).hex())


def _leaf(one: Recorded) -> Leaf:
    return Leaf(
        v=LEAF_VERSION,
        stream=one.stream,
        position=one.position,
        type=wire_name(one.event),
        at=to_wire(one.at),
        actor=one.actor,
        digest=payload_digest(one.nonce, one.payload),
    )


def _entry(index: int, one: Recorded, size: int, lookup: merkle.NodeLookup) -> Entry:
    event = canonical.decode(one.payload)
    if not isinstance(event, dict):
        raise Malformed(f"The payload of {one.stream} position {one.position} is not an event.")
    proof = tuple(value.hex() for value in merkle.inclusion_proof(index, size, lookup))
    return Entry(index=index, leaf=_leaf(one), nonce=one.nonce.hex(), event=event, proof=proof)


def _consistency(earlier: Sequence[Earlier], size: int, lookup: merkle.NodeLookup) -> Consistency:
    proofs = []
    for head in earlier:
        proof = merkle.consistency_proof(head.size, size, lookup)
        proofs.append(Proof(size=head.size, proof=tuple(value.hex() for value in proof)))
    return Consistency(proofs=tuple(proofs))


def is_erasure(reason: str) -> bool:
    """Return whether `reason` says that the bytes were erased on purpose."""
    return reason == ERASED or reason.startswith(f"{ERASED} ")


# --- reading one ---------------------------------------------------------------------------------


def write(part: Manifest | Entry | Consistency) -> bytes:
    """Return the one byte form of a JSON file of the export."""
    return canonical.encode(msgspec.to_builtins(part))


def read_manifest(data: bytes) -> Manifest:
    """Read `manifest.json`; raise `Malformed` when it is not exactly one."""
    manifest = _read(data, Manifest)
    if manifest.version != VERSION:
        raise Malformed(f"Version {manifest.version} of the format is not known here.")
    _time(manifest.created_at)
    try:
        NoteVerifier.parse(manifest.vkey)
    except TocsinError as error:
        raise Malformed(f"Its verifier key is none: {error.why}") from error
    _ascending("entries", [line.index for line in manifest.entries])
    _ascending("streams", [end.stream for end in manifest.streams])
    _ascending("files", [file.path for file in manifest.files])
    _ascending("absent", [absent.sha256 for absent in manifest.absent])
    _ascending("earlier", [head.size for head in manifest.earlier])
    _hashes(line.leaf for line in manifest.entries)
    _hashes(file.sha256 for file in manifest.files)
    _hashes(absent.sha256 for absent in manifest.absent)
    _hashes(head.root for head in manifest.earlier)
    for line in manifest.entries:
        _place(line.index, line.position)
    for file in manifest.files:
        if file.size < 0 or (file.path != evidence_path(file.sha256) and not _DOCUMENT.fullmatch(file.path)):
            raise Malformed(f"It lists a file that may not stand in an export: {file.path!r}.")
    return manifest


def read_entry(data: bytes) -> Entry:
    """Read `seal.json` or a file of `entries/`; raise `Malformed` when it is not exactly one."""
    entry = _read(data, Entry)
    if entry.leaf.v != LEAF_VERSION:
        raise Malformed(f"Version {entry.leaf.v} of the leaf is not known here.")
    _place(entry.index, entry.leaf.position)
    _time(entry.leaf.at)
    _hashes((entry.leaf.digest, *entry.proof))
    if not _HEX.fullmatch(entry.nonce) or len(entry.nonce) != 2 * NONCE_BYTES:
        raise Malformed(f"A nonce is {NONCE_BYTES} bytes in hex.")
    return entry


def read_consistency(data: bytes) -> Consistency:
    """Read `consistency.json`; raise `Malformed` when it is not exactly one."""
    consistency = _read(data, Consistency)
    for proof in consistency.proofs:
        _hashes(proof.proof)
    return consistency


def gaps(manifest: Manifest) -> Iterable[tuple[str, int, str]]:
    """Yield (stream, position, what is wrong with it) for every stream that does not run 1 to its last."""
    last = {end.stream: end.last for end in manifest.streams}
    reached = dict.fromkeys(last, 0)
    for line in manifest.entries:  # in the order of the log
        stream, position = line.stream, line.position
        before = reached.get(stream)
        if before is None:
            yield stream, position, "belongs to a stream that the manifest does not list"
        elif position <= before:
            yield stream, position, f"stands in the log after position {before}"
        else:
            if position > before + 1:
                yield stream, before + 1, f"is missing: after {before} comes {position}"
            if position > last[stream]:
                yield stream, position, f"lies beyond the last position of its stream, {last[stream]}"
            reached[stream] = position
    for stream, position in reached.items():
        if position < last[stream]:
            yield stream, position + 1, f"is missing: the stream runs to position {last[stream]}"


def _read(data: bytes, kind: type[T]) -> T:
    try:
        part = msgspec.json.decode(data, type=kind)
        again = canonical.encode(msgspec.to_builtins(part))
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
        raise Malformed(f"It cannot be read as {kind.__name__.lower()}: {error}.") from error
    if again != data:
        raise Malformed("It is not in its one byte form (RFC 8785): the same content, written otherwise.")
    return part


def _ascending(what: str, values: Sequence[Any]) -> None:
    if any(one >= two for one, two in itertools.pairwise(values)):
        raise Malformed(f"Its {what} are out of order, or one stands twice.")


def _hashes(texts: Iterable[str]) -> None:
    for text in texts:
        if not is_digest(text):
            raise Malformed(f"{text[:80]!r} is no SHA-256 in 64 lower-case hex digits.")


def _place(index: int, position: int) -> None:
    if index < 0 or position < 1:
        raise Malformed(f"There is no leaf {index} with position {position}.")


def _time(text: str) -> None:
    try:
        again = to_wire(from_wire(text))
    except (Invalid, OverflowError) as error:
        raise Malformed(f"{text[:40]!r} is not a time.") from error
    if again != text:
        raise Malformed(f"{text!r} is not the one form of a time here.")
