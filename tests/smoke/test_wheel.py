"""The wheel holds the program, every file that it reads, and its licence; and it runs from there."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.meta.source import ROOT, kept_files


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from the tree as it is, without the index."""
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("tocsin-*-py3-none-any.whl")
    return built


def test_the_wheel_holds_every_file_of_the_source_and_nothing_else(wheel: Path) -> None:
    shipped = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    kept = {path.removeprefix("src/") for path in kept_files() if path.startswith("src/")}
    assert shipped == kept


def test_the_wheel_carries_licence_notice_and_the_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name.partition(".dist-info/")[2] for name in archive.namelist()}
        entry = next(name for name in archive.namelist() if name.endswith(".dist-info/entry_points.txt"))
        points = ConfigParser()
        points.read_string(archive.read(entry).decode())
    assert {"licenses/LICENSE", "licenses/NOTICE"} <= names
    assert points["console_scripts"]["tocsin"] == "tocsin.cli:main"


def test_the_command_runs_from_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    program = (
        "import sys, tocsin.cli; sys.argv[1:] = ['--help']; print(tocsin.cli.__file__); tocsin.cli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(tmp_path)}, cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path))
    assert all(command in done.stdout for command in ("serve", "demo", "verify"))
