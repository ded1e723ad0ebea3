"""The proof behind one entry of a timeline, in words, checked before one's eyes (EVI-4, RSP-7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from tocsin.engine import review, seal
from tocsin.engine.seal import Proof
from tocsin.evidence import merkle
from tocsin.evidence.checkpoint import Checkpoint
from tocsin.evidence.note import NoteVerifier
from tocsin.incidents.incident import INCIDENT
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.event import Recorded, leaf_bytes, payload_digest, wire_name
from tocsin.web.api.answers import incident_id
from tocsin.web.pages.layout import page
from tocsin.web.permissions import Caller, Needs, program_of

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked just now. `fault` is empty when it holds."""

    text: str
    fault: str


@router.get("/incidents/{number}/proofs/{index}")
def proof_page(
    request: Request, number: int, index: int, caller: Annotated[Caller, Depends(Needs("log"))]
) -> Response:
    """Show the inclusion proof of one entry and check it."""
    world = program_of(request).world
    id = incident_id(world, str(number))
    proof = seal.prove(world, id, index)
    recorded = next(
        one for _, one in world.store.events(stream=proof.stream) if one.position == proof.position
    )
    lines = review.told(world, [(index, recorded)])
    return page(
        request,
        "proof.html",
        title=f"Proof of entry {index} · INC-{number}",
        section="/incidents",
        incident=world.store.state(INCIDENT, id),
        proof=proof,
        entry=recorded,
        type=wire_name(recorded.event),
        line=lines[0] if lines else None,
        size=Checkpoint.open(proof.checkpoint, NoteVerifier.parse(proof.vkey)).size,
        checks=checks(proof, recorded),
    )


def checks(proof: Proof, recorded: Recorded) -> list[Check]:
    """Return what was checked: the entry against its leaf, the leaf against the root, the root's signature."""
    made = leaf_bytes(
        stream=recorded.stream,
        position=recorded.position,
        type=wire_name(recorded.event),
        at=recorded.at,
        actor=recorded.actor,
        digest=payload_digest(recorded.nonce, recorded.payload),
    )
    same = "" if merkle.leaf_hash(made) == proof.leaf else "The entry as it is stored has another hash."

    def signed() -> None:
        Checkpoint.open(proof.checkpoint, NoteVerifier.parse(proof.vkey))

    def included() -> None:
        head = Checkpoint.open(proof.checkpoint, NoteVerifier.parse(proof.vkey))
        merkle.verify_inclusion(proof.leaf, proof.index, head.size, proof.path, head.root)

    return [
        Check("The entry as it is stored has the hash of this leaf.", same),
        Check("The leaf and the path lead to the root of the log.", _fault(included)),
        Check("The size and the root of the log are signed by its key.", _fault(signed)),
    ]


def _fault(check: Callable[[], None]) -> str:
    try:
        check()
    except TocsinError as error:
        return str(error)
    return ""
