"""Severity by the matrix that ships: one row per criterion, every boundary, what wins, and how soon (CLS-3, CLS-4)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.catalog.example import defaults
from tocsin.catalog.severity_matrix import ResponseProfile
from tocsin.incidents.severity import Assessment, allowances, assess, assess_in, open_questions, readable
from tocsin.kernel.severity import Severity

MATRIX, WORDS = defaults().matrix, defaults().vocabulary


def profile(id: str) -> ResponseProfile:
    found = MATRIX.profile(id)
    assert found is not None
    return found


def of(**facts: Any) -> Assessment:
    return assess_in(defaults(), facts)


def minutes(assessment: Assessment) -> tuple[float, float | None]:
    resolve = assessment.resolve_within
    return assessment.respond_within.seconds / 60, resolve.seconds / 60 if resolve else None


# --- one row per criterion: facts, criterion, rank, minutes to respond, hours to resolve ---------------------------------

TABLE: list[tuple[dict[str, Any], str, int, int, int]] = [
    ({"all_ai_services_down": True}, "all-services-down", 0, 15, 2),
    ({"model_or_serving_down": True}, "model-or-serving-down", 0, 15, 2),
    ({"services_degraded": "75.01"}, "most-services-degraded", 0, 15, 2),
    ({"core_operations_severely_hit": True}, "core-operations-hit", 0, 15, 2),
    ({"revenue_loss": 500_000}, "revenue-loss-critical", 0, 15, 2),
    ({"unauthorised_access_to_model_or_data": True}, "unauthorised-access", 0, 10, 4),
    ({"data_exfiltrated": True}, "exfiltration", 0, 10, 4),
    ({"model_stolen": True}, "model-theft", 0, 10, 4),
    ({"active_attack": True}, "active-attack", 0, 10, 4),
    ({"personal_data_breach": True, "people_in_breach": 1000}, "large-personal-data-breach", 0, 30, 24),
    ({"financial_compliance_violation": True}, "financial-compliance", 0, 30, 24),
    ({"health_data_exposed": True}, "health-data-exposed", 0, 30, 24),
    ({"outputs_break_regulation": True}, "outputs-break-regulation", 0, 30, 24),
    ({"harmful_outputs_reached_customers": True}, "harmful-outputs", 0, 15, 2),
    ({"protected_group_harmed": True}, "protected-group-harmed", 0, 15, 2),
    ({"services_degraded": 25}, "services-degraded", 1, 30, 4),
    ({"alternative_processes_active": True}, "alternative-processes", 1, 30, 4),
    ({"revenue_loss": 100_000}, "revenue-loss-high", 1, 30, 4),
    ({"users_disrupted": 25}, "many-users-disrupted", 1, 30, 4),
    ({"accuracy_drop": 15}, "accuracy-drop-high", 1, 60, 8),
    ({"significant_bias": True}, "significant-bias", 1, 60, 8),
    ({"complaints_from_predictions": 2}, "customer-complaints", 1, 60, 8),
    ({"business_metric_moved": True}, "business-metric-moved", 1, 60, 8),
    ({"feed_interrupted": True}, "feed-interrupted", 1, 30, 6),
    ({"training_data_corrupted": True}, "training-data-corrupted", 1, 30, 6),
    ({"feature_store_unavailable": True}, "feature-store-unavailable", 1, 30, 6),
    ({"inferences_affected": 10}, "inferences-affected-high", 1, 30, 4),
    ({"unauthorised_log_access": True}, "logs-accessed", 1, 30, 4),
    ({"personal_data_breach": True}, "personal-data-breach", 1, 30, 4),
    ({"accuracy_drop": 5}, "accuracy-drop-medium", 2, 120, 24),
    ({"users_disrupted": 1}, "users-disrupted", 2, 120, 24),
    ({"requests_timing_out": 5}, "requests-timing-out", 2, 120, 24),
    ({"maintenance_overrun_with_impact": True}, "maintenance-overrun", 2, 120, 24),
    ({"inferences_affected": 1}, "inferences-affected-medium", 2, 120, 24),
    ({"early_drift": True}, "early-drift", 2, 120, 24),
    ({"accuracy_drop": 1}, "accuracy-drop-low", 3, 480, 72),
    ({"inferences_affected": "0.5"}, "inferences-affected-low", 3, 480, 72),
    ({"minor_configuration_issue": True}, "minor-configuration", 3, 480, 72),
    ({"feature_request": True}, "feature-request", 3, 480, 72),
    ({"documentation_or_training_issue": True}, "documentation-or-training", 3, 480, 72),
    ({"complaints_from_predictions": 1}, "single-complaint", 3, 480, 72),
    ({"drift_in_minor_feature": True}, "minor-drift", 3, 480, 72),
    ({"nothing_found": True}, "nothing-found", 3, 480, 72),
]


@pytest.mark.parametrize(("facts", "criterion", "rank", "respond", "resolve"), TABLE)
def test_each_criterion_sets_its_rank_and_its_times(
    facts: dict[str, Any], criterion: str, rank: int, respond: int, resolve: int
) -> None:
    assessment = of(**facts)
    assert [fired.id for fired in assessment.criteria] == [criterion]
    assert assessment.severity == rank
    assert minutes(assessment) == (respond, resolve * 60)


def test_the_table_has_a_row_for_every_criterion() -> None:
    assert [row[1] for row in TABLE] == [criterion.id for criterion in MATRIX.criteria]


@pytest.mark.parametrize(("facts", "criterion", "rank", "respond", "resolve"), TABLE)
def test_the_profile_by_rank_knows_the_rank_only(
    facts: dict[str, Any], criterion: str, rank: int, respond: int, resolve: int
) -> None:
    assessment = assess(MATRIX, facts, WORDS, profile("by-rank"))
    assert assessment.severity == rank
    assert minutes(assessment) == ([15, 120, 1440, 10_080][rank], None)


@pytest.mark.parametrize(
    ("fact", "value", "rank"),
    [
        ("accuracy_drop", "0", None), ("accuracy_drop", "0.01", 3), ("accuracy_drop", "4.99", 3),
        ("accuracy_drop", "5", 2), ("accuracy_drop", "14.99", 2), ("accuracy_drop", "15", 1),
        ("accuracy_drop", "0.15 ratio", 1), ("accuracy_drop", "0.1499 ratio", 2), ("accuracy_drop", "100", 1),
        ("accuracy_drop", "-3", None),
        ("inferences_affected", "0", None), ("inferences_affected", "0.99", 3), ("inferences_affected", "1", 2),
        ("inferences_affected", "9.99", 2), ("inferences_affected", "10", 1),
        ("services_degraded", "0", None), ("services_degraded", "24.99", None), ("services_degraded", "25", 1),
        ("services_degraded", "75", 1), ("services_degraded", "75.01", 0), ("services_degraded", "100", 0),
        ("users_disrupted", "0", None), ("users_disrupted", "0.01", 2), ("users_disrupted", "24.99", 2),
        ("users_disrupted", "25", 1),
        ("revenue_loss", "99999.99", None), ("revenue_loss", "100000", 1), ("revenue_loss", "499999.99", 1),
        ("revenue_loss", "500000", 0), ("revenue_loss", "0.5 million_usd_per_hour", 0),
        ("requests_timing_out", "4.99", None), ("requests_timing_out", "5", 2),
        ("complaints_from_predictions", "0", None), ("complaints_from_predictions", "1", 3),
        ("complaints_from_predictions", "2", 1),
    ],
)  # fmt: skip
def test_a_boundary_belongs_to_the_higher_rank(fact: str, value: str, rank: Severity) -> None:
    assert of(**{fact: value}).severity == rank


@pytest.mark.parametrize(("people", "rank"), [(None, 1), (0, 1), (999, 1), (1000, 0), (1001, 0)])
def test_a_breach_of_personal_data_gets_worse_with_a_thousand_people(
    people: int | None, rank: Severity
) -> None:
    facts = {"personal_data_breach": True} | ({"people_in_breach": people} if people is not None else {})
    assert of(**facts).severity == rank
    assert of(**{**facts, "personal_data_breach": False}).severity is None


@pytest.mark.parametrize(
    "fact", sorted(name for name, type_ in WORDS.facts.items() if type_.kind == "boolean")
)
def test_a_fact_that_is_not_so_says_nothing(fact: str) -> None:
    assert of(**{fact: False}).severity is None


# --- what wins -----------------------------------------------------------------------------------------------------------


def test_the_worst_criterion_wins_and_the_others_are_still_told() -> None:
    assessment = of(accuracy_drop=16, active_attack=True, early_drift=True)
    assert assessment.severity == 0
    assert [fired.id for fired in assessment.criteria] == [
        "active-attack",
        "accuracy-drop-high",
        "early-drift",
    ]
    assert assessment.because == "Someone is attacking the AI systems at this moment."


def test_a_criterion_that_says_less_about_the_same_facts_is_left_out() -> None:
    assert [fired.id for fired in of(accuracy_drop=16).criteria] == ["accuracy-drop-high"]
    breach = of(personal_data_breach=True, people_in_breach=5000)
    assert [fired.id for fired in breach.criteria] == ["large-personal-data-breach"]


def test_two_criteria_of_one_rank_on_the_same_fact_are_both_told() -> None:
    twice = msgspec.structs.replace(
        MATRIX, criteria=tuple(row for row in MATRIX.criteria if row.id == "active-attack") * 2
    )
    assert len(assess(twice, {"active_attack": True}, WORDS).criteria) == 2


def test_the_shortest_time_among_what_holds_counts() -> None:
    assessment = of(outputs_break_regulation=True, significant_bias=True, feed_interrupted=True)
    assert (assessment.severity, minutes(assessment)) == (0, (30, 360))
    assert assessment.resolve_within is not None
    assert "feed-interrupted" in assessment.resolve_within.source


def test_when_no_criterion_holds_the_severity_is_unknown_and_has_the_times_of_rank_one() -> None:
    assessment = of()
    assert (assessment.severity, assessment.criteria, minutes(assessment)) == (None, (), (30, 240))
    assert "No criterion" in assessment.because


def test_a_fired_criterion_says_on_which_facts_and_where_it_comes_from() -> None:
    (fired,) = of(accuracy_drop="0.2 ratio").criteria
    assert fired.sentence == "Accuracy has lost 15 percent of its baseline or more."
    assert fired.because == ("Drop of accuracy, relative to the baseline: 20 percent, at least 15 percent.",)
    assert fired.facts == ("accuracy_drop",)
    record = fired.for_record()
    assert (record.id, record.rank) == ("accuracy-drop-high", 1)
    assert record.sentence == f"{fired.sentence} {fired.because[0]}"


def test_a_record_does_not_say_twice_what_the_criterion_says_already() -> None:
    (fired,) = of(protected_group_harmed=True).criteria
    assert fired.because == (f"{fired.sentence.rstrip('.')}: yes.",)
    assert fired.for_record().sentence == fired.sentence


def test_every_time_says_who_sets_it() -> None:
    own, of_rank = of(active_attack=True), of(protected_group_harmed=True)
    assert own.respond_within.source == "Respond within 10 min: criterion active-attack (Spyrou 2025, P0)"
    assert of_rank.respond_within.source == (
        "Respond within 15 min: rank 0 of profile by-criterion (Spyrou 2025, response times and resolution targets)"
    )


# --- facts as they come ----------------------------------------------------------------------------------------------------


def test_facts_that_no_vocabulary_knows_say_nothing() -> None:
    assert of(colour="red", active_attack=True).severity == 0


def test_a_fact_that_cannot_be_read_counts_as_unknown_and_is_told() -> None:
    assessment = of(accuracy_drop="a lot", early_drift=True)
    assert assessment.severity == 2
    assert len(assessment.left_out) == 1
    assert "accuracy_drop" in assessment.left_out[0]
    assert readable({"accuracy_drop": "a lot", "x": 1}, WORDS) == ({}, assessment.left_out)


def test_a_person_is_asked_for_what_could_make_it_worse() -> None:
    everything = open_questions(MATRIX, {}, WORDS)
    assert everything[0] == "all_ai_services_down"
    assert "accuracy_drop" in everything
    worse_than_one = open_questions(MATRIX, {"significant_bias": True}, WORDS, worse_than=1)
    assert "protected_group_harmed" in worse_than_one
    assert "accuracy_drop" not in worse_than_one
    assert open_questions(MATRIX, {}, WORDS, worse_than=0) == ()
    breach = open_questions(MATRIX, {"personal_data_breach": False}, WORDS, worse_than=1)
    assert "people_in_breach" not in breach


# --- another rank than the matrix says -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("severity", "respond", "resolve"),
    [(0, 10, 240), (1, 30, 240), (2, 120, 1440), (3, 480, 4320), (None, 30, 240)],
)
def test_a_rank_that_a_person_set_has_its_own_times(severity: Severity, respond: int, resolve: int) -> None:
    criteria = of(active_attack=True).criteria
    allowed, until = allowances(profile("by-criterion"), severity, criteria)
    assert until is not None
    assert (allowed.seconds // 60, until.seconds // 60) == (respond, resolve)


# --- properties --------------------------------------------------------------------------------------------------------------

FACTS: dict[str, st.SearchStrategy[Any]] = {
    name: st.booleans() if type_.kind == "boolean" else st.integers(0, 100)
    for name, type_ in WORDS.facts.items()
    if type_.ask and type_.kind in ("boolean", "share", "number")
}


@given(st.fixed_dictionaries({}, optional=FACTS))
def test_the_severity_is_the_worst_rank_of_what_holds(facts: dict[str, Any]) -> None:
    assessment = of(**facts)
    ranks = [fired.rank for fired in assessment.criteria]
    assert assessment.severity == (min(ranks) if ranks else None)
    assert ranks == sorted(ranks)


@given(st.fixed_dictionaries({}, optional=FACTS), st.sampled_from(sorted(FACTS)))
def test_one_more_fact_about_harm_never_makes_it_milder(facts: dict[str, Any], name: str) -> None:
    before = of(**{other: value for other, value in facts.items() if other != name}).severity
    after = of(
        **facts, **({} if name in facts else {name: WORDS.facts[name].kind == "boolean" or 100})
    ).severity
    if name not in facts and before is not None:
        assert after is not None
        assert after <= before


@given(st.fixed_dictionaries({}, optional=FACTS))
def test_a_worse_rank_never_has_more_time_than_the_rank_allows(facts: dict[str, Any]) -> None:
    assessment = of(**facts)
    limit = {None: 30, 0: 30, 1: 60, 2: 120, 3: 480}[assessment.severity]
    assert assessment.respond_within.seconds <= limit * 60
