"""Pinning the reference that monitors compare with: by an administrator, on the record (SIG-2, CAT-4)."""

from __future__ import annotations

from sqlalchemy import select

from tests.unit.web.conftest import Place
from tocsin.catalog.applied import CONFIGURATION
from tocsin.engine import access
from tocsin.store import tables
from tocsin.store.transaction import INSTALLATION
from tocsin_sdk import Profile

PATH = "/api/v1/systems/loan-approval/reference"


def body() -> dict[str, object]:
    profile = Profile()
    profile.add(features={"income": 1.5}, prediction="deny", score=0.5, group="a")
    return {"profile": profile.to_wire(), "model_version": "7", "note": "Validation data"}


def test_a_pinned_reference_is_on_the_record_with_who_pinned_it(place: Place) -> None:
    answer = place.client(**place.bearer("administrator")).post(PATH, json=body())
    assert answer.status_code == 201
    told = place.world.store.events(stream=CONFIGURATION.stream(INSTALLATION))[-1][1]
    assert b'"type":"configuration.reference_pinned"' in told.payload
    assert answer.json()["sha256"].encode() in told.payload
    query = select(tables.reference.c.digest, tables.reference.c.pinned_by)
    row = place.world.store.read(lambda connection: connection.execute(query).one())
    assert tuple(row) == (answer.json()["sha256"], told.actor)


def test_an_integration_key_does_not_replace_the_reference(place: Place) -> None:
    _, key = access.create_integration_key(place.world, "model server", actor="system:test")
    assert place.client(authorization=f"Bearer {key}").post(PATH, json=body()).status_code == 403
    count = place.world.store.read(lambda connection: connection.execute(select(tables.reference)).all())
    assert count == []
