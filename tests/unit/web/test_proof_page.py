"""The page behind the tick of a timeline's entry: the proof in words, checked on the spot (EVI-4)."""

from __future__ import annotations

import dataclasses

import pytest

from tests.unit.web.conftest import Place
from tocsin.engine import seal
from tocsin.engine.seal import Proof
from tocsin.evidence import merkle
from tocsin.evidence.checkpoint import Checkpoint
from tocsin.evidence.note import NoteSigner, NoteVerifier
from tocsin.kernel.event import Recorded
from tocsin.web.pages.proof import checks


@pytest.fixture(scope="module")
def entry(shared_place: Place) -> tuple[str, int, Recorded]:
    """An incident's id with the index and event of its declaration."""
    shared_place.declare()
    all_of = shared_place.world.store.events()
    index, one = next((index, one) for index, one in all_of if one.stream.startswith("incident:"))
    return one.scope, index, one


@pytest.fixture(scope="module")
def proof(shared_place: Place, entry: tuple[str, int, Recorded]) -> Proof:
    """The proof of that entry."""
    return seal.prove(shared_place.world, entry[0], entry[1])


def faults(proof: Proof, recorded: Recorded) -> list[bool]:
    """Return which of the checks fail."""
    return [bool(one.fault) for one in checks(proof, recorded)]


def test_the_page_explains_the_proof_and_says_that_it_holds(
    shared_place: Place, entry: tuple[str, int, Recorded], proof: Proof
) -> None:
    html = shared_place.signed_in("viewer").get(f"/incidents/1/proofs/{entry[1]}").text
    assert html.count("checked: holds") == 3
    assert "fails" not in html
    assert f"Entry {entry[1]} is proved" in html
    for part in (proof.leaf.hex(), proof.vkey, *(one.hex() for one in proof.path)):
        assert part.replace("+", "&#43;") in html or part in html
    assert "tocsin verify" in html


def test_the_console_leads_there_from_each_entry(
    shared_place: Place, entry: tuple[str, int, Recorded]
) -> None:
    html = shared_place.signed_in("viewer").get("/incidents/1").text
    assert f'href="/incidents/1/proofs/{entry[1]}"' in html


def test_the_api_gives_the_same_proof(
    shared_place: Place, entry: tuple[str, int, Recorded], proof: Proof
) -> None:
    told = (
        shared_place.client(**shared_place.bearer("viewer"))
        .get(f"/api/v1/incidents/1/proofs/{entry[1]}")
        .json()
    )
    assert (told["leaf_hash"], told["vkey"]) == (proof.leaf.hex(), proof.vkey)
    head = Checkpoint.open(told["checkpoint"].encode(), NoteVerifier.parse(told["vkey"]))
    path = [bytes.fromhex(one) for one in told["proof"]]
    merkle.verify_inclusion(bytes.fromhex(told["leaf_hash"]), told["index"], head.size, path, head.root)


def test_an_entry_of_another_scope_has_no_proof_here(
    shared_place: Place, entry: tuple[str, int, Recorded]
) -> None:
    answer = shared_place.signed_in("viewer").get(
        "/incidents/1/proofs/0"
    )  # the installation's own first event
    assert (answer.status_code, "is not one of this incident" in answer.text) == (404, True)


def test_a_true_entry_passes_every_check(entry: tuple[str, int, Recorded], proof: Proof) -> None:
    assert faults(proof, entry[2]) == [False, False, False]


def test_an_entry_that_was_changed_in_the_store_fails(entry: tuple[str, int, Recorded], proof: Proof) -> None:
    for changed in (
        dataclasses.replace(entry[2], payload=entry[2].payload + b" "),
        dataclasses.replace(entry[2], actor="person:mallory"),
        dataclasses.replace(entry[2], position=entry[2].position + 1),
    ):
        assert faults(proof, changed) == [True, False, False]


def test_a_path_or_a_leaf_that_leads_elsewhere_fails(entry: tuple[str, int, Recorded], proof: Proof) -> None:
    assert faults(dataclasses.replace(proof, path=proof.path[::-1]), entry[2]) == [False, True, False]
    assert faults(dataclasses.replace(proof, path=proof.path[1:]), entry[2]) == [False, True, False]
    assert faults(dataclasses.replace(proof, leaf=b"\0" * 32), entry[2]) == [True, True, False]


def test_a_root_signed_by_another_key_fails(entry: tuple[str, int, Recorded], proof: Proof) -> None:
    other = NoteSigner(b"9" * 32, proof.vkey.partition("+")[0])
    head = Checkpoint(origin=other.name, size=proof.index + 1, root=b"\1" * 32).sign(other)
    assert faults(dataclasses.replace(proof, checkpoint=head), entry[2]) == [False, True, True]
