"""Every containment connector keeps these promises: the shared fake, and the real MLflow registry on SQLite."""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.fakes.alias_registry import FakeAliasRegistry, FakeModel
from tocsin.connectors.mlflow import MlflowRegistry
from tocsin.connectors.mlflow_probe import MlflowDeploymentProbe
from tocsin.connectors.ports import ContainmentConnector
from tocsin.kernel.clock import VirtualClock
from tocsin.kernel.errors import Invalid, NotFound, Refused, TocsinError

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")

# mlflow warns about its own use of other libraries, and differently with every release of them.
pytestmark = pytest.mark.filterwarnings("ignore")

FILES = {"1": b"first", "2": b"second", "3": b"third, corrupted"}
"""Version to the bytes of its only file, model.bin. Version 2 replaced 1, and 3 replaced 2."""

names = (f"loan-{number}" for number in itertools.count())


class World(Protocol):
    """A registry seen from outside, with three versions of one model; the alias names the third."""

    connector: ContainmentConnector
    params: dict[str, str]

    def alias(self) -> str: ...

    def bytes_outside(self) -> str: ...

    def break_version(self, version: str) -> None: ...


class FakeWorld:
    def __init__(self) -> None:
        model = FakeModel(alias="3", versions=dict(FILES), replaced={"2": "1", "3": "2"})
        self.connector = FakeAliasRegistry(models={"loan": model})
        self.params = {"registry": "memory", "model": "loan", "alias": "champion", "to": "previous"}

    def alias(self) -> str:
        return self.connector.models["loan"].alias

    def bytes_outside(self) -> str:
        return repr(sorted(self.connector.models["loan"].versions.items()))

    def break_version(self, version: str) -> None:
        self.connector.models["loan"].broken.add(version)


class MlflowWorld:
    """One model of its own in a registry that the whole run shares, because making one takes seconds."""

    def __init__(self, directory: Path) -> None:
        import mlflow

        self._database = directory / "registry.db"
        uri = f"sqlite:///{self._database}"
        self._client: Any = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
        self._model = next(names)
        self._files = directory / self._model
        self._client.create_registered_model(self._model)
        for version, data in FILES.items():
            place = self._files / version
            place.mkdir(parents=True)
            (place / "model.bin").write_bytes(data)
            self._client.create_model_version(self._model, source=place.as_uri())
            if version != "1":
                self._client.set_model_version_tag(
                    self._model, version, "replaced.champion", str(int(version) - 1)
                )
        self._client.set_registered_model_alias(self._model, "champion", "3")
        self.connector = MlflowRegistry()
        self.params = {"registry": uri, "model": self._model, "alias": "champion", "to": "previous"}

    def alias(self) -> str:
        """Read the table itself, not through the code under test."""
        with sqlite3.connect(self._database) as database:
            found = database.execute(
                "select version from registered_model_aliases where name = ? and alias = 'champion'",
                (self._model,),
            ).fetchone()
        database.close()
        return str(found[0]) if found else ""

    def bytes_outside(self) -> str:
        files = sorted(path for path in self._files.rglob("*") if path.is_file())
        return repr([(path, path.read_bytes(), path.stat().st_mtime_ns) for path in files])

    def break_version(self, version: str) -> None:
        with sqlite3.connect(self._database) as database:
            database.execute(
                "update model_versions set status = 'FAILED_REGISTRATION' where name = ? and version = ?",
                (self._model, int(version)),
            )
        database.close()


@pytest.fixture(scope="session")
def registry_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("registry")


@pytest.fixture(params=["fake", "mlflow"])
def world(request: pytest.FixtureRequest, registry_directory: Path) -> World:
    return FakeWorld() if request.param == "fake" else MlflowWorld(registry_directory)


def test_the_state_names_the_version_of_the_alias_and_the_digest_of_its_bytes(world: World) -> None:
    state = world.connector.describe_state(world.params)
    assert state["version"] == "3"
    listing = f"{hashlib.sha256(FILES['3']).hexdigest()}  model.bin\n"
    assert state["digest"] == hashlib.sha256(listing.encode()).hexdigest()


def test_a_preview_turns_previous_into_a_version_and_changes_nothing(world: World) -> None:
    preview = world.connector.preview(world.params)
    assert preview.params["to"] == "2"
    assert (preview.changes[0].before, preview.changes[0].after) == ("version 3", "version 2")
    assert world.alias() == "3"


def test_a_preview_of_the_state_that_holds_has_no_changes(world: World) -> None:
    assert world.connector.preview({**world.params, "to": "3"}).changes == ()


def test_acting_moves_the_alias_and_says_what_was_seen_before_and_after(world: World) -> None:
    acted = world.connector.act(world.connector.preview(world.params).params)
    assert world.alias() == "2"
    assert (acted.before["version"], acted.after["version"]) == ("3", "2")
    assert acted.before["digest"] != acted.after["digest"]


def test_acting_twice_with_the_same_parameters_is_acting_once(world: World) -> None:
    params = world.connector.preview(world.params).params
    world.connector.act(params)
    again = world.connector.act(params)
    assert world.alias() == "2"
    assert again.before == again.after


def test_acting_on_a_relative_word_is_refused_because_the_second_time_it_would_mean_another_version(
    world: World,
) -> None:
    with pytest.raises(Invalid):
        world.connector.act(world.params)
    assert world.alias() == "3"


def test_previous_after_a_rollback_is_the_version_before_and_not_the_one_that_was_withdrawn(
    world: World,
) -> None:
    world.connector.act(world.connector.preview(world.params).params)
    assert world.connector.preview(world.params).params["to"] == "1"


def test_undo_puts_back_what_was_there(world: World) -> None:
    params = world.connector.preview(world.params).params
    acted = world.connector.act(params)
    world.connector.act(world.connector.undo(params, acted.before))
    assert world.alias() == "3"


def test_undo_is_refused_when_nothing_was_there(world: World) -> None:
    with pytest.raises(Refused):
        world.connector.undo(world.params, {"version": ""})


def test_a_snapshot_holds_the_aliases_the_digests_and_the_bytes(world: World) -> None:
    kept = {item.name: item.data for item in world.connector.snapshot(world.params)}
    assert json.loads(kept["registry/model.json"])["aliases"] == {"champion": "3"}
    state = world.connector.describe_state(world.params)
    assert json.loads(kept["versions/3/digests.json"])["digest"] == state["digest"]
    assert kept["versions/3/files/model.bin"] == FILES["3"]


def test_a_snapshot_alters_nothing_outside(world: World) -> None:
    before = world.bytes_outside()
    world.connector.snapshot(world.params)
    assert (world.bytes_outside(), world.alias()) == (before, "3")


def test_the_names_in_a_snapshot_are_relative_paths_and_differ(world: World) -> None:
    names = [item.name for item in world.connector.snapshot(world.params)]
    assert len(set(names)) == len(names)
    assert not any(name.startswith("/") or ".." in name.split("/") for name in names)


def test_everything_that_goes_into_events_is_text(world: World) -> None:
    acted = world.connector.act(world.connector.preview(world.params).params)
    for values in (acted.before, acted.after, world.connector.preview(world.params).params):
        assert all(isinstance(value, str) for value in values.values())


Call = Callable[[ContainmentConnector, dict[str, str]], object]
CALLS: dict[str, Call] = {
    "describe_state": lambda connector, params: connector.describe_state(params),
    "preview": lambda connector, params: connector.preview(params),
    "act": lambda connector, params: connector.act({**params, "to": "2"}),
    "snapshot": lambda connector, params: connector.snapshot(params),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_model_that_does_not_exist_is_not_found(world: World, call: Call) -> None:
    with pytest.raises(NotFound):
        call(world.connector, {**world.params, "model": "no-such-model"})


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("wrong", [{"model": ""}, {"registry": ""}, {"colour": "red"}], ids=str)
def test_wrong_parameters_are_invalid_and_name_the_field(
    world: World, call: Call, wrong: dict[str, str]
) -> None:
    with pytest.raises(Invalid) as refused:
        call(world.connector, {**world.params, **wrong})
    assert refused.value.where
    assert world.alias() == "3"


@pytest.mark.parametrize("method", ["preview", "act"])
def test_a_version_that_does_not_exist_is_not_found_and_nothing_moves(world: World, method: str) -> None:
    with pytest.raises(NotFound):
        getattr(world.connector, method)({**world.params, "to": "99"})
    assert world.alias() == "3"


@pytest.mark.parametrize("method", ["preview", "act"])
def test_a_version_that_is_not_ready_is_refused_and_nothing_moves(world: World, method: str) -> None:
    world.break_version("2")
    with pytest.raises(Refused):
        getattr(world.connector, method)({**world.params, "to": "2"})
    assert world.alias() == "3"


# --- the real registry only ---


def test_an_absent_registry_is_not_found_and_no_empty_one_is_made(tmp_path: Path) -> None:
    place = tmp_path / "typing-error.db"
    with pytest.raises(NotFound):
        MlflowRegistry().describe_state({"registry": f"sqlite:///{place}", "model": "loan"})
    assert not place.exists()


def test_a_file_that_is_no_registry_is_a_typed_error(tmp_path: Path) -> None:
    place = tmp_path / "registry.db"
    place.write_bytes(b"not a database" * 100)
    with pytest.raises(TocsinError):
        MlflowRegistry().describe_state({"registry": f"sqlite:///{place}", "model": "loan"})


def test_a_password_in_the_address_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        MlflowRegistry().describe_state({"registry": "https://ada:secret@registry.example", "model": "loan"})
    assert "secret" not in str(refused.value)


def test_previous_without_the_tag_is_not_guessed(registry_directory: Path) -> None:
    world = MlflowWorld(registry_directory)
    world._client.delete_model_version_tag(world.params["model"], "3", "replaced.champion")
    with pytest.raises(NotFound) as refused:
        world.connector.preview(world.params)
    assert "replaced.champion" in str(refused.value)


def test_files_too_large_to_keep_are_listed_with_their_digests(registry_directory: Path) -> None:
    world = MlflowWorld(registry_directory)
    kept = {item.name: item.data for item in MlflowRegistry(keep_up_to_bytes=3).snapshot(world.params)}
    assert "versions/3/files/model.bin" not in kept
    listed = json.loads(kept["versions/3/digests.json"])["files"]
    assert listed == [{"path": "model.bin", "size": 16, "sha256": hashlib.sha256(FILES["3"]).hexdigest()}]


def test_files_too_large_to_hash_are_listed_with_their_sizes_and_no_digest(registry_directory: Path) -> None:
    world = MlflowWorld(registry_directory)
    connector = MlflowRegistry(hash_up_to_bytes=3)
    kept = {item.name: item.data for item in connector.snapshot(world.params)}
    assert json.loads(kept["versions/3/digests.json"]) == {
        "digest": "",
        "files": [{"path": "model.bin", "size": 16, "sha256": ""}],
    }
    assert connector.describe_state(world.params)["digest"] == ""


def test_the_deployment_probe_does_not_guess_when_a_version_was_promoted(registry_directory: Path) -> None:
    world = MlflowWorld(registry_directory)
    probe = MlflowDeploymentProbe(VirtualClock(dt.datetime(2026, 11, 23, tzinfo=dt.UTC)))
    asked = {name: world.params[name] for name in ("registry", "model", "alias")} | {"within": "1 h"}
    found = probe.answer(asked, {})
    assert (found.answer, found.measured) == ("unknown", {"version": "3", "replaced": "2"})
    assert probe.answer({**asked, "alias": "nobody"}, {}).answer == "unknown"
    assert probe.answer({**asked, "model": "no-such-model"}, {}).answer == "unknown"


@pytest.mark.parametrize(
    "wrong",
    [{"within": ""}, {"within": "soon"}, {"within": "1 h", "colour": "red"}, {"within": "1 h", "model": ""}],
    ids=str,
)
def test_the_deployment_probe_refuses_wrong_parameters(
    registry_directory: Path, wrong: dict[str, str]
) -> None:
    probe = MlflowDeploymentProbe(VirtualClock(dt.datetime(2026, 11, 23, tzinfo=dt.UTC)))
    with pytest.raises(Invalid):
        probe.answer({"registry": "sqlite:////none", "model": "m", **wrong}, {})
