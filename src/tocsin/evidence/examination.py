"""One pass over an export: every byte looked at, every fault named."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property
from typing import TypeVar

import msgspec

from tocsin.evidence import export, merkle
from tocsin.evidence.checkpoint import Checkpoint
from tocsin.evidence.custody import Collected, ExportSealed
from tocsin.evidence.export import CHECKPOINT, CONSISTENCY, MANIFEST, SEAL, Entry, File, Line, Manifest
from tocsin.evidence.item import digest
from tocsin.evidence.note import Note, NoteVerifier
from tocsin.evidence.reader import Listed, Reader
from tocsin.evidence.report import Finding, shown
from tocsin.kernel.errors import Invalid, TocsinError

T = TypeVar("T")

LARGEST_CHECKPOINT = 65_536  # bytes, as all below
LARGEST_MANIFEST = 512_000_000
LARGEST_CONSISTENCY = 16_000_000
LARGEST_ENTRY = 16_000_000

_ENTRY = re.compile(r"entries/([0-9]{8}|[1-9][0-9]{8,15})\.json")
_COLLECTED = "evidence.collected"


class Examination:
    """One pass over one export. `findings` grows as it goes; the rest is what was found to hold."""

    most_names = 1_000_000
    """Files and directories that one export may have."""

    def __init__(self, reader: Reader, trusted: NoteVerifier | None, *, remember: int | None = None) -> None:
        """Take a reader, the key that the caller trusts, and the leaf that `root_at` will be asked about."""
        self.findings: list[Finding] = []
        self.trusted = trusted
        self.signer: NoteVerifier | None = None
        self.manifest: Manifest | None = None
        self.checkpoint: Checkpoint | None = None
        """The head of the log, once the signature of the export's own key is verified."""
        self._reader = reader
        self._remember = remember
        self._remembered: Entry | None = None
        self._listed: dict[str, Listed] = {}
        self._odd: set[str] = set()  # names that are there and are not what they should be
        self._manifest_digest = ""
        self._collected: dict[str, tuple[str, Entry]] = {}  # SHA-256 -> its name, and where it was collected

    def run(self) -> str | None:
        """Look at everything; return why the whole is unusable, or None. May raise OSError."""
        self._list()
        if not self._listed.keys() & {CHECKPOINT, MANIFEST, SEAL}:
            return "this is not an export: it holds no checkpoint, no manifest.json and no seal.json."
        self._read_manifest()
        self._read_checkpoint()
        sealed = self._read_seal()
        if self.manifest is None:
            if sealed is not None and self._unknown_version(sealed):
                return "its manifest is the sealed one, in a version of the format that is not known here."
            self._loose_entries()
        else:
            for stream, position, why in export.gaps(self.manifest):
                self.find(MANIFEST, f"{why}.", stream=stream, position=position)
            for line in self.manifest.entries:
                self._entry(export.entry_path(line.index), line.index, line)
            for file in self.manifest.files:
                self._file(file)
            self._absent(self.manifest)
            self._consistency(self.manifest)
        self._extras()
        return None

    def root_at(self, size: int) -> bytes | None:
        """Return the root that the log had at `size` leaves, or None when the export does not prove it."""
        if size == 0:
            return merkle.EMPTY_ROOT
        if self.checkpoint is None or self.manifest is None:
            return None
        for head in self.manifest.earlier:
            if head.size == size:
                return bytes.fromhex(head.root)
        entry = self._remembered
        if entry is None or entry.index != size - 1:
            return None
        return merkle.root_at(entry.leaf_hash(), entry.index, self.checkpoint.size, entry.path())

    def find(
        self,
        path: str,
        problem: str,
        at: Line | Entry | None = None,
        *,
        stream: str | None = None,
        position: int | None = None,
    ) -> None:
        """Note that the file at `path` does not hold, and where in the log it stands."""
        index = None
        if isinstance(at, Entry):
            index, stream, position = at.index, at.leaf.stream, at.leaf.position
        elif at is not None:
            index, stream, position = at.index, at.stream, at.position
        self.findings.append(
            Finding(
                path=shown(path),
                problem=shown(problem),
                index=index,
                stream=None if stream is None else shown(stream),
                position=position,
            )
        )

    # --- names -----------------------------------------------------------------------------------

    def _list(self) -> None:
        for count, one in enumerate(self._reader.listing()):
            problem = None
            if count == self.most_names:
                self.find(
                    one.path, f"there are more than the {self.most_names} names that an export may have."
                )
                return
            if one.path in self._listed or one.path in self._odd:
                problem = "this name stands twice."
            elif _leads_out(one.path):
                problem = "its name would lead out of the export."
            elif one.kind == "link":
                problem = "it is a symbolic link; an export holds plain files only."
            elif one.kind == "other":
                problem = "it is neither a file nor a directory."
            else:
                self._listed[one.path] = one
            if problem:
                self._odd.add(one.path)
                self.find(one.path, problem)

    def _extras(self) -> None:
        manifest, expected = self.manifest, {CHECKPOINT, MANIFEST, SEAL}
        if manifest is not None:
            expected |= {export.entry_path(line.index) for line in manifest.entries}
            expected |= {file.path for file in manifest.files}
            expected |= {CONSISTENCY} if manifest.earlier else set()
        directories = {path.rpartition("/")[0] for path in expected}
        for path, one in self._listed.items():
            if manifest is None and ("/" in path or one.kind == "directory" or path == CONSISTENCY):
                continue  # without a manifest nobody can say what belongs there
            if one.kind == "directory":
                if path not in directories:
                    self.find(path, "this directory does not belong to the export.")
            elif path not in expected:
                self.find(path, "this file does not belong to the export.")

    # --- checkpoint, manifest, seal --------------------------------------------------------------

    def _read_manifest(self) -> None:
        data = self._bytes(MANIFEST, LARGEST_MANIFEST)
        if data is not None:
            self._manifest_digest = digest(data)
            self.manifest = self._parsed(MANIFEST, data, export.read_manifest)

    def _read_checkpoint(self) -> None:
        data = self._bytes(CHECKPOINT, LARGEST_CHECKPOINT)
        note = None if data is None else self._parsed(CHECKPOINT, data, Note.parse)
        own = self.trusted if self.manifest is None else NoteVerifier.parse(self.manifest.vkey)
        if note is None or own is None:
            return  # without a manifest nobody says whose signature to look for
        if self.trusted is not None and self.trusted != own:
            why = f"this export is signed by {own.label}, not by the key given, {self.trusted.label}."
            self.find(CHECKPOINT, why)
        known = [one for one in note.signatures if (one.name, one.key_id) == (own.name, own.key_id)]
        for one in note.signatures:
            if one not in known:
                self.find(CHECKPOINT, f"it is signed by an unknown key, {one.name}+{one.key_id.hex()}.")
        if len(known) > 1:
            self.find(CHECKPOINT, "it is signed more than once by the same key.")
        try:
            own.verify(note)
            checkpoint = Checkpoint.parse(note.text)
        except TocsinError as error:
            self.find(CHECKPOINT, error.why)
            return
        if self.manifest is not None and checkpoint.origin != self.manifest.origin:
            why = f"it is of the log {checkpoint.origin!r}, the manifest of {self.manifest.origin!r}."
            self.find(CHECKPOINT, why)
        self.signer, self.checkpoint = own, checkpoint

    def _read_seal(self) -> ExportSealed | None:
        entry = self._entry(SEAL, None, None)
        if entry is None:
            return None
        try:
            sealed = msgspec.convert(entry.event, ExportSealed)
        except msgspec.ValidationError:
            self.find(SEAL, f"it is not the event {export.SEALED_TYPE}.", entry)
            return None
        if entry.leaf.stream != f"custody:{sealed.export}":
            self.find(SEAL, f"it seals the export {sealed.export!r} in a stream of another name.", entry)
        if self.checkpoint is not None and self.checkpoint.size != entry.index + 1:
            why = f"its size is {self.checkpoint.size}, and the seal is leaf {entry.index}"
            self.find(CHECKPOINT, f"it does not end with the seal: {why}.")
        if self._manifest_digest and sealed.manifest_sha256 != self._manifest_digest:
            why = f"its SHA-256 is {self._manifest_digest}, the seal says {sealed.manifest_sha256}"
            self.find(MANIFEST, f"it is not the manifest that was sealed in the log: {why}.")
        elif self.manifest is not None:
            self._agrees(self.manifest, entry, sealed)
        return sealed

    def _agrees(self, manifest: Manifest, entry: Entry, sealed: ExportSealed) -> None:
        said = (sealed.export, sealed.kind, sealed.incident, sealed.entries, sealed.streams)
        held = (manifest.export, manifest.kind, manifest.incident, len(manifest.entries), manifest.streams)
        if said != held:
            self.find(SEAL, "it speaks of another export, or of other streams, than the manifest.", entry)

    def _unknown_version(self, sealed: ExportSealed) -> bool:
        unread = {finding.path for finding in self.findings} == {MANIFEST}
        return unread and sealed.manifest_sha256 == self._manifest_digest

    # --- entries, files, proofs ------------------------------------------------------------------

    def _loose_entries(self) -> None:
        for path in sorted(self._listed):
            match = _ENTRY.fullmatch(path)
            if match:
                self._entry(path, int(match[1]), None)

    def _entry(self, path: str, index: int | None, line: Line | None) -> Entry | None:
        """Return the entry at `path` when it holds in itself and under the checkpoint."""
        data = self._bytes(path, LARGEST_ENTRY, line)
        entry = None if data is None else self._parsed(path, data, export.read_entry, line)
        if entry is None:
            return None
        problem = _mismatch(entry, index, line) or _unproved(entry, self.checkpoint)
        if problem:
            self.find(path, problem, line or entry)
            return None
        if entry.index == self._remember:
            self._remembered = entry
        if entry.leaf.type == _COLLECTED and self.manifest is not None:
            self._evidence(path, entry)
        return entry

    def _evidence(self, path: str, entry: Entry) -> None:
        try:
            item = msgspec.convert(entry.event, Collected).item
        except msgspec.ValidationError as error:
            self.find(path, f"it cannot be read as {_COLLECTED}: {error}.", entry)
            return
        self._collected.setdefault(item.sha256, (f"the evidence {item.id}, {item.what!r},", entry))
        size = self._evidence_held.get(item.sha256)
        if size is None:
            why = "is neither in the export nor declared absent with a reason"
            self.find(path, f"the evidence {item.id}, {item.what!r}, {why}.", entry)
        elif size not in (-1, item.size):
            why = f"was recorded with {item.size} bytes, and the export lists {size}"
            self.find(path, f"the evidence {item.id}, {item.what!r}, {why}.", entry)

    def _absent(self, manifest: Manifest) -> None:
        """Evidence that was collected and is gone is a finding, unless it was erased as the law asks."""
        for absent in manifest.absent:
            if not export.is_erasure(absent.reason):
                name, entry = self._collected.get(absent.sha256, ("the evidence", None))
                self.find(export.evidence_path(absent.sha256), f"{name} is absent: {absent.reason}", entry)

    @cached_property
    def _evidence_held(self) -> dict[str, int]:
        """SHA-256 -> size of what the manifest lists as evidence, -1 for what it declares absent."""
        if self.manifest is None:
            return {}
        held = {one.sha256: -1 for one in self.manifest.absent}
        for file in self.manifest.files:
            if file.path == export.evidence_path(file.sha256):
                held[file.sha256] = file.size
        return held

    def _file(self, file: File) -> None:
        one = self._listed.get(file.path)
        if one is None or one.kind != "file":
            self._missing(file.path, f"{file.what!r} is missing.")
        elif one.size != file.size:
            self.find(file.path, f"{file.what!r} has {one.size} bytes, where {file.size} were sealed.")
        elif self._reader.sha256(file.path) != file.sha256:
            self.find(file.path, f"the bytes of {file.what!r} were changed: their SHA-256 is another.")

    def _consistency(self, manifest: Manifest) -> None:
        data = self._bytes(CONSISTENCY, LARGEST_CONSISTENCY) if manifest.earlier else None
        held = None if data is None else self._parsed(CONSISTENCY, data, export.read_consistency)
        if held is None:
            return
        if [one.size for one in held.proofs] != [head.size for head in manifest.earlier]:
            self.find(CONSISTENCY, "its proofs are not those that the manifest lists.")
        elif self.checkpoint is not None:
            for head, one in zip(manifest.earlier, held.proofs, strict=True):
                proof = [bytes.fromhex(text) for text in one.proof]
                roots = bytes.fromhex(head.root), self.checkpoint.root
                try:
                    merkle.verify_consistency(head.size, self.checkpoint.size, proof, *roots)
                except Invalid as error:
                    self.find(CONSISTENCY, f"the proof from size {head.size} does not hold. {error.why}")

    # --- bytes -----------------------------------------------------------------------------------

    def _bytes(self, path: str, limit: int, line: Line | None = None) -> bytes | None:
        one = self._listed.get(path)
        if one is None or one.kind != "file":
            self._missing(path, "it is missing.", line)
            return None
        data = self._reader.read(path, limit) if one.size <= limit else None
        if data is None or len(data) > limit:
            self.find(path, f"it is larger than the {limit} bytes that may stand there.", line)
            return None
        return data

    def _parsed(
        self, path: str, data: bytes, parse: Callable[[bytes], T], line: Line | None = None
    ) -> T | None:
        try:
            return parse(data)
        except TocsinError as error:
            self.find(path, error.why, line)
            return None

    def _missing(self, path: str, problem: str, line: Line | None = None) -> None:
        if path not in self._odd:  # it is there as a link, say, which is found already
            self.find(path, problem, line)


def _leads_out(path: str) -> bool:
    return "\\" in path or "\0" in path or any(part in ("", ".", "..") for part in path.split("/"))


def _mismatch(entry: Entry, index: int | None, line: Line | None) -> str | None:
    """Return what is wrong with an entry in itself, or against its name and its line of the manifest."""
    leaf = entry.leaf
    if index is not None and entry.index != index:
        return f"it holds leaf {entry.index}, where leaf {index} belongs."
    if line is not None and (leaf.stream, leaf.position) != (line.stream, line.position):
        return f"it holds {leaf.stream} position {leaf.position}, which belongs elsewhere."
    if line is not None and entry.leaf_hash().hex() != line.leaf:
        return "its leaf was changed: it is not the one that the manifest lists."
    if entry.payload_digest() != leaf.digest:
        return "its event or nonce was changed: their digest is not the one in the leaf."
    if entry.event.get("type") != leaf.type:
        return f"its leaf says {leaf.type!r}, its event {entry.event.get('type')!r}."
    return None


def _unproved(entry: Entry, checkpoint: Checkpoint | None) -> str | None:
    if checkpoint is None:
        return None  # found already, and without it nothing can be proved
    try:
        merkle.verify_inclusion(
            entry.leaf_hash(), entry.index, checkpoint.size, entry.path(), checkpoint.root
        )
    except Invalid as error:
        return f"its place in the log is not proved. {error.why}"
    return None
