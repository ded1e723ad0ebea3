"""Category and severity are decided with reasons, and a person's word is not undone in silence (CLS-1, CLS-4)."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.catalog.example import SMALL, defaults, with_defaults
from tocsin.incidents.classification import Standing, categorise, reassess, standing
from tocsin.incidents.impact import Impact, facts_of, facts_of_system
from tocsin.incidents.incident import INCIDENT, ChangeSeverity, Criterion, Declare, Incident
from tocsin.incidents.severity import Assessment, assess_in
from tocsin.kernel.errors import Invalid
from tocsin.kernel.severity import RANKS, Severity

NOW = dt.datetime(2026, 11, 23, 3, 0, tzinfo=dt.UTC)


def of(**facts: Any) -> Assessment:
    return assess_in(defaults(), facts)


# --- category --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declared", "alert", "facts", "category", "origin"),
    [
        ("data_quality", "bias", {"active_attack": True}, "data_quality", "person"),
        (None, "bias", {"active_attack": True}, "bias", "alert"),
        (None, "unheard-of", {"active_attack": True}, "security_breach", "facts"),
        (None, None, {"active_attack": True, "accuracy_drop": 9}, "security_breach", "facts"),
        (None, None, {"accuracy_drop": "a lot"}, "unexpected_behaviour", "nobody"),
        (None, None, {}, "unexpected_behaviour", "nobody"),
        ("", "", {}, "unexpected_behaviour", "nobody"),
    ],
)
def test_the_category_comes_from_a_person_else_the_alert_else_the_facts(
    declared: str | None, alert: str | None, facts: dict[str, Any], category: str, origin: str
) -> None:
    found = categorise(defaults(), facts, declared=declared, alert=alert)
    assert (found.category, found.origin) == (category, origin)
    assert found.why.endswith(".")


def test_a_category_that_a_person_misspells_is_refused_with_the_nearest() -> None:
    with pytest.raises(Invalid, match="Did you mean 'bias'"):
        categorise(defaults(), {}, declared="bais")


# --- severity after new facts ----------------------------------------------------------------------------------------------

DROP_HIGH, DROP_MEDIUM, DROP_LOW = of(accuracy_drop=20), of(accuracy_drop=7), of(accuracy_drop=1)
ATTACK, NOTHING = of(active_attack=True), of()
BOTH = of(accuracy_drop=20, active_attack=True)


def set_by_policy(severity: Severity, known: Assessment, floor: Severity = None) -> Standing:
    return Standing(severity=severity, known=known.for_record(), floor=floor)


def set_by_person(severity: Severity, known: Assessment) -> Standing:
    return Standing(severity=severity, set_by_person=True, known=known.for_record())


@pytest.mark.parametrize(
    ("current", "assessment", "action", "severity"),
    [
        # the matrix decides
        (set_by_policy(None, NOTHING), NOTHING, "keep", None),
        (set_by_policy(None, NOTHING), DROP_LOW, "set", 3),
        (set_by_policy(None, NOTHING), ATTACK, "set", 0),
        (set_by_policy(2, DROP_MEDIUM), DROP_MEDIUM, "keep", 2),
        (set_by_policy(2, DROP_MEDIUM), DROP_HIGH, "set", 1),
        (set_by_policy(1, DROP_HIGH), DROP_MEDIUM, "set", 2),
        (set_by_policy(0, BOTH), DROP_HIGH, "set", 1),
        (set_by_policy(1, DROP_HIGH), NOTHING, "keep", 1),
        # the alert decided, the matrix does not lower it
        (set_by_policy(0, NOTHING), DROP_HIGH, "keep", 0),
        (set_by_policy(0, DROP_MEDIUM), DROP_HIGH, "keep", 0),
        (set_by_policy(1, NOTHING), ATTACK, "set", 0),
        # a person judged one criterion milder, then policy raised it for another reason
        (set_by_policy(1, BOTH), BOTH, "keep", 1),
        (set_by_policy(1, BOTH), ATTACK, "keep", 1),
        (set_by_policy(1, BOTH), of(active_attack=True, accuracy_drop=7), "set", 2),
        # a floor holds
        (set_by_policy(2, DROP_MEDIUM, floor=1), DROP_MEDIUM, "set", 1),
        (set_by_policy(0, ATTACK, floor=1), DROP_MEDIUM, "set", 1),
        (set_by_policy(1, DROP_HIGH, floor=1), DROP_LOW, "keep", 1),
        (set_by_policy(2, DROP_MEDIUM, floor=3), DROP_LOW, "set", 3),
        # a person decided, knowing what held
        (set_by_person(2, DROP_HIGH), DROP_HIGH, "keep", 2),
        (set_by_person(3, ATTACK), ATTACK, "keep", 3),
        (set_by_person(2, DROP_HIGH), BOTH, "set", 0),
        (set_by_person(2, DROP_MEDIUM), DROP_HIGH, "set", 1),
        (set_by_person(1, ATTACK), BOTH, "keep", 1),
        (set_by_person(3, ATTACK), BOTH, "set", 1),
        (set_by_person(1, NOTHING), DROP_LOW, "propose", 3),
        (set_by_person(0, DROP_HIGH), DROP_HIGH, "propose", 1),
        (set_by_person(1, DROP_HIGH), DROP_HIGH, "keep", 1),
        (set_by_person(None, ATTACK), ATTACK, "keep", None),
        (set_by_person(None, NOTHING), DROP_LOW, "set", 3),
        (set_by_person(2, NOTHING), NOTHING, "keep", 2),
    ],
)
def test_what_new_facts_change(
    current: Standing, assessment: Assessment, action: str, severity: Severity
) -> None:
    found = reassess(current, assessment)
    assert (found.action, found.severity) == (action, severity)
    assert found.reason.endswith(".")


def test_the_reason_names_what_is_new() -> None:
    found = reassess(set_by_person(2, DROP_HIGH), BOTH)
    assert found.reason == (
        "New since a person set the severity: Someone is attacking the AI systems at this moment."
    )


ANY_FACTS = st.fixed_dictionaries(
    {},
    optional={
        "accuracy_drop": st.integers(0, 30),
        "active_attack": st.booleans(),
        "significant_bias": st.booleans(),
        "early_drift": st.booleans(),
        "feature_request": st.booleans(),
    },
)


@given(st.sampled_from([*RANKS, None]), ANY_FACTS, ANY_FACTS)
def test_policy_never_makes_milder_what_a_person_decided(
    severity: Severity, then: dict[str, Any], now: dict[str, Any]
) -> None:
    found = reassess(set_by_person(severity, of(**then)), of(**now))
    if found.action == "set" and severity is not None:
        assert found.severity is not None
        assert found.severity < severity


@given(st.sampled_from([*RANKS, None]), ANY_FACTS)
def test_the_facts_that_a_person_knew_never_undo_their_word(
    severity: Severity, facts: dict[str, Any]
) -> None:
    assert reassess(set_by_person(severity, of(**facts)), of(**facts)).action in ("keep", "propose")


@given(st.sampled_from([*RANKS, None]), st.booleans(), ANY_FACTS, ANY_FACTS)
def test_to_ask_again_after_setting_changes_nothing(
    severity: Severity, person: bool, then: dict[str, Any], now: dict[str, Any]
) -> None:
    known = of(**then).for_record()
    found = reassess(Standing(severity=severity, set_by_person=person, known=known), of(**now))
    if found.action == "set":
        after = Standing(severity=found.severity, known=of(**now).for_record())
        assert reassess(after, of(**now)).action == "keep"


def test_the_standing_is_read_from_the_incident() -> None:
    declared = INCIDENT.decide(
        INCIDENT.initial,
        Declare(number=1, title="A gap", reported_by="ada", severity=1, criteria=DROP_HIGH.for_record()),
        NOW,
    )
    state = INCIDENT.fold(declared)
    assert standing(state, floor=2) == Standing(
        severity=1,
        known=(Criterion(id="accuracy-drop-high", rank=1, sentence=DROP_HIGH.for_record()[0].sentence),),
        floor=2,
    )
    change = ChangeSeverity(severity=2, reason="It is a test system.", criteria=DROP_HIGH.for_record())
    state = INCIDENT.fold((*declared, *INCIDENT.decide(state, change, NOW)))
    assert isinstance(state, Incident)
    assert reassess(standing(state), DROP_HIGH).action == "keep"
    assert reassess(standing(state), BOTH).severity == 0


# --- impact -------------------------------------------------------------------------------------------------------------------


def test_an_impact_states_only_what_is_known() -> None:
    assert facts_of(Impact()) == {}
    impact = Impact(
        users_affected=0,
        complaints=2,
        people_in_breach=1000,
        media_attention=False,
        revenue_loss_per_hour="500000",
        alternatives_active=True,
    )
    assert facts_of(impact) == {
        "users_affected": 0,
        "complaints_from_predictions": 2,
        "people_in_breach": 1000,
        "media_attention": False,
        "revenue_loss": "500000",
        "alternative_processes_active": True,
    }


def test_every_fact_of_impact_and_system_is_in_the_vocabulary() -> None:
    full = Impact(
        users_affected=1, complaints=1, people_in_breach=1, media_attention=True, revenue_loss_per_hour="1.5",
        alternatives_active=True,
    )  # fmt: skip
    system = with_defaults(SMALL).system("loan-approval")
    words = defaults().vocabulary
    for name, value in {**facts_of(full), **facts_of_system(system)}.items():
        words.read(name, value)
    assert of(**facts_of(full)).severity == 1
