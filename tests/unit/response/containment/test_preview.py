"""The blast radius is worked out from the catalog, and never told smaller than it is (CON-3)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tocsin.catalog.system import Component, System
from tocsin.response.containment.preview import Change, blast_radius, dependents


def system(id: str, *depends_on: str, users: int = 0, decisions: int = 0, **more: Any) -> System:
    return System(
        id=id,
        name=id,
        purpose="Decides",
        owner="team",
        users_exposed=users,
        decisions_per_day=decisions,
        depends_on=depends_on,
        **more,
    )


LOAN = system("loan", "features", users=1001, decisions=401)
OFFER = system("offer", "loan", users=50)
LETTER = system("letter", "offer", users=7)
SCORING = Component(id="scoring", name="Scoring", type="serving", depends_on=("loan",))
FEATURES = Component(id="features", name="Features", type="feature_store")
CATALOG = (LOAN, LETTER, OFFER, SCORING, FEATURES)


def test_dependents_are_found_through_others():
    assert [entry.id for entry in dependents("loan", CATALOG)] == ["letter", "offer", "scoring"]
    assert [entry.id for entry in dependents("features", CATALOG)] == ["letter", "loan", "offer", "scoring"]
    assert dependents("letter", CATALOG) == ()


def test_a_circle_of_dependencies_ends_and_does_not_hold_its_start():
    circle = (system("a", "c"), system("b", "a"), system("c", "b"))
    assert [entry.id for entry in dependents("a", circle)] == ["b", "c"]


def test_all_users_of_the_system_and_of_its_dependents_are_affected():
    found = blast_radius(LOAN, dependents("loan", CATALOG))
    assert found.systems == ("loan", "letter", "offer", "scoring")
    assert (found.users, found.decisions_per_day, found.share) == (1001 + 50 + 7, 401, Decimal(1))


def test_a_share_of_the_traffic_is_rounded_up():
    found = blast_radius(LOAN, (OFFER,), share=Decimal("0.1"))
    assert (found.users, found.decisions_per_day, found.share) == (101 + 50, 41, Decimal("0.1"))
    assert blast_radius(LOAN, share=Decimal(0)).users == 0


def test_a_system_is_counted_once_however_often_it_is_named():
    assert blast_radius(LOAN, (OFFER, OFFER, LOAN)).users == 1051


@pytest.mark.parametrize("share", [Decimal("-0.1"), Decimal("1.1")])
def test_a_share_outside_0_to_1_is_an_error_of_the_caller(share):
    with pytest.raises(ValueError, match="a share lies between 0 and 1"):
        blast_radius(LOAN, share=share)


def test_a_change_is_written_with_from_and_to():
    change = Change(what="alias", was="7", becomes="6")
    assert msgspec.to_builtins(change) == {"what": "alias", "from": "7", "to": "6"}
