"""Who may agree to an action, and what is still missing, in sentences (CON-3)."""

from __future__ import annotations

import itertools

import pytest

from tocsin.response.containment.approval import (
    Approval,
    fill,
    listed,
    missing,
    objection,
    open_roles,
    policy,
    sign,
    spoken,
)


def given(by: str, *roles: str) -> Approval:
    return Approval(by=by, role=roles[0], roles=roles)


@pytest.mark.parametrize(
    ("roles", "sentence"),
    [
        ((), "Nobody has to approve this action at this severity."),
        (("commander",), "Needs the incident commander, who may be the person that asks for it."),
        (
            ("commander", "legal_compliance", "executive"),
            (
                "Needs the incident commander, legal and compliance and an executive: 3 different people, "
                "none of them the person that asks for it."
            ),
        ),
    ],
)
def test_the_policy_is_told_before_anybody_asks(roles, sentence):
    assert policy(roles) == sentence


def test_what_is_missing_names_the_roles():
    roles = ("commander", "security_lead")
    assert missing(roles, ()) == "It still needs the incident commander and the security lead."
    assert missing(roles, (given("ana", "commander"),)) == "It still needs the security lead."
    assert missing(roles, (given("ana", "commander"), given("ben", "security_lead"))) == ""


def test_one_person_fills_one_role_even_when_holding_two():
    both = given("ana", "commander", "ethics_lead")
    assert open_roles(("commander", "ethics_lead"), (both,)) == ("ethics_lead",)


def test_the_order_of_signing_never_blocks():
    roles = ("commander", "ethics_lead", "security_lead")
    people = (
        given("ana", "commander", "ethics_lead"),
        given("ben", "commander"),
        given("cia", "ethics_lead", "security_lead"),
    )
    for order in itertools.permutations(people):
        assert open_roles(roles, order) == ()
        assert {roles[index]: one.by for index, one in fill(roles, order).items()} == {
            "commander": "ben",
            "ethics_lead": "ana",
            "security_lead": "cia",
        }


def test_the_same_role_twice_takes_two_people():
    assert open_roles(("executive", "executive"), (given("ana", "executive"),)) == ("executive",)
    assert (
        open_roles(("executive", "executive"), (given("ana", "executive"), given("ben", "executive"))) == ()
    )


def test_a_signature_names_the_role_it_fills_and_keeps_the_roles_that_count():
    roles = ("commander", "ethics_lead")
    first = sign(roles, (), by="ana", held=("ml_engineer", "ethics_lead", "commander"))
    assert (first.by, first.role, first.roles) == ("ana", "commander", ("commander", "ethics_lead"))
    assert (
        sign(roles, (given("ben", "commander"),), by="ana", held=("ethics_lead", "commander")).role
        == "ethics_lead"
    )


def test_the_requester_is_turned_down_only_when_several_must_agree():
    assert objection(("commander",), (), by="ana", held=("commander",), requester="ana") is None
    said = objection(("commander", "executive"), (), by="ana", held=("commander",), requester="ana")
    assert said is not None
    assert said.startswith("ana asked for this action, and an action with 2 approvals is approved by others.")


@pytest.mark.parametrize(
    ("words", "text"), [((), ""), (("a",), "a"), (("a", "b"), "a and b"), (("a", "b", "c"), "a, b and c")]
)
def test_words_are_listed_as_english_lists_them(words, text):
    assert listed(words) == text


def test_a_role_is_spoken_with_its_article():
    assert [spoken(role) for role in ("commander", "data_engineer", "ml_engineer")] == [
        "the incident commander",
        "the data engineer",
        "the ML engineer",
    ]
