"""What the API refuses at its door, before it could harm the record (CLS-3, EVI-1)."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from tests.unit.web.conftest import T0, Place

PATH = "/api/v1/incidents"


def declared(place: Place, **body: Any) -> Any:
    return place.client(**place.bearer("lead")).post(PATH, json={"title": "It is wrong", **body})


@pytest.mark.parametrize("number", [2**53, -(2**53), 2**64])
def test_a_fact_that_json_cannot_carry_exactly_is_named(shared_place: Place, number: int) -> None:
    answer = declared(shared_place, facts={"system.users_exposed": number})
    assert (answer.status_code, answer.json()["where"]) == (422, "facts.system.users_exposed")
    taken = declared(shared_place, facts={"system.users_exposed": 2**53 - 1})
    assert taken.status_code == 201
    more = f"{PATH}/{taken.json()['id']}/facts"
    body = {"facts": {"system.users_exposed": number}, "reason": "Counted again"}
    again = shared_place.client(**shared_place.bearer("lead")).post(more, json=body)
    assert (again.status_code, again.json()["where"]) == (422, "facts.system.users_exposed")


@pytest.mark.parametrize(
    "began",
    [
        "0001-01-01T00:00:00+23:00",
        "9999-12-31T23:59:59-23:00",
        "1999-12-31T23:59:59Z",
        (T0 + dt.timedelta(days=1, seconds=1)).isoformat(),
    ],
)
def test_a_start_that_cannot_be_is_named(shared_place: Place, began: str) -> None:
    answer = declared(shared_place, began_at=began)
    assert (answer.status_code, answer.json()["where"]) == (422, "began_at")


def test_a_start_is_kept_in_utc(shared_place: Place) -> None:
    id = declared(shared_place, began_at="2026-01-05T09:30:00+01:00").json()["id"]
    told = shared_place.client(**shared_place.bearer("lead")).get(f"{PATH}/{id}").json()
    assert told["incident"]["began_at"] == "2026-01-05T08:30:00Z"


def test_a_half_character_is_refused_and_not_an_accident(shared_place: Place) -> None:
    headers = {**shared_place.bearer("lead"), "content-type": "application/json"}
    answer = shared_place.client(**headers).post(PATH, content=b'{"title": "half \\ud800 of it"}')
    assert answer.status_code in (400, 422)
