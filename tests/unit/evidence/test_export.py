"""An export is planned, sealed and built; what does not belong together is refused."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import msgspec
import pytest

from tests.unit.evidence.small_log import (
    BLOB,
    CONTENTS,
    EXPORT,
    INCIDENT,
    MORNING,
    ORIGIN,
    SIGNER,
    TABLE,
    Elsewhere,
    a_log,
    a_manifest,
    an_export,
    an_item,
    seal,
)
from tocsin.evidence import export, merkle
from tocsin.evidence.custody import ExportSealed, StreamEnd
from tocsin.evidence.export import Manifest
from tocsin.evidence.item import digest
from tocsin.evidence.reader import Held
from tocsin.evidence.verify import verify
from tocsin.kernel import canonical
from tocsin.kernel.errors import Invalid, Malformed
from tocsin.kernel.event import payload_bytes


def test_an_export_has_these_files_and_no_others() -> None:
    assert sorted(an_export()) == [
        "checkpoint",
        "consistency.json",
        "documents/report.html",
        *(f"entries/{index:08d}.json" for index in (1, 2, 4, 5, 7, 8, 9, 10, 11)),
        *sorted(f"evidence/{digest(data)}" for data in (BLOB, TABLE)),
        "manifest.json",
        "seal.json",
    ]
    assert "consistency.json" not in an_export(earlier=())


def test_the_same_log_gives_the_same_bytes() -> None:
    assert an_export() == an_export()


def test_the_manifest_lists_streams_entries_and_files_in_order() -> None:
    manifest = a_manifest(a_log())
    assert [(end.stream, end.last) for end in manifest.streams] == [
        ("custody:ev-1", 2),
        ("custody:ev-2", 1),
        (f"incident:{INCIDENT}", 4),
        ("run:r-1", 2),
    ]
    assert [line.index for line in manifest.entries] == [1, 2, 4, 5, 7, 8, 9, 10, 11]
    assert [file.path for file in manifest.files] == sorted(CONTENTS)


def test_the_seal_fixes_the_manifest_and_every_stream_end() -> None:
    log = a_log()
    manifest = a_manifest(log)
    _, sealed = seal(log, manifest)
    event = sealed.event
    assert isinstance(event, ExportSealed)
    assert sealed.stream == f"custody:{EXPORT}"
    assert event.manifest_sha256 == digest(export.write(manifest))
    assert (event.streams, event.entries, event.incident) == (manifest.streams, 9, INCIDENT)


def test_an_entry_shows_the_event_and_its_payload_can_be_made_again() -> None:
    log = a_log()
    entry = export.read_entry(an_export(log)["entries/00000002.json"])
    _, recorded = log.recorded[2]
    assert entry.event == {"type": "test.happened", "text": "né à 9 h", "number": 2}
    assert canonical.encode(entry.event) == recorded.payload == payload_bytes(recorded.event)
    assert bytes.fromhex(entry.nonce) == recorded.nonce
    assert entry.leaf_hash() == log.hashes[2]
    assert entry.payload_digest() == entry.leaf.digest


def test_every_part_is_read_back_as_written() -> None:
    files = an_export()
    assert export.write(export.read_manifest(files["manifest.json"])) == files["manifest.json"]
    assert export.write(export.read_consistency(files["consistency.json"])) == files["consistency.json"]
    for path in files:
        if path.startswith("entries/") or path == "seal.json":
            assert export.write(export.read_entry(files[path])) == files[path]


def test_large_files_may_be_left_for_the_caller_to_copy() -> None:
    log = a_log()
    recorded = log.of()
    manifest = a_manifest(log)
    sealed = seal(log, manifest)
    parts: dict[str, Any] = {
        "recorded": recorded,
        "seal": sealed,
        "checkpoint": log.checkpoint(),
        "lookup": merkle.lookup_of(log.hashes),
    }
    bare = export.build(manifest, **parts, contents={})
    assert {**bare, **CONTENTS} == export.build(manifest, **parts, contents=CONTENTS)


def test_the_same_bytes_collected_twice_stand_in_the_export_once() -> None:
    files = (export.evidence_file(an_item()), export.evidence_file(an_item(id="ev-9", what="again")))
    assert len(a_manifest(a_log(), files=files).files) == 1


def test_a_stream_with_a_gap_is_not_exported() -> None:
    log = a_log()
    with pytest.raises(Malformed, match="position 2 is missing"):
        a_manifest(log, recorded=[(index, one) for index, one in log.of() if index != 2])


def test_a_document_has_a_plain_name() -> None:
    for name in ("report.html", "timeline.csv", "a", "a-b_c.json"):
        a_manifest(a_log(), files=(export.document(name, b"x", "x", "text/plain"),))
    for name in ("", ".", "..", "../x", "a/b", "A.html", "x\n", "-x", "é", "x" * 70, "a.b.c"):
        with pytest.raises(Malformed, match="may not stand"):
            a_manifest(a_log(), files=(export.document(name, b"x", "x", "text/plain"),))


def test_parts_that_do_not_belong_together_are_not_built() -> None:
    log = a_log()
    manifest, recorded = a_manifest(log), log.of()
    sealed = seal(log, manifest)
    right: dict[str, Any] = {
        "recorded": recorded,
        "seal": sealed,
        "checkpoint": log.checkpoint(),
        "lookup": merkle.lookup_of(log.hashes),
        "contents": CONTENTS,
    }
    export.build(manifest, **right)
    longer = a_log()
    longer.recorded, longer.hashes = list(log.recorded), list(log.hashes)
    longer.append("incident:other", Elsewhere(), scope="other")
    wrong: list[tuple[str, Any]] = [
        ("recorded", recorded[:-1]),
        ("recorded", [*recorded, sealed]),
        ("contents", {f"evidence/{digest(BLOB)}": b"other bytes"}),
        ("contents", {"../outside": b""}),
        ("checkpoint", b"no note"),
        ("checkpoint", log.checkpoint(13)),  # older than the seal
        ("checkpoint", longer.checkpoint()),  # newer than the seal
    ]
    for name, value in wrong:
        with pytest.raises((Malformed, Invalid)):
            export.build(manifest, **{**right, name: value})


def test_a_payload_that_is_no_object_is_not_exported() -> None:
    log = a_log()
    manifest, recorded = a_manifest(log), log.of()
    sealed = seal(log, manifest)
    lookup = merkle.lookup_of(log.hashes)
    index, one = recorded[0]
    recorded[0] = index, dataclasses.replace(one, payload=b"[]")
    with pytest.raises(Malformed, match="not an event"):
        export.build(
            manifest,
            recorded=recorded,
            seal=sealed,
            checkpoint=export.head(ORIGIN, sealed[0], lookup, SIGNER),
            lookup=lookup,
            contents={},
        )


def changed(manifest: Manifest, **fields: Any) -> bytes:
    return export.write(msgspec.structs.replace(manifest, **fields))


@pytest.mark.parametrize(
    "change",
    [
        lambda one: {"version": 2},
        lambda one: {"entries": one.entries[::-1]},
        lambda one: {"entries": (*one.entries, one.entries[-1])},
        lambda one: {"streams": one.streams[::-1]},
        lambda one: {"files": one.files[::-1]},
        lambda one: {"files": (one.files[0], one.files[0])},
        lambda one: {"files": (msgspec.structs.replace(one.files[1], size=-1),)},
        lambda one: {"files": (msgspec.structs.replace(one.files[1], path="evidence/" + "ab" * 32),)},
        lambda one: {"files": (msgspec.structs.replace(one.files[1], path="seal.json"),)},
        lambda one: {"entries": (msgspec.structs.replace(one.entries[0], index=-1),)},
        lambda one: {"entries": (msgspec.structs.replace(one.entries[0], position=0),)},
        lambda one: {"entries": (msgspec.structs.replace(one.entries[0], leaf="AB" * 32),)},
        lambda one: {"created_at": "yesterday"},
        lambda one: {"created_at": "2026-11-23T10:00:00Z"},
        lambda one: {"created_at": "0001-01-01T00:00:00.000000+14:00"},
        lambda one: {"vkey": "nobody"},
        lambda one: {"vkey": one.vkey.replace("log", "lag")},
        lambda one: {"absent": (export.Absent(sha256="x", reason="r"),)},
        lambda one: {"absent": (export.Absent(sha256="ab" * 32, reason="r"),) * 2},
        lambda one: {"earlier": (export.Earlier(size=1, root="x"),)},
        lambda one: {"earlier": (export.Earlier(size=1, root="ab" * 32),) * 2},
        lambda one: {"files": (msgspec.structs.replace(one.files[0], sha256="AB" * 32),)},
    ],
)
def test_a_manifest_that_is_not_exactly_one_is_malformed(change: Any) -> None:
    manifest = a_manifest(a_log())
    with pytest.raises(Malformed):
        export.read_manifest(changed(manifest, **change(manifest)))


@pytest.mark.parametrize(
    ("pattern", "put"),
    [
        (rb'"nonce":"[0-9a-f]{2}', rb'"nonce":"'),
        (rb'"nonce":"[0-9a-f]', rb'"nonce":"G'),
        (rb'"v":1', rb'"v":2'),
        (rb'"v":1', rb'"v":1.0'),
        (rb'"v":1', rb'"v":1,"w":1'),
        (rb'"number":0', rb'"number":0.5'),
        (rb'"number":0', rb'"number":9007199254740992'),
        (rb'"number":0', b'"number":' + b"[" * 3000 + b"]" * 3000),
        (rb'"number":0', rb'"number":-0'),
        (rb'"index":1', rb'"index":-1'),
        (rb'"index":1', rb'"index":"1"'),
        (rb'"position":1', rb'"position":0'),
        (rb'"at":"[^"]*"', rb'"at":"now"'),
        (rb'"proof":\["..', rb'"proof":["'),
        (rb'"digest":"..', rb'"digest":"zz'),
        (rb'"event":\{[^}]*\}', rb'"event":[]'),
        (rb'"declared"', rb'"\\u0064eclared"'),
        (rb"^", rb" "),
        (rb"$", rb"\n"),
    ],
)
def test_an_entry_that_is_not_exactly_one_is_malformed(pattern: bytes, put: bytes) -> None:
    data = an_export()["entries/00000001.json"]
    export.read_entry(data)
    other = re.sub(pattern, put, data, count=1)
    assert other != data
    with pytest.raises(Malformed):
        export.read_entry(other)


def test_a_consistency_proof_that_is_not_exactly_one_is_malformed() -> None:
    data = an_export()["consistency.json"]
    hashed = export.read_consistency(data).proofs[0].proof[0].encode()
    for other in (hashed.upper(), hashed[:-2], hashed[:2] + b" " + hashed[2:]):
        with pytest.raises(Malformed, match="SHA-256"):
            export.read_consistency(data.replace(hashed, other))


def test_gaps_are_named_by_stream_and_position() -> None:
    whole = a_manifest(a_log())
    first, *others = whole.streams
    longer = (StreamEnd(stream=first.stream, last=10**15), *others)
    shorter = (StreamEnd(stream=first.stream, last=1), *others)
    assert list(export.gaps(whole)) == []
    for streams, expected in (
        (longer, [("custody:ev-1", 3, f"is missing: the stream runs to position {10**15}")]),
        (shorter, [("custody:ev-1", 2, "lies beyond the last position of its stream, 1")]),
        (
            tuple(others),
            [("custody:ev-1", at, "belongs to a stream that the manifest does not list") for at in (1, 2)],
        ),
    ):
        assert list(export.gaps(msgspec.structs.replace(whole, streams=streams))) == expected
    lines = list(whole.entries)
    lines[0], lines[1] = (
        msgspec.structs.replace(lines[0], position=2),
        msgspec.structs.replace(lines[1], position=1),
    )
    told = list(export.gaps(msgspec.structs.replace(whole, entries=tuple(lines))))
    assert (f"incident:{INCIDENT}", 1, "stands in the log after position 2") in told


def test_an_export_of_an_empty_incident_still_proves_its_seal() -> None:
    log = a_log()
    manifest = export.plan(
        kind="audit",
        export=EXPORT,
        incident="",
        origin="tocsin.example/log",
        vkey=SIGNER.vkey,
        created_at=MORNING,
        recorded=[],
    )
    sealed = seal(log, manifest)
    files = export.build(
        manifest,
        recorded=[],
        seal=sealed,
        checkpoint=log.checkpoint(),
        lookup=merkle.lookup_of(log.hashes),
        contents={},
    )
    assert sorted(files) == ["checkpoint", "manifest.json", "seal.json"]
    report = verify(Held(files), key=SIGNER.vkey)
    assert report.status == "intact"
    assert not any("file" in line for line in report.proved)
