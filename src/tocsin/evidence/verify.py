"""The offline verifier: what an export proves, and which item does not hold. Trusts neither server nor operator.

Pure: it reads through a `Reader`. It needs the export, and, to say who signed, a verifier key that came by
another way. A checkpoint that someone kept from earlier shows that the log was not rewritten since.
"""

from __future__ import annotations

from typing import Literal

from tocsin.evidence.checkpoint import Checkpoint
from tocsin.evidence.examination import Examination
from tocsin.evidence.export import CHECKPOINT, Manifest
from tocsin.evidence.note import Note, NoteVerifier
from tocsin.evidence.reader import Reader
from tocsin.evidence.report import Report, Signer, counted, shown
from tocsin.kernel.errors import Invalid, TocsinError


def verify(reader: Reader, *, key: str | None = None, earlier: bytes | None = None) -> Report:
    """Return what the export behind `reader` proves. Never raises for what the export holds.

    key: the signer's verifier key (c2sp.org/signed-note); without it the signer is not identified.
    earlier: a checkpoint of the same log kept from earlier, as bytes; the log must be a continuation of it.
    """
    try:
        trusted = None if key is None else NoteVerifier.parse(key)
    except TocsinError as error:
        return unusable(f"the key given is not a verifier key. {error}")
    try:
        past = None if earlier is None else Note.parse(earlier)
        head = None if past is None else Checkpoint.parse(past.text)
    except TocsinError as error:
        return unusable(f"the checkpoint given is none. {error}")
    examination = Examination(reader, trusted, remember=None if head is None else head.size - 1)
    try:
        why = examination.run()
    except OSError as error:
        return unusable(f"it could not be read: {error}")
    if why:
        return unusable(why)
    linked = None if past is None or head is None else _continues(examination, past, head)
    return _told(examination, head, linked)


def unusable(why: str) -> Report:
    """Return the report for what cannot be verified at all, or not in the way that was asked for."""
    return Report(status="unusable", headline=f"unusable: {why}")


def _continues(examination: Examination, past: Note, head: Checkpoint) -> bool:
    """Say whether the log is proved to continue `head`; what contradicts it becomes a finding."""
    checkpoint, signer = examination.checkpoint, examination.signer
    if checkpoint is None or signer is None:
        return False
    if head.origin != checkpoint.origin:
        why = f"it is of the log {checkpoint.origin!r}, the checkpoint given is of {head.origin!r}."
        examination.find(CHECKPOINT, why)
        return False
    try:
        signer.verify(past)
    except Invalid as error:
        examination.find(CHECKPOINT, f"the checkpoint given is of another signer. {error.why}")
        return False
    root = examination.root_at(head.size)
    if root is not None and root != head.root:
        why = f"two different histories of its first {head.size} leaves are signed"
        examination.find(CHECKPOINT, f"the log was rewritten since the checkpoint given: {why}.")
    return root is not None


def _told(examination: Examination, head: Checkpoint | None, linked: bool | None) -> Report:
    manifest, checkpoint, signer = examination.manifest, examination.checkpoint, examination.signer
    findings = tuple(examination.findings)
    faulty = f"not intact: {counted(len(findings), 'finding')}"
    if manifest is None or checkpoint is None or signer is None:
        return Report(status="not intact", headline=faulty, findings=findings)
    identified, key_id = examination.trusted == signer, signer.key_id.hex()
    status: Literal["intact", "not intact", "unusable"] = "intact"
    headline = f"internally consistent; signer not identified: {key_id}"
    if findings:
        status, headline = "not intact", faulty
    elif head is not None and not linked:
        why = f"the export holds no proof from its size, {head.size}, to size {checkpoint.size}"
        status, headline = "unusable", f"cannot be checked against that checkpoint: {why}."
    elif identified:
        headline = f"intact; signed by {signer.label}"
    if status == "intact" and manifest.absent:
        headline += f"; {_absent(manifest)}"
    return Report(
        status=status,
        headline=headline,
        findings=findings,
        proved=() if findings else _proved(manifest, checkpoint, head if linked else None),
        not_proved=() if findings else _not_proved(manifest, identified=identified, linked=bool(linked)),
        signer=Signer(name=signer.name, key_id=key_id, identified=identified),
        kind=manifest.kind,
        incident=manifest.incident,
        export=manifest.export,
        origin=manifest.origin,
        size=checkpoint.size,
        entries=len(manifest.entries),
        files=len(manifest.files),
    )


def _absent(manifest: Manifest) -> str:
    """Return what the headline says of evidence that was erased."""
    reasons = shown("; ".join(dict.fromkeys(absent.reason for absent in manifest.absent)))
    verb = "is" if len(manifest.absent) == 1 else "are"
    return f"{counted(len(manifest.absent), 'evidence item')} {verb} absent: {reasons}"


def _proved(manifest: Manifest, checkpoint: Checkpoint, head: Checkpoint | None) -> tuple[str, ...]:
    entries = counted(len(manifest.entries), "entry", "entries")
    log = f"the log {checkpoint.origin} of {counted(checkpoint.size, 'leaf', 'leaves')}"
    streams = counted(len(manifest.streams), "stream")
    lines = [
        f"Each of {entries} stands in {log}, word for word and in this order.",
        f"Each of {streams} runs without a gap from position 1 to the last that was sealed.",
        f"The seal is itself in the log: nothing was added, left out or rewritten since {manifest.created_at}.",
    ]
    if manifest.files:
        lines.append(f"Each of {counted(len(manifest.files), 'file')} has the bytes that were sealed.")
    if head is not None:
        lines.append(f"The log continues the checkpoint of size {head.size} that was given.")
    return tuple(lines)


def _not_proved(manifest: Manifest, *, identified: bool, linked: bool) -> tuple[str, ...]:
    lines = [
        "That an entry is true: the log shows what was written and in which order, not that it happened.",
        "That everything was collected, or that no other stream or later event exists: the signer says which.",
        "That a time is right: times are those of the server's clock.",
    ]
    if not identified:
        lines.append("Who signed: give the verifier key, obtained by another way, to find out.")
    if not linked:
        lines.append("That others were shown the same log: give a checkpoint kept from earlier to find out.")
    lines.extend(f"Evidence {absent.sha256}, which is absent: {absent.reason}" for absent in manifest.absent)
    return tuple(lines)
