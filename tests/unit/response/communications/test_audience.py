"""Audiences: who belongs to them, by when they are reached, and who needs plain words."""

from __future__ import annotations

import pytest

from tocsin.catalog.team import Person
from tocsin.response.communications.audience import AUDIENCES, audience, members, plain_words


def person(id: str, *roles: str) -> Person:
    return Person(id=id, name=id, email=f"{id}@example.org", roles=roles)


def test_every_audience_of_a_template_exists() -> None:
    from typing import get_args, get_type_hints

    from tocsin.catalog.template import Template

    assert {each.id for each in AUDIENCES} == set(get_args(get_type_hints(Template)["audience"]))


@pytest.mark.parametrize(
    ("id", "channel", "minutes"),
    [
        ("executives", "phone", 15),
        ("executives", "conference", 30),
        ("departments", "phone", 30),
        ("departments", "email", 120),
        ("support", "chat", 0),
        ("customers", "in_app", 0),
        ("customers", "status_page", 15),
        ("customers", "email", 60),
        ("partners", "phone", 120),
    ],
)
def test_the_time_limits_are_those_of_com_3(id: str, channel: str, minutes: int) -> None:
    found = audience(id)
    assert found is not None
    assert {reach.channel: reach.within_minutes for reach in found.reach}[channel] == minutes


def test_outsiders_get_plain_words_and_so_does_an_audience_nobody_knows() -> None:
    assert {each.id for each in AUDIENCES if plain_words(each.id)} == {
        "departments", "support", "customers", "partners", "public",
    }  # fmt: skip
    assert plain_words("neighbours")
    assert audience("neighbours") is None


def test_members_are_found_by_role() -> None:
    people = (person("cy", "executive"), person("ana", "commander", "executive"), person("bo", "ml_engineer"))
    assert [each.id for each in members("executives", people)] == ["ana", "cy"]
    assert [each.id for each in members("responders", people)] == ["ana", "bo"]
    assert members("customers", people) == ()
    assert members("neighbours", people) == ()
