"""The configuration answers who is paged, which playbook runs and what a rank is called."""

from __future__ import annotations

import pytest

from tests.unit.catalog.example import SMALL, defaults, with_defaults
from tocsin.catalog.configuration import Configuration
from tocsin.catalog.monitor import Monitor
from tocsin.catalog.system import ContainmentAction
from tocsin.kernel.errors import NotFound
from tocsin.kernel.severity import Severity

OWN = (
    SMALL.replace("owner: credit", "owner: credit\nescalation_policy: loans\nplaybooks: {bias: general}")
    + "---\nkind: escalation_policy\nid: loans\nname: Loans\nlevels: [{notify: [{person: ada}]}]\n"
)


@pytest.mark.parametrize(
    ("system", "category", "playbook"),
    [
        (None, "bias", "bias"),
        ("unheard-of", "bias", "bias"),
        ("loan-approval", "bias", "general"),
        ("loan-approval", "data_pipeline", "data-quality"),
        ("loan-approval", "unheard-of", "general"),
        (None, "security_breach", "general"),
    ],
)
def test_a_system_names_its_playbook_else_the_taxonomy_else_the_general_one(
    system: str | None, category: str, playbook: str
) -> None:
    assert with_defaults(OWN).playbook_of(system, category).id == playbook


@pytest.mark.parametrize(
    ("system", "policy"), [(None, "default"), ("unheard-of", "default"), ("loan-approval", "loans")]
)
def test_a_system_names_its_escalation_policy_else_the_installation(system: str | None, policy: str) -> None:
    assert with_defaults(OWN).escalation_policy_of(system).id == policy


def test_monitors_are_found_by_their_system() -> None:
    configuration = with_defaults(SMALL)
    assert [one.id for one in configuration.monitors_of("loan-approval")] == ["loan-fairness"]
    assert configuration.monitors_of("other") == ()


def test_what_is_not_there_is_said_by_kind_and_name() -> None:
    for ask in (
        lambda: Configuration().matrix,
        lambda: Configuration().taxonomy,
        lambda: Configuration().declare_policy,
        lambda: Configuration().review_form,
        lambda: Configuration().label(0),
        lambda: Configuration().system("loans"),
        lambda: defaults().category("unfair"),
        lambda: Configuration().playbook_of(None, "bias"),
    ):
        with pytest.raises(NotFound):
            ask()
    with pytest.raises(NotFound, match="no system called 'loans'"):
        defaults().system("loans")


def test_an_installation_that_says_nothing_has_defaults() -> None:
    assert (Configuration().installation.label_set, Configuration().installation.time_zone) == ("p", "UTC")


def test_a_system_finds_its_probes_and_actions_by_name() -> None:
    system = with_defaults(SMALL).system("loan-approval")
    probe, action = system.probe("gap_closed"), system.action("roll-back")
    assert probe is not None
    assert action is not None
    assert (probe.connector, action.verb) == ("monitor", "rollback")
    assert (system.probe("x"), system.action("x")) == (None, None)


@pytest.mark.parametrize(
    ("severity", "roles"),
    [(0, ()), (1, ("commander",)), (None, ("commander",)), (2, ("technical_lead",)), (3, ("commander",))],
)
def test_an_action_is_approved_by_the_roles_of_the_rank_else_by_the_commander(
    severity: Severity, roles: tuple[str, ...]
) -> None:
    action = with_defaults(SMALL).system("loan-approval").action("roll-back")
    assert isinstance(action, ContainmentAction)
    assert action.approvers(severity) == roles


def test_a_monitor_asserts_its_facts_with_what_it_measured() -> None:
    monitor = with_defaults(SMALL).monitors["loan-fairness"]
    assert isinstance(monitor, Monitor)
    assert monitor.asserted_facts("0.31") == {
        "protected_group_harmed": "true",
        "fairness_gap_change": "0.31 ratio",
    }
