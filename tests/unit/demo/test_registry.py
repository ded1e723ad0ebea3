"""The registry of the demonstration is a real one, and the connector reads it the way its owner does."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tocsin.connectors.mlflow import MlflowRegistry
from tocsin.connectors.mlflow_probe import MlflowDeploymentProbe
from tocsin.kernel.clock import VirtualClock
from tocsin_demo import fault, loan, registry

# mlflow warns about its own use of other libraries, and differently with every release of them.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def uri(trained: Path) -> str:
    """The registry, with the alias on version 2 as `prepare` leaves it."""
    found = registry.store_uri(trained)
    registry.promote(found, "2")
    return found


def params(uri: str) -> dict[str, str]:
    return {"registry": uri, "model": registry.MODEL, "alias": registry.ALIAS, "to": "previous"}


def version(uri: str, number: str) -> Any:
    return registry.connect(uri).get_model_version(registry.MODEL, number)


def test_two_good_versions_are_promoted_in_turn(uri: str) -> None:
    assert registry.champion(registry.connect(uri)) == "2"
    assert version(uri, "2").tags[registry.REPLACED] == "1"
    assert registry.REPLACED not in version(uri, "1").tags


def test_the_runs_hold_the_figures_of_every_group_and_the_digest_of_their_data(uri: str) -> None:
    client = registry.connect(uri)
    runs = {number: client.get_run(version(uri, number).run_id).data for number in ("2", "3")}
    assert runs["2"].params["data_digest"] == loan.split(loan.read(), fault.SEED).train.digest()
    assert runs["2"].params["data_digest"] != runs["3"].params["data_digest"]
    growth = runs["3"].metrics["held_out_gap"] - runs["2"].metrics["held_out_gap"]
    assert growth == pytest.approx(fault.effect().gap_growth)
    for name in (
        "denial_protected",
        "denial_reference",
        "true_positive_protected",
        "false_positive_reference",
    ):
        assert f"validation_{name}" in runs["3"].metrics


def test_promoting_twice_is_promoting_once(uri: str) -> None:
    assert registry.promote(uri, "3") == {"alias": "champion", "before": "2", "now": "3"}
    assert registry.promote(uri, "3") == {"alias": "champion", "before": "3", "now": "3"}
    assert version(uri, "3").tags[registry.REPLACED] == "2"


def test_going_back_does_not_make_the_withdrawn_version_the_one_before(uri: str) -> None:
    registry.promote(uri, "3")
    registry.promote(uri, "2")
    assert MlflowRegistry().preview(params(uri)).params["to"] == "1"


def test_the_connector_rolls_the_bad_version_back_to_the_last_good_one(uri: str) -> None:
    registry.promote(uri, "3")
    connector = MlflowRegistry()
    connector.act(connector.preview(params(uri)).params)
    assert registry.show(uri)["version"] == "2"


def test_the_server_and_the_connector_agree_on_the_digest_without_sharing_code(uri: str) -> None:
    assert MlflowRegistry().describe_state(params(uri))["digest"] == registry.show(uri)["digest"]


def test_a_changed_byte_of_the_model_changes_the_digest(uri: str, tmp_path: Path) -> None:
    served = registry.resolve(registry.connect(uri), "2")
    copy = tmp_path / "model"
    shutil.copytree(served.place, copy)
    assert registry.tree_digest(copy) == served.digest
    with (copy / "model.skops").open("ab") as file:
        file.write(b"x")
    assert registry.tree_digest(copy) != served.digest


def test_a_loaded_model_scores_as_the_fitted_one_did(uri: str) -> None:
    parts = loan.split(loan.read(), fault.SEED)
    loaded = registry.load(registry.resolve(registry.connect(uri), "2"))
    fitted = loan.fit(parts.train)
    assert (loan.scores(loaded, parts.held_out.rows) == loan.scores(fitted, parts.held_out.rows)).all()


def test_the_snapshot_of_the_connector_holds_the_model_and_its_run(uri: str) -> None:
    kept = {item.name: item.data for item in MlflowRegistry().snapshot(params(uri))}
    run = json.loads(kept["versions/2/run.json"])
    assert run["params"]["data"] == "extract 1990, complete"
    served = registry.resolve(registry.connect(uri), "2")
    assert kept["versions/2/files/model.skops"] == (served.place / "model.skops").read_bytes()


def test_the_probe_answers_whether_a_version_was_promoted_a_short_while_ago(uri: str) -> None:
    before = dt.datetime.now(dt.UTC)
    registry.promote(uri, "3")
    clock = VirtualClock(before + dt.timedelta(minutes=20, seconds=30))
    asked = {name: value for name, value in params(uri).items() if name != "to"} | {"within": "30 min"}
    found = MlflowDeploymentProbe(clock).answer(asked, {})
    assert (found.answer, found.measured["version"], found.measured["replaced"]) == ("yes", "3", "2")
    assert found.detail == "Version 3 went into production in place of version 2 20 min ago."
    clock.set(before + dt.timedelta(minutes=31))
    assert MlflowDeploymentProbe(clock).answer(asked, {}).answer == "no"


def test_the_command_prints_one_json_object(
    uri: str, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert registry.main([str(trained), "show"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["result"]["version"] == "2"


@pytest.mark.parametrize("arguments", [["promote"], ["show", "3"]])
def test_only_promote_takes_a_version(trained: Path, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        registry.main([str(trained), *arguments])
    assert refused.value.code == 2
