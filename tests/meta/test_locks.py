"""The locks hold names, versions and hashes only, and answer what pyproject.toml asks today."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.meta.source import ROOT
from tools import locks


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the inputs and the locks, which a test may spoil."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    monkeypatch.setattr(locks, "ROOT", tmp_path)
    monkeypatch.setattr(locks, "FOLDER", tmp_path / "requirements")
    return tmp_path


def told(name: str) -> str:
    return " ".join(locks.problems(next(lock for lock in locks.LOCKS if lock.name == name)))


def spoil(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize("lock", locks.LOCKS, ids=lambda lock: lock.name)
def test_every_lock_is_fresh_and_whole(lock: locks.Lock) -> None:
    assert locks.problems(lock) == []


def test_a_new_requirement_makes_every_lock_of_the_project_stale(project: Path) -> None:
    spoil(project / "pyproject.toml", '"alembic>=1.20",', '"alembic>=1.20", "left-pad>=1",')
    for name in ("core", "demo", "dev"):
        assert "made from other requirements" in told(name)
        assert "does not meet 'left-pad>=1' (locked: nothing)" in told(name)
    assert told("uv") == ""


def test_a_locked_version_that_is_too_old_is_told(project: Path) -> None:
    spoil(project / "pyproject.toml", "alembic>=1.20", "alembic>=99")
    assert "does not meet 'alembic>=99'" in told("core")


def test_a_change_elsewhere_in_the_project_file_leaves_the_locks_fresh(project: Path) -> None:
    spoil(project / "pyproject.toml", "line-length = 110", "line-length = 100")
    assert told("dev") == ""


@pytest.mark.parametrize("line", ["--extra-index-url=wheels", "-f wheels", "# via file:///wheels"])
def test_a_place_or_an_option_in_a_lock_is_told(project: Path, line: str) -> None:
    lock = project / "requirements" / "core.txt"
    lock.write_text(lock.read_text() + f"{line}\n")
    assert "names a place or an option" in told("core")


def test_a_pin_without_a_hash_is_told(project: Path) -> None:
    lock = project / "requirements" / "uv.txt"
    lock.write_text(lock.read_text() + "left-pad==1.0\n")
    assert "left-pad has no hash" in told("uv")


def test_a_missing_lock_is_told(project: Path) -> None:
    (project / "requirements" / "demo.txt").unlink()
    assert "demo.txt is missing" in told("demo")


def test_the_smaller_locks_hold_the_versions_that_the_tests_run_on() -> None:
    def versions(name: str) -> set[tuple[str, str]]:
        return {(pin.name, pin.version) for pin in locks.pins((locks.FOLDER / f"{name}.txt").read_text())}

    assert versions("core") <= versions("demo") <= versions("dev")


def test_the_core_lock_holds_no_extra() -> None:
    names = {pin.name for pin in locks.pins((locks.FOLDER / "core.txt").read_text())}
    assert names.isdisjoint({"psycopg", "mlflow-skinny", "scikit-learn", "pandas", "pytest", "mypy"})
