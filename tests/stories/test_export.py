"""Exports that follow one another, and exports of a record that lost a piece (EVI-3, EVI-4)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stories.harness import World
from tocsin.engine import seal
from tocsin.engine.seal import Exported
from tocsin.evidence.reader import Held
from tocsin.evidence.report import Report
from tocsin.evidence.verify import verify
from tocsin.incidents.incident import INCIDENT, AddNote
from tocsin.kernel.errors import Refused
from tocsin.store import tables


def exported(world: World, incident: str, *, allow_missing: bool = False) -> Exported:
    return seal.export_incident(
        world.program.world,
        incident,
        by="ada",
        purpose="Audit",
        actor="person:ada",
        allow_missing=allow_missing,
    )


def checked(made: Exported, earlier: bytes | None = None) -> Report:
    return verify(Held(made.files), key=made.vkey, earlier=earlier)


def linked(report: Report) -> bool:
    return report.status == "intact" and any("continues the checkpoint" in line for line in report.proved)


def note(world: World, incident: str, text: str) -> None:
    store = world.program.world.store
    store.run(
        lambda tx: tx.execute(INCIDENT, incident, AddNote(text=text), actor="person:ada", scope=incident)
    )


def test_the_head_of_an_export_is_kept_and_exports_of_others_continue_it() -> None:
    with World() as world:
        first, second = world.declare("One", system="loan"), world.declare("Two", system="loan")
        before = exported(world, first)
        kept = world.program.world.store.read(
            lambda connection: connection.execute(tables.checkpoint.select()).all()
        )
        assert before.files["checkpoint"] in [bytes(row.note) for row in kept]
        note(world, second, "Later")
        assert linked(checked(exported(world, second), before.files["checkpoint"]))


def test_an_export_continues_every_earlier_one_of_its_incident_however_many_were_signed_since(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(seal, "CHECKPOINTS_PROVED", 2)
    with World() as world:
        first, other = world.declare("One", system="loan"), world.declare("Two", system="loan")
        heads = [exported(world, first).files["checkpoint"]]
        for number in range(4):
            note(world, other, f"Number {number}")
            exported(world, other)
        heads.append(exported(world, first).files["checkpoint"])
        for number in range(4):
            note(world, other, f"Again {number}")
            exported(world, other)
        last = exported(world, first)
        proofs = last.files["consistency.json"]
        for head in heads:
            assert f'"size":{int(head.splitlines()[1])}}}'.encode() in proofs
            assert linked(checked(last, head))


def one_item(world: World) -> tuple[str, Path]:
    """Return an incident with one item of evidence, and the file that holds its bytes."""
    program = world.program.world
    id = world.declare("One", system="loan")
    have = set((world.directory / "data").rglob("*"))
    seal.keep(
        program, id, b"a letter", what="letter.txt", media_type="text/plain", reason="Sent by a customer",
        actor="person:ada", id="item-1",
    )  # fmt: skip
    (file,) = [one for one in set((world.directory / "data").rglob("*")) - have if one.is_file()]
    return id, file


@pytest.mark.parametrize("damage", ["deleted", "changed"])
def test_a_record_that_lost_evidence_is_not_exported_as_if_it_were_whole(damage: str) -> None:
    with World() as world:
        id, file = one_item(world)
        assert checked(exported(world, id)).status == "intact"
        file.chmod(0o600)
        if damage == "deleted":
            file.unlink()
        else:
            file.write_bytes(file.read_bytes()[:-1] + b"?")
        store = world.program.world.store
        before = len(store.events(scope=id))
        with pytest.raises(Refused, match=r"item-1, 'letter\.txt', cannot be exported"):
            exported(world, id)
        assert len(store.events(scope=id)) == before
        report = checked(exported(world, id, allow_missing=True))
        assert report.status == "not intact"
        (finding,) = report.findings
        assert "the evidence item-1, 'letter.txt', is absent" in finding.problem
