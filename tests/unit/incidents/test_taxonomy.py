"""The kinds of incident: found by name, by family and by what facts point to (CLS-1, CLS-2)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.catalog.example import defaults
from tocsin.incidents.taxonomy import GROUPS, by_group, category, is_incident, pointed_to
from tocsin.kernel.errors import Invalid

TAXONOMY, WORDS = defaults().taxonomy, defaults().vocabulary


def test_a_category_is_found_by_its_name_and_the_nearest_is_offered() -> None:
    assert category(TAXONOMY, "bias").title == "Bias"
    with pytest.raises(Invalid, match="Did you mean 'bias'"):
        category(TAXONOMY, "bais")


def test_families_come_in_order_and_hold_every_category_once() -> None:
    families = by_group(TAXONOMY)
    assert list(families) == list(GROUPS)
    assert sum(map(len, families.values())) == len(TAXONOMY.categories)


def test_what_is_no_ai_incident_is_known_and_what_nobody_knows_counts_as_one() -> None:
    assert not is_incident(TAXONOMY, "not_an_ai_incident")
    assert is_incident(TAXONOMY, "bias")
    assert is_incident(TAXONOMY, "unheard-of")


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, []),
        ({"accuracy_drop": 0}, []),
        ({"accuracy_drop": 3}, ["performance_degradation"]),
        ({"business_metric_moved": True}, ["performance_degradation"]),
        ({"protected_group_harmed": True}, ["bias"]),
        ({"significant_bias": True}, ["bias"]),
        ({"significant_bias": True, "accuracy_drop": 20}, ["bias", "performance_degradation"]),
        ({"model_or_serving_down": True}, ["serving_failure"]),
        ({"all_ai_services_down": True}, ["serving_failure"]),
        ({"requests_timing_out": 5}, ["serving_failure"]),
        ({"inferences_affected": 1}, ["data_quality"]),
        ({"training_data_corrupted": True}, ["data_quality"]),
        ({"early_drift": True}, ["data_quality"]),
        ({"drift_in_minor_feature": True}, ["data_quality"]),
        ({"feed_interrupted": True, "inferences_affected": 50}, ["data_pipeline", "data_quality"]),
        ({"feature_store_unavailable": True}, ["data_pipeline"]),
        ({"personal_data_breach": True}, ["data_privacy"]),
        ({"health_data_exposed": True, "data_exfiltrated": True}, ["security_breach", "data_privacy"]),
        ({"unauthorised_access_to_model_or_data": True}, ["security_breach"]),
        ({"unauthorised_log_access": True}, ["security_breach"]),
        ({"model_stolen": True}, ["security_breach"]),
        ({"active_attack": True}, ["security_breach"]),
        ({"outputs_break_regulation": True}, ["compliance_violation"]),
        ({"financial_compliance_violation": True}, ["compliance_violation"]),
        ({"feature_request": True}, ["not_an_ai_incident"]),
        ({"feature_request": True, "active_attack": True}, ["security_breach", "not_an_ai_incident"]),
    ],
)
def test_facts_point_to_categories_the_weightiest_first(facts: dict[str, Any], expected: list[str]) -> None:
    found = pointed_to(TAXONOMY, facts, WORDS)
    assert [one.id for one, _ in found] == expected
    assert all(verdict.because for _, verdict in found)
