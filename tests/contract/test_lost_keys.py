"""Lost or exchanged keys are noticed at start and never silently replaced (EVI-4, PLT-1)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tocsin import app
from tocsin.engine import declare
from tocsin.kernel.errors import Refused
from tocsin.settings import Settings

PASSWORD = "a long password of nobody"


def settings(tmp_path: Path, url: str) -> Settings:
    return Settings(data=tmp_path / "data", database_url=url, admin_password=PASSWORD)


def start(given: Settings) -> app.Program:
    return app.build(given)


@pytest.fixture
def used(tmp_path: Path, database_url: str) -> Settings:
    """The settings of an installation that has a record."""
    given = settings(tmp_path, database_url)
    program = start(given)
    declare.declare(program.world, title="Something happened", actor="person:ada", by="ada")
    program.stop()
    return given


def test_a_restart_with_the_same_keys_goes_on(used: Settings) -> None:
    program = start(used)
    assert len(program.world.store.events()) > 0
    program.stop()


def test_keys_moved_away_are_asked_for_and_not_made_anew(used: Settings) -> None:
    keys = used.data / "keys"
    keys.rename(used.data / "elsewhere")
    with pytest.raises(Refused, match=r"log.key and .* cannot be found.*back from a backup"):
        start(used)
    assert not keys.exists()
    (used.data / "elsewhere").rename(keys)
    start(used).stop()


@pytest.mark.parametrize("name", app.KEY_FILES)
def test_each_missing_file_is_named(used: Settings, name: str) -> None:
    (used.data / "keys" / name).unlink()
    with pytest.raises(Refused, match=name):
        start(used)
    assert not (used.data / "keys" / name).exists()


@pytest.mark.parametrize("name", ["log.key", "master.key"])
def test_a_key_of_another_installation_is_refused(used: Settings, name: str) -> None:
    kept = (used.data / "keys" / name).read_bytes()
    (used.data / "keys" / name).write_bytes(b"x" * 32)
    with pytest.raises(Refused, match=f"{name}.* is not what this database was written with"):
        start(used)
    (used.data / "keys" / name).write_bytes(kept)
    start(used).stop()


def test_a_log_of_another_name_is_refused(used: Settings) -> None:
    (used.data / "keys" / "origin").write_text("other.example/log")
    with pytest.raises(Refused, match="origin is not what this database was written with"):
        start(used)
