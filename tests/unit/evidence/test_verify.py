"""What the verifier says of a sound export, and what it says of one whose maker held the signing key."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from tests.unit.evidence.small_log import (
    CONTENTS,
    EXPORT,
    INCIDENT,
    ORIGIN,
    OTHER_SIGNER,
    SIGNER,
    TABLE,
    Elsewhere,
    Happened,
    SmallLog,
    a_log,
    a_manifest,
    an_export,
    an_item,
    seal,
)
from tocsin.evidence import export, merkle
from tocsin.evidence.checkpoint import Checkpoint
from tocsin.evidence.custody import Accessed, Collected, ExportSealed
from tocsin.evidence.examination import Examination
from tocsin.evidence.export import Manifest
from tocsin.evidence.item import digest
from tocsin.evidence.reader import Held, Listed
from tocsin.evidence.report import Report, shown
from tocsin.evidence.verify import verify
from tocsin.kernel.event import Recorded, leaf_bytes, payload_digest, wire_name

SOUND = an_export()


def built(
    log: SmallLog,
    manifest: Manifest,
    *,
    sealed: tuple[int, Recorded] | None = None,
    recorded: list[tuple[int, Recorded]] | None = None,
) -> dict[str, bytes]:
    """Return an export as its maker would build it, sealed and signed with the real key."""
    listed = {line.index for line in manifest.entries}
    recorded = [one for one in log.recorded if one[0] in listed] if recorded is None else recorded
    sealed = sealed or seal(log, manifest)
    lookup = merkle.lookup_of(log.hashes)
    return export.build(
        manifest,
        recorded=recorded,
        seal=sealed,
        checkpoint=export.head(ORIGIN, sealed[0], lookup, SIGNER),
        lookup=lookup,
        contents={path: data for path, data in CONTENTS.items() if path in {f.path for f in manifest.files}},
    )


def leaf_of(one: Recorded) -> bytes:
    data = leaf_bytes(
        stream=one.stream,
        position=one.position,
        type=wire_name(one.event),
        at=one.at,
        actor=one.actor,
        digest=payload_digest(one.nonce, one.payload),
    )
    return merkle.leaf_hash(data)


def problems(report: Report) -> str:
    return "\n".join(str(finding) for finding in report.findings)


# --- a sound export ------------------------------------------------------------------------------


def test_with_the_key_it_is_intact_and_the_signer_is_named() -> None:
    report = verify(Held(an_export()), key=SIGNER.vkey)
    assert (report.status, report.headline) == ("intact", f"intact; signed by {SIGNER.verifier.label}")
    assert report.signer is not None
    assert report.signer.identified
    assert (report.kind, report.incident, report.export) == ("incident", INCIDENT, EXPORT)
    assert (report.origin, report.size, report.entries, report.files) == (ORIGIN, 14, 9, 3)


def test_without_the_key_it_is_consistent_and_the_signer_is_not_identified() -> None:
    report = verify(Held(an_export()))
    key_id = SIGNER.verifier.key_id.hex()
    assert report.status == "intact"
    assert report.headline == f"internally consistent; signer not identified: {key_id}"
    assert any("Who signed" in line for line in report.not_proved)


def test_it_says_what_is_proved_and_what_is_not() -> None:
    report = verify(Held(an_export()), key=SIGNER.vkey)
    proved, open_questions = " ".join(report.proved), " ".join(report.not_proved)
    for said in ("9 entries", "4 streams", "3 files", "14 leaves", "2026-11-23T10:00:00.000000Z"):
        assert said in proved
    for said in ("entry is true", "everything was collected", "time is right", "same log"):
        assert said in open_questions
    assert "Who signed" not in open_questions


def test_another_key_is_not_intact() -> None:
    report = verify(Held(an_export()), key=OTHER_SIGNER.vkey)
    assert report.status == "not intact"
    assert "not by the key given" in problems(report)


@pytest.mark.parametrize("key", ["", "nonsense", SIGNER.vkey[:-2], SIGNER.vkey.replace("log", "lag")])
def test_a_key_that_is_none_makes_the_check_unusable(key: str) -> None:
    report = verify(Held(an_export()), key=key)
    assert report.status == "unusable"
    assert "verifier key" in report.headline


@pytest.mark.parametrize("files", [{}, {"readme.txt": b"hello"}, {"entries/00000001.json": b"{}"}])
def test_what_is_no_export_is_unusable(files: dict[str, bytes]) -> None:
    report = verify(Held(files))
    assert report.status == "unusable"
    assert "not an export" in report.headline


def test_a_later_version_of_the_format_is_unusable_only_when_it_is_the_sealed_one() -> None:
    log = a_log()
    later = msgspec.structs.replace(a_manifest(log), version=2)
    files = built(log, later)
    report = verify(Held(files), key=SIGNER.vkey)
    assert report.status == "unusable"
    assert "version" in report.headline
    files["manifest.json"] = files["manifest.json"].replace(b'"version":2', b'"version":3')
    assert verify(Held(files), key=SIGNER.vkey).status == "not intact"


def test_a_reader_that_fails_makes_the_check_unusable() -> None:
    class Broken(Held):
        def sha256(self, path: str) -> str:
            raise PermissionError(13, "Permission denied", path)

    report = verify(Broken(an_export()))
    assert report.status == "unusable"
    assert "Permission denied" in report.headline


def test_absent_evidence_that_nobody_erased_is_named_and_breaks_the_record() -> None:
    log = a_log()
    kept = tuple(file for file in a_manifest(log).files if file.sha256 != digest(TABLE))
    for reason in ("No evidence with that digest is kept.", "erasedly lost", ""):
        manifest = a_manifest(a_log(), files=kept, absent={digest(TABLE): reason})
        report = verify(Held(built(a_log(), manifest)), key=SIGNER.vkey)
        assert (report.status, report.proved) == ("not intact", ())
        (finding,) = report.findings
        assert finding.path == export.evidence_path(digest(TABLE))
        assert finding.problem == f"the evidence ev-2, 'recent predictions', is absent: {reason}"
        assert (finding.index, finding.stream) == (7, "custody:ev-2")


def test_erased_evidence_is_intact_and_is_said() -> None:
    log = a_log()
    kept = tuple(file for file in a_manifest(log).files if file.sha256 != digest(TABLE))
    manifest = a_manifest(log, files=kept, absent={digest(TABLE): "erased at the request of the person"})
    report = verify(Held(built(log, manifest)), key=SIGNER.vkey)
    assert report.status == "intact"
    assert report.headline == (
        f"intact; signed by {SIGNER.verifier.label}; "
        "1 evidence item is absent: erased at the request of the person"
    )
    assert any("erased at the request" in line for line in report.not_proved)


# --- an earlier checkpoint -----------------------------------------------------------------------


def linked(report: Report) -> bool:
    return any("continues the checkpoint" in line for line in report.proved)


@pytest.mark.parametrize(
    "size",
    [
        0,  # the empty log
        14,  # the very checkpoint
        4,  # the size that the export holds a consistency proof for
        2, 3, 5, 6, 8, 9, 10, 11, 12,  # sizes that end with an entry of the export
    ],
)  # fmt: skip
def test_the_log_is_shown_to_continue_an_earlier_checkpoint(size: int) -> None:
    log = a_log()
    files = an_export(log)
    report = verify(Held(files), key=SIGNER.vkey, earlier=log.checkpoint(size))
    assert report.status == "intact"
    assert linked(report)
    assert not any("same log" in line for line in report.not_proved)


@pytest.mark.parametrize("size", [1, 7, 13])
def test_without_a_proof_it_says_that_it_cannot_be_checked(size: int) -> None:
    log = a_log()
    files = an_export(log)
    report = verify(Held(files), key=SIGNER.vkey, earlier=log.checkpoint(size))
    assert report.status == "unusable"
    assert report.headline.startswith("cannot be checked against that checkpoint")
    assert report.proved
    assert not linked(report)


def test_a_checkpoint_that_is_newer_than_the_export_cannot_be_checked() -> None:
    log = a_log()
    files = an_export(log)
    report = verify(Held(files), earlier=log.checkpoint(15))
    assert report.headline.startswith("cannot be checked against that checkpoint")


def test_an_export_without_its_checkpoint_continues_nothing() -> None:
    files = {path: data for path, data in SOUND.items() if path != "checkpoint"}
    report = verify(Held(files), earlier=a_log().checkpoint(5))
    assert [finding.path for finding in report.findings] == ["checkpoint"]


def rewritten() -> SmallLog:
    """A log whose owner dropped one event and made everything after it anew, with the real key."""
    log, honest = SmallLog(), a_log()
    for index, one in honest.recorded:
        if index != 2:
            log.append(one.stream, one.event, scope=one.scope)
    return log


@pytest.mark.parametrize("size", [4, 5, 7, 8, 9, 10, 11])
def test_a_rewritten_log_is_whole_in_itself_and_caught_by_a_checkpoint_kept_from_before(size: int) -> None:
    forged = an_export(rewritten())
    assert verify(Held(forged), key=SIGNER.vkey).status == "intact", "the forger held the key"
    report = verify(Held(forged), key=SIGNER.vkey, earlier=a_log().checkpoint(size))
    assert report.status == "not intact"
    assert "rewritten since" in problems(report)
    assert "two different histories" in problems(report)


def test_two_checkpoints_of_one_size_with_two_roots_are_a_rewritten_log() -> None:
    forged, honest = rewritten(), a_log()
    files = an_export(forged)
    report = verify(Held(files), earlier=honest.checkpoint(13))
    assert "two different histories" in problems(report)


def test_an_empty_checkpoint_with_a_root_of_something_is_a_rewritten_log() -> None:
    earlier = Checkpoint(ORIGIN, 0, bytes(32)).sign(SIGNER)
    assert "two different histories" in problems(verify(Held(an_export()), earlier=earlier))


def test_a_checkpoint_of_another_log_or_signer_is_not_intact() -> None:
    log = a_log()
    files = an_export(log)
    other_log = verify(Held(files), earlier=log.checkpoint(5, origin="other.example/log"))
    assert other_log.status == "not intact"
    assert "other.example/log" in problems(other_log)
    other_signer = verify(Held(files), earlier=log.checkpoint(5, signer=OTHER_SIGNER))
    assert other_signer.status == "not intact"
    assert "another signer" in problems(other_signer)


@pytest.mark.parametrize("earlier", [b"", b"not a note", SIGNER.sign("not a checkpoint\n")])
def test_a_checkpoint_that_is_none_makes_the_check_unusable(earlier: bytes) -> None:
    report = verify(Held(an_export()), earlier=earlier)
    assert report.status == "unusable"
    assert "the checkpoint given is none" in report.headline


# --- the maker of the export held the key, and cheats --------------------------------------------


def test_a_stream_with_a_gap_is_named_although_it_was_sealed_so() -> None:
    log = a_log()
    whole = a_manifest(log)
    lines = tuple(line for line in whole.entries if line.index != 10)
    manifest = msgspec.structs.replace(whole, entries=lines)
    files = built(log, manifest, recorded=[one for one in log.of() if one[0] != 10])
    report = verify(Held(files), key=SIGNER.vkey)
    (finding,) = report.findings
    assert (finding.path, finding.stream, finding.position) == ("manifest.json", f"incident:{INCIDENT}", 3)
    assert "is missing" in finding.problem


def test_a_manifest_sealed_with_another_leaf_or_another_place_is_named_by_entry() -> None:
    log = a_log()
    whole = a_manifest(log)
    wrong = msgspec.structs.replace(whole.entries[0], leaf="ab" * 32)
    report = verify(Held(built(log, msgspec.structs.replace(whole, entries=(wrong, *whole.entries[1:])))))
    assert [finding.path for finding in report.findings] == ["entries/00000001.json"]
    log = a_log()
    run, custody = (line for line in whole.entries if line.index in (4, 7))
    swapped = {
        4: msgspec.structs.replace(run, stream=custody.stream),
        7: msgspec.structs.replace(custody, stream=run.stream),
    }
    lines = tuple(swapped.get(line.index, line) for line in whole.entries)
    report = verify(Held(built(log, msgspec.structs.replace(whole, entries=lines))))
    assert [finding.path for finding in report.findings] == ["entries/00000004.json", "entries/00000007.json"]
    assert "belongs elsewhere" in problems(report)


def test_evidence_left_out_without_a_word_is_named() -> None:
    log = a_log()
    kept = tuple(file for file in a_manifest(log).files if file.sha256 != digest(TABLE))
    report = verify(Held(built(log, a_manifest(log, files=kept))), key=SIGNER.vkey)
    (finding,) = report.findings
    assert (finding.path, finding.index) == ("entries/00000007.json", 7)
    assert "'recent predictions'" in finding.problem


def test_a_document_with_the_same_bytes_does_not_stand_in_for_evidence() -> None:
    log = a_log()
    files = tuple(file for file in a_manifest(log).files if file.sha256 != digest(TABLE))
    files = (*files, export.document("table.csv", TABLE, "a table", "text/csv"))
    report = verify(Held({**built(log, a_manifest(log, files=files)), "documents/table.csv": TABLE}))
    assert "neither in the export nor declared absent" in problems(report)


def test_evidence_of_another_size_than_was_recorded_is_named() -> None:
    log = a_log()
    item = msgspec.structs.replace(an_item(TABLE, id="ev-3"), size=99)
    log.append("custody:ev-3", Collected(item=item))
    report = verify(Held(built(log, a_manifest(log))), key=SIGNER.vkey)
    assert "was recorded with 99 bytes, and the export lists 15" in problems(report)


def test_a_payload_of_another_type_than_its_leaf_is_named() -> None:
    log = a_log()
    index, one = log.recorded[2]
    payload = one.payload.replace(b"test.happened", b"test.whatever")
    log.recorded[2] = index, dataclasses.replace(one, payload=payload)
    log.hashes[2] = leaf_of(log.recorded[2][1])
    report = verify(Held(built(log, a_manifest(log))), key=SIGNER.vkey)
    (finding,) = report.findings
    assert finding.index == 2
    assert "'test.happened'" in finding.problem
    assert "'test.whatever'" in finding.problem


def test_something_recorded_as_collected_that_cannot_be_read_so_is_named() -> None:
    log = a_log()
    index, one = log.recorded[5]
    payload = b'{"item":{},"type":"evidence.collected"}'
    log.recorded[5] = index, dataclasses.replace(one, payload=payload)
    log.hashes[5] = leaf_of(log.recorded[5][1])
    report = verify(Held(built(log, a_manifest(log))), key=SIGNER.vkey)
    assert [finding.index for finding in report.findings] == [5]
    assert "cannot be read as evidence.collected" in problems(report)


def test_a_head_that_does_not_end_with_the_seal_is_named_although_all_is_proved_under_it() -> None:
    log = a_log()
    manifest = a_manifest(log)
    sealed = seal(log, manifest)
    files = built(log, manifest, sealed=sealed)
    log.append("incident:other", Elsewhere(), scope="other")
    lookup = merkle.lookup_of(log.hashes)
    files["checkpoint"] = log.checkpoint()
    for path in files:
        if path.startswith("entries/") or path == "seal.json":
            entry = export.read_entry(files[path])
            proof = tuple(one.hex() for one in merkle.inclusion_proof(entry.index, 15, lookup))
            files[path] = export.write(msgspec.structs.replace(entry, proof=proof))
    report = verify(Held(files), key=SIGNER.vkey)
    assert [finding.path for finding in report.findings] == ["checkpoint"]
    assert "does not end with the seal" in problems(report)


def sealing(manifest: Manifest, **fields: Any) -> ExportSealed:
    command = export.seal_command(manifest, by="ana", purpose="audit")
    return ExportSealed(**{**msgspec.structs.asdict(command), **fields})


def test_a_seal_that_speaks_of_something_else_is_named() -> None:
    for fields in ({"kind": "audit"}, {"incident": "other"}, {"entries": 8}, {"streams": ()}):
        log = a_log()
        manifest = a_manifest(log)
        sealed = log.append(f"custody:{EXPORT}", sealing(manifest, **fields))
        report = verify(Held(built(log, manifest, sealed=sealed)), key=SIGNER.vkey)
        assert [finding.path for finding in report.findings] == ["seal.json"], fields
        assert "another export" in problems(report)


def test_a_seal_in_another_stream_or_of_another_type_is_named() -> None:
    log = a_log()
    manifest = a_manifest(log)
    sealed = log.append("custody:another", sealing(manifest))
    assert "stream of another name" in problems(verify(Held(built(log, manifest, sealed=sealed))))
    for event in (Happened(text="sealed"), Accessed(evidence="e", person="p", how="viewed", purpose="p")):
        sealed = log.append(f"custody:{EXPORT}", event)
        report = verify(Held(built(log, manifest, sealed=sealed)))
        assert "it is not the event export.sealed" in problems(report)


def test_what_was_written_after_the_seal_is_not_under_it() -> None:
    log = a_log()
    sealed = seal(log, a_manifest(log))
    index, late = log.append(f"incident:{INCIDENT}", Happened(text="added after the seal"))
    mine = [one for one in log.of() if one[1].stream != f"custody:{EXPORT}"]
    newer = a_manifest(log, recorded=mine)
    files = built(log, a_manifest(log, recorded=mine[:-1]), sealed=sealed)
    entry = export.Entry(
        index=index,
        leaf=msgspec.structs.replace(
            export.read_entry(files["entries/00000011.json"]).leaf,
            position=5,
            at="2026-11-23T09:00:14.000000Z",
            digest=payload_digest(late.nonce, late.payload),
        ),
        nonce=late.nonce.hex(),
        event={"type": "test.happened", "text": "added after the seal", "number": 0},
        proof=(),
    )
    files |= {"manifest.json": export.write(newer), export.entry_path(index): export.write(entry)}
    report = verify(Held(files), key=SIGNER.vkey)
    assert [finding.path for finding in report.findings] == ["manifest.json", "entries/00000014.json"]
    assert "no leaf 14" in problems(report)


# --- names ---------------------------------------------------------------------------------------


class Tampered(Held):
    """A directory with names in it that no mapping of files could hold."""

    def __init__(self, files: dict[str, bytes], *more: Listed) -> None:
        super().__init__(files)
        self._more = more

    def listing(self) -> Iterable[Listed]:
        """Yield the sound names and then the others."""
        yield from super().listing()
        yield from self._more


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        (Listed("checkpoint", "file", 3), "stands twice"),
        (Listed("entries/00000001.json", "link"), "stands twice"),
        (Listed("elsewhere", "link"), "symbolic link"),
        (Listed("pipe", "other"), "neither a file nor a directory"),
        (Listed("empty", "directory"), "directory does not belong"),
        (Listed("entries/deep", "directory"), "directory does not belong"),
        (Listed("../checkpoint", "file", 3), "lead out"),
        (Listed("entries/../seal.json", "file", 3), "lead out"),
        (Listed("/etc/passwd", "file", 3), "lead out"),
        (Listed("./checkpoint", "file", 3), "lead out"),
        (Listed("entries//00000001.json", "file", 3), "lead out"),
        (Listed("entries\\00000001.json", "file", 3), "lead out"),
        (Listed("", "file", 3), "lead out"),
        (Listed("nul\0", "file", 3), "lead out"),
        (Listed("Checkpoint", "file", 3), "does not belong"),
        (Listed("entries/00000099.json", "file", 3), "does not belong"),
        (Listed("entries/1.json", "file", 3), "does not belong"),
        (Listed("evidence/" + "ab" * 32, "file", 3), "does not belong"),
        (Listed(".DS_Store", "file", 3), "does not belong"),
    ],
)
def test_a_name_that_does_not_belong_is_named(listed: Listed, said: str) -> None:
    report = verify(Tampered(an_export(), listed), key=SIGNER.vkey)
    assert report.status == "not intact"
    (finding,) = report.findings
    assert finding.path == shown(listed.path)
    assert said in finding.problem


def test_a_link_in_the_place_of_a_file_is_said_once() -> None:
    files = an_export()
    del files["entries/00000004.json"]
    report = verify(Tampered(files, Listed("entries/00000004.json", "link")))
    (finding,) = report.findings
    assert "symbolic link" in finding.problem


def test_a_directory_in_the_place_of_a_file_is_said() -> None:
    files = an_export()
    del files["seal.json"]
    report = verify(Tampered(files, Listed("seal.json", "directory")))
    assert {finding.path for finding in report.findings} == {"seal.json"}


@pytest.mark.parametrize(
    "path", ["checkpoint", "manifest.json", "seal.json", "consistency.json", "entries/00000001.json"]
)
def test_an_oversize_file_is_not_read_and_is_named(path: str) -> None:
    class Swollen(Held):
        def listing(self) -> Iterable[Listed]:
            for one in super().listing():
                yield Listed(one.path, one.kind, 10**12 if one.path == path else one.size)

        def read(self, wanted: str, limit: int) -> bytes:
            assert wanted != path, "it must not be read"
            return super().read(wanted, limit)

    report = verify(Swollen(an_export()))
    assert report.status == "not intact"
    assert any(one.path == path and "larger than" in one.problem for one in report.findings)


def test_a_file_that_grows_while_it_is_read_is_named() -> None:
    class Growing(Held):
        def read(self, path: str, limit: int) -> bytes:
            return super().read(path, limit) + b" " * (limit if path == "checkpoint" else 0)

    report = verify(Growing(an_export()))
    assert any(one.path == "checkpoint" and "larger than" in one.problem for one in report.findings)


def test_listing_stops_at_the_most_names_that_an_export_may_have() -> None:
    class Small(Examination):
        most_names = 30

    def endless() -> Iterable[Listed]:
        yield from Held(SOUND).listing()
        for number in range(10**9):
            yield Listed(f"more-{number:09}", "file")

    class Endless(Held):
        def listing(self) -> Iterable[Listed]:
            return endless()

    small = Small(Endless(SOUND), None)
    assert small.run() is None
    names = len(list(Held(SOUND).listing()))
    stopped = f"more-{30 - names:09}"
    assert [one.path for one in small.findings if "more than the 30 names" in one.problem] == [stopped]


def test_names_cannot_play_tricks_on_a_terminal() -> None:
    report = verify(Held({**an_export(), "\x1b[2Jintact\u202e\udcff": b""}))
    assert [one.path for one in report.findings] == ["\\x1b[2Jintact\\u202e\\udcff"]
    assert msgspec.json.encode(report)
