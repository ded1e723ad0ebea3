"""Someone changes an export. Whatever it is, the verifier says 'not intact' and names the item."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.evidence.small_log import (
    BLOB,
    CONTENTS,
    INCIDENT,
    ORIGIN,
    OTHER_SIGNER,
    SIGNER,
    a_log,
    a_manifest,
    an_export,
    seal,
)
from tocsin.evidence import export, merkle
from tocsin.evidence.checkpoint import Checkpoint
from tocsin.evidence.item import digest
from tocsin.evidence.note import Note
from tocsin.evidence.reader import Held
from tocsin.evidence.verify import verify
from tocsin.kernel import canonical

Files = dict[str, bytes]
SOUND = an_export()
JSON_FILES = [path for path in SOUND if path.endswith(".json")]
ENTRY, NEXT = "entries/00000002.json", "entries/00000010.json"
BLOB_PATH = f"evidence/{digest(BLOB)}"


def assert_named(files: Files, *paths: str, key: str | None = SIGNER.vkey) -> None:
    report = verify(Held(files), key=key)
    assert report.status == "not intact"
    assert set(paths) <= {finding.path for finding in report.findings}, report.findings
    assert all(finding.problem for finding in report.findings)


def edited(path: str, old: bytes, new: bytes) -> Callable[[Files], Files]:
    def edit(files: Files) -> Files:
        assert files[path].count(old) >= 1, "the attack must change something"
        return {**files, path: files[path].replace(old, new, 1)}

    return edit


def without(path: str) -> Callable[[Files], Files]:
    return lambda files: {name: data for name, data in files.items() if name != path}


def swapped(one: str, other: str) -> Callable[[Files], Files]:
    return lambda files: {**files, one: files[other], other: files[one]}


def renamed(old: str, new: str) -> Callable[[Files], Files]:
    return lambda files: {new if name == old else name: data for name, data in files.items()}


def in_json(path: str, change: Callable[[dict[str, Any]], object]) -> Callable[[Files], Files]:
    def edit(files: Files) -> Files:
        value = json.loads(files[path])
        change(value)
        return {**files, path: canonical.encode(value)}

    return edit


def resigned(files: Files) -> Files:
    """Sign the same checkpoint with another key of the same name."""
    text = Note.parse(files["checkpoint"]).text
    return {**files, "checkpoint": OTHER_SIGNER.sign(text)}


def resigned_and_presented(files: Files) -> Files:
    """Sign with another key and name that key in the manifest."""
    files = resigned(files)
    return in_json("manifest.json", lambda manifest: manifest.update(vkey=OTHER_SIGNER.vkey))(files)


def cosigned(files: Files) -> Files:
    note, other = Note.parse(files["checkpoint"]), Note.parse(OTHER_SIGNER.sign("x\n"))
    return {**files, "checkpoint": Note(note.text, note.signatures + other.signatures).encode()}


def signed_twice(files: Files) -> Files:
    note = Note.parse(files["checkpoint"])
    return {**files, "checkpoint": Note(note.text, note.signatures * 2).encode()}


def with_signed_head(size: int, root: bytes) -> Callable[[Files], Files]:
    """The holder of the key signs another head of the log."""
    return lambda files: {**files, "checkpoint": Checkpoint(ORIGIN, size, root).sign(SIGNER)}


def shortened_by_the_owner(files: Files) -> Files:
    """The holder of the key takes the last event out of manifest and directory, and signs again."""
    files = without("entries/00000011.json")(files)
    files = in_json("manifest.json", lambda manifest: manifest["entries"].pop())(files)
    files = in_json("manifest.json", lambda one: one["streams"][2].update(last=3))(files)
    return {**files, "checkpoint": SIGNER.sign(Note.parse(files["checkpoint"]).text)}


def shortened_with_the_seal_adapted(files: Files) -> Files:
    """As above, and the digest in the seal's event is made to fit."""
    files = shortened_by_the_owner(files)
    fitting = digest(files["manifest.json"])
    return in_json("seal.json", lambda one: one["event"].update(manifest_sha256=fitting))(files)


def shortened_with_the_leaf_adapted(files: Files) -> Files:
    """As above, and the seal's leaf is made to fit its event."""
    files = shortened_with_the_seal_adapted(files)
    entry = export.read_entry(files["seal.json"])
    return in_json("seal.json", lambda one: one["leaf"].update(digest=entry.payload_digest()))(files)


def with_the_seal_of_another_export(files: Files) -> Files:
    """Put the seal, proof and checkpoint of a second, shorter export of the same log in place."""
    log = a_log()
    mine = [one for one in log.of() if one[1].stream != "run:r-1"]
    manifest = a_manifest(log, recorded=mine, id="second")
    sealed = seal(log, manifest)
    second = export.build(
        manifest,
        recorded=mine,
        seal=sealed,
        checkpoint=log.checkpoint(),
        lookup=merkle.lookup_of(log.hashes),
        contents=CONTENTS,
    )
    return {**files, "seal.json": second["seal.json"], "checkpoint": second["checkpoint"]}


ATTACKS: list[tuple[str, Callable[[Files], Files], tuple[str, ...]]] = [
    ("an event is reworded", edited(ENTRY, b"9 h", b"8 h"), (ENTRY,)),
    ("an actor is replaced", edited(ENTRY, b'"actor":"ana"', b'"actor":"ben"'), (ENTRY,)),
    ("a time is moved", edited(ENTRY, b"09:00:02", b"09:00:03"), (ENTRY,)),
    ("a type is changed in leaf and event", lambda files: edited(ENTRY, b"test.happened", b"test.whatever")(
        edited(ENTRY, b"test.happened", b"test.whatever")(files)), (ENTRY,)),
    ("a nonce is changed", in_json(ENTRY, lambda one: one.update(nonce="00" * 16)), (ENTRY,)),
    ("an event is changed and its digest adapted", lambda files: in_json(ENTRY, lambda one: one["leaf"].update(
        digest=export.read_entry(edited(ENTRY, b"9 h", b"8 h")(files)[ENTRY]).payload_digest()))(
            edited(ENTRY, b"9 h", b"8 h")(files)), (ENTRY,)),
    ("a field is added to an event", in_json(ENTRY, lambda one: one["event"].update(more=1)), (ENTRY,)),
    ("a field is added beside the event", in_json(ENTRY, lambda one: one.update(more=1)), (ENTRY,)),
    ("a field is taken from an entry", in_json(ENTRY, lambda one: one.pop("nonce")), (ENTRY,)),
    ("a proof is emptied", in_json(ENTRY, lambda one: one.update(proof=[])), (ENTRY,)),
    ("a proof is lengthened", in_json(ENTRY, lambda one: one["proof"].append("ab" * 32)), (ENTRY,)),
    ("a proof is reversed", in_json(ENTRY, lambda one: one["proof"].reverse()), (ENTRY,)),
    ("an index is changed", in_json(ENTRY, lambda one: one.update(index=3)), (ENTRY,)),
    ("two entries change places", swapped(ENTRY, NEXT), (ENTRY, NEXT)),
    ("two entries change places with their indexes", lambda files: in_json(
        NEXT, lambda one: one.update(index=10))(in_json(ENTRY, lambda one: one.update(index=2))(
            swapped(ENTRY, NEXT)(files))), (ENTRY, NEXT)),
    ("an entry is deleted", without(ENTRY), (ENTRY,)),
    ("an entry is renamed", renamed(ENTRY, "entries/00000003.json"), (ENTRY, "entries/00000003.json")),
    ("an entry is cut short", lambda files: {**files, ENTRY: files[ENTRY][:-1]}, (ENTRY,)),
    ("an entry is emptied", lambda files: {**files, ENTRY: b""}, (ENTRY,)),
    ("an entry is added", lambda files: {**files, "entries/00000003.json": files[ENTRY]},
        ("entries/00000003.json",)),
    ("a file is added", lambda files: {**files, "note.txt": b"by the way"}, ("note.txt",)),
    ("a file is added to the evidence", lambda files: {**files, "evidence/x": b""}, ("evidence/x",)),
    ("evidence is changed", edited(BLOB_PATH, b"7", b"6"), (BLOB_PATH,)),
    ("evidence is lengthened", lambda files: {**files, BLOB_PATH: BLOB + b"\n"}, (BLOB_PATH,)),
    ("evidence is deleted", without(BLOB_PATH), (BLOB_PATH,)),
    ("evidence changes places", swapped(*sorted(path for path in SOUND if path.startswith("evidence/"))),
        (BLOB_PATH,)),
    ("a document is changed", edited("documents/report.html", b"the", b"The"), ("documents/report.html",)),
    ("a document is deleted", without("documents/report.html"), ("documents/report.html",)),
    ("the manifest loses an entry", in_json("manifest.json", lambda one: one["entries"].pop()),
        ("manifest.json", "entries/00000011.json")),
    ("the manifest loses a file", in_json("manifest.json", lambda one: one["files"].pop()), ("manifest.json",)),
    ("the manifest declares evidence absent", lambda files: without(BLOB_PATH)(in_json("manifest.json", lambda one: (
        one["files"].pop(1), one["absent"].append({"sha256": digest(BLOB), "reason": "lost"})))(files)),
        ("manifest.json",)),
    ("the manifest speaks of another incident", edited("manifest.json", INCIDENT.encode(), b"0190"),
        ("manifest.json",)),
    ("the manifest speaks of another time", edited("manifest.json", b"10:00", b"11:00"), ("manifest.json",)),
    ("the manifest is cut short", lambda files: {**files, "manifest.json": files["manifest.json"][:-1]},
        ("manifest.json",)),
    ("the manifest is deleted", without("manifest.json"), ("manifest.json",)),
    ("the manifest is deleted and an entry changed", lambda files: without("manifest.json")(
        edited(ENTRY, b"9 h", b"8 h")(files)), ("manifest.json", ENTRY)),
    ("the seal is deleted", without("seal.json"), ("seal.json",)),
    ("the seal is replaced by an entry", lambda files: {**files, "seal.json": files[ENTRY]}, ("seal.json",)),
    ("the seal names another manifest", in_json("seal.json", lambda one: one["event"].update(
        manifest_sha256="ab" * 32)), ("seal.json",)),
    ("the checkpoint is deleted", without("checkpoint"), ("checkpoint",)),
    ("the checkpoint is of another size", edited("checkpoint", b"\n14\n", b"\n15\n"), ("checkpoint",)),
    ("the checkpoint is of another log", edited("checkpoint", b"tocsin", b"toxsin"), ("checkpoint",)),
    ("the checkpoint is signed by another key", resigned, ("checkpoint",)),
    ("another key signs and is presented", resigned_and_presented, ("manifest.json",)),
    ("another key signs as well", cosigned, ("checkpoint",)),
    ("the checkpoint is signed twice", signed_twice, ("checkpoint",)),
    ("the checkpoint loses its signature", lambda files: {**files, "checkpoint": files["checkpoint"].split(
        b"\n\n")[0] + b"\n\n"}, ("checkpoint",)),
    ("the owner signs another root", with_signed_head(14, bytes(32)), (ENTRY, NEXT, "seal.json")),
    ("the owner signs another size", with_signed_head(15, Checkpoint.parse(Note.parse(
        SOUND["checkpoint"]).text).root), ("seal.json",)),
    ("the owner signs for another log", lambda files: {**files, "checkpoint": Checkpoint("other", 14,
        Checkpoint.parse(Note.parse(files["checkpoint"]).text).root).sign(SIGNER)}, ("checkpoint",)),
    ("the owner shortens the export", shortened_by_the_owner, ("manifest.json",)),
    ("the owner shortens it and adapts the seal", shortened_with_the_seal_adapted, ("seal.json",)),
    ("the owner shortens it and adapts the leaf", shortened_with_the_leaf_adapted, ("seal.json",)),
    ("the seal of another export is put in", with_the_seal_of_another_export, ("manifest.json",)),
    ("a consistency proof is deleted", without("consistency.json"), ("consistency.json",)),
    ("a consistency proof is emptied", in_json("consistency.json", lambda one: one["proofs"][0].update(proof=[])),
        ("consistency.json",)),
    ("a consistency proof is taken out", in_json("consistency.json", lambda one: one["proofs"].clear()),
        ("consistency.json",)),
    ("a consistency proof is of another size", in_json("consistency.json", lambda one: one["proofs"][0].update(
        size=6)), ("consistency.json",)),
]  # fmt: skip


def test_the_export_is_sound_before_anyone_touches_it() -> None:
    assert verify(Held(SOUND), key=SIGNER.vkey).findings == ()


@pytest.mark.parametrize(("attack", "paths"), [row[1:] for row in ATTACKS], ids=[row[0] for row in ATTACKS])
def test_an_attack_is_found_and_its_item_named(
    attack: Callable[[Files], Files], paths: tuple[str, ...]
) -> None:
    changed = attack(dict(SOUND))
    assert changed != SOUND, "the attack must change something"
    assert_named(changed, *paths)
    assert_named(changed, *paths, key=None)


def test_without_a_manifest_an_entry_still_answers_for_its_name() -> None:
    files = without("manifest.json")(swapped(ENTRY, NEXT)(SOUND))
    assert_named(files, "manifest.json", ENTRY, NEXT)


@pytest.mark.parametrize("path", sorted(SOUND))
def test_a_missing_file_is_named_and_no_other(path: str) -> None:
    report = verify(Held(without(path)(SOUND)), key=SIGNER.vkey)
    assert report.status == "not intact"
    assert [finding.path for finding in report.findings] == [path]


@pytest.mark.parametrize("path", sorted(SOUND))
def test_a_file_with_one_byte_more_or_less_is_named(path: str) -> None:
    for data in (SOUND[path] + b"\n", b" " + SOUND[path], SOUND[path][1:], SOUND[path][:-1], b""):
        assert_named({**SOUND, path: data}, path)


@pytest.mark.parametrize("path", sorted(JSON_FILES))
def test_the_same_json_written_otherwise_is_named(path: str) -> None:
    value = json.loads(SOUND[path])
    for text in (
        json.dumps(value),
        json.dumps(value, indent=2),
        json.dumps(value, separators=(",", ":"), sort_keys=True).replace("e", "\\u0065", 1),
        json.dumps(dict(sorted(value.items(), reverse=True)) | {"end": 1}, separators=(",", ":")),
        SOUND[path].decode().replace("{", '{"event":0,', 1),  # one name twice; the last one wins elsewhere
    ):
        assert text.encode() != SOUND[path]
        assert_named({**SOUND, path: text.encode()}, path)


@pytest.mark.parametrize("path", ["checkpoint", "documents/report.html", BLOB_PATH, "seal.json", ENTRY])
def test_every_byte_of_a_small_file_counts(path: str) -> None:
    for place in range(len(SOUND[path])):
        changed = bytearray(SOUND[path])
        changed[place] ^= 0x01
        assert_named({**SOUND, path: bytes(changed)}, path)


def test_three_hundred_random_flipped_bits_are_all_found() -> None:
    chance = random.Random(20261123)
    total = sum(len(data) for data in SOUND.values())
    for _ in range(300):
        place = chance.randrange(total)  # every byte of the export is as likely as any other
        for path, data in SOUND.items():
            if place < len(data):
                changed = bytearray(data)
                changed[place] ^= 1 << chance.randrange(8)
                assert_named({**SOUND, path: bytes(changed)}, path, key=chance.choice([None, SIGNER.vkey]))
                break
            place -= len(data)


@given(st.sampled_from(sorted(SOUND)), st.binary(max_size=200))
def test_no_bytes_in_the_place_of_a_file_break_the_verifier(path: str, data: bytes) -> None:
    assert_named({**SOUND, path: data}, path)


@given(st.sampled_from(sorted(JSON_FILES)), st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
), st.data())  # fmt: skip
def test_no_json_in_the_place_of_a_field_breaks_the_verifier(
    path: str, junk: object, data: st.DataObject
) -> None:
    value = json.loads(SOUND[path])
    name = data.draw(st.sampled_from(sorted(value)))
    if value[name] == junk:
        return
    value[name] = junk
    changed = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert_named({**SOUND, path: changed.encode("utf-8", "surrogatepass")}, path)
