"""The demonstration is a directory of YAML files and its processes, nothing else."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from tests.unit.demo.test_monitors import VALUES, catalog, defaults
from tocsin.catalog.configuration import Configuration
from tocsin.catalog.load import load
from tocsin.response.communications.audience import members
from tocsin_demo import configuration, loan, registry
from tocsin_demo.model_server import SYSTEM

__all__ = ["catalog"]  # the fixture


def test_the_written_directory_loads_on_top_of_the_defaults(tmp_path: Path) -> None:
    written = configuration.write(tmp_path / "config", VALUES)
    loaded = load({file.name: file.read_text() for file in written.iterdir()}, defaults())
    assert set(loaded.systems) == {SYSTEM}


def test_nothing_is_left_to_fill_in(tmp_path: Path) -> None:
    for text in configuration.files(VALUES).values():
        assert "${" not in text


def test_every_blank_is_used() -> None:
    places = resources.files("tocsin_demo").joinpath("config").iterdir()
    used = {blank for place in places for blank in configuration.BLANK.findall(place.read_text("utf-8"))}
    assert used == set(configuration.BLANKS)


@pytest.mark.parametrize("value", ["", "a b", "x: y", "{a}", 'x"', "x\ny", "#x"])
def test_a_value_that_yaml_could_read_differently_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="TOCSIN_DEMO_MODEL_URL"):
        configuration.files(VALUES | {"TOCSIN_DEMO_MODEL_URL": value})


@pytest.mark.parametrize("values", [{}, VALUES | {"OTHER": "x"}], ids=["missing", "too many"])
def test_exactly_the_blanks_need_values(values: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="exactly"):
        configuration.files(values)


def test_the_catalog_speaks_of_what_the_registry_and_the_data_hold(catalog: Configuration) -> None:
    system = catalog.systems[SYSTEM]
    assert (system.model, system.alias) == (registry.MODEL, registry.ALIAS)
    assert system.groups is not None
    assert (system.groups.attribute, system.groups.reference, system.groups.protected) == (
        loan.GROUP,
        loan.REFERENCE,
        (loan.PROTECTED,),
    )
    for monitor in catalog.monitors.values():
        if monitor.dimension == "fairness":
            assert (monitor.params["adverse"], monitor.params["protected"]) == (loan.DENY, loan.PROTECTED)


def test_the_rollback_is_agreed_to_by_the_commander_and_verified_by_two_probes(
    catalog: Configuration,
) -> None:
    action = catalog.systems[SYSTEM].action("rollback")
    assert action is not None
    assert action.params["registry"] == VALUES["TOCSIN_DEMO_REGISTRY"]
    assert all(action.approvers(rank) == ("commander",) for rank in (None, 0, 1, 2, 3))
    assert action.verify == ("version_serving", "gap_closed")


def test_the_first_level_is_ada_and_the_second_someone_else(catalog: Configuration) -> None:
    policy = catalog.escalation_policy_of(SYSTEM)
    first, second = (
        catalog.schedules[level.notify[0].schedule or ""].layers[0].people for level in policy.levels[:2]
    )
    assert (first, second) == (("ada",), ("ben",))
    assert policy.levels[0].acknowledge_seconds(0) <= 20


def test_everyone_can_be_reached_and_every_audience_of_the_story_has_someone(catalog: Configuration) -> None:
    for person in catalog.people.values():
        assert person.contact
        assert person.email.endswith("@example.org")
    for audience in ("responders", "executives", "departments"):
        assert members(audience, catalog.people.values())


def test_bias_in_loans_is_answered_by_the_playbook_of_the_demonstration(catalog: Configuration) -> None:
    playbook = catalog.playbook_of(SYSTEM, "bias")
    assert playbook.id == "loan-bias"
    own = {probe.id for probe in catalog.systems[SYSTEM].probes}
    asked = {step.probe for step in playbook.steps if getattr(step, "probe", None)}
    assert asked == {"pipeline_healthy", "serving_healthy", "recent_deployment", "gap_closed"} <= own
