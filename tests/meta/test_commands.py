"""The commands of the repository are those that the documents promise."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess

import pytest

from tests.meta.source import ROOT, kept_files
from tocsin.settings import Settings

PROMISED = ("demo", "setup", "test", "check", "bench")
DOCUMENTS = [
    path for path in kept_files() if path.endswith(".md") and not path.startswith(("src/", "tests/"))
]


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("command", PROMISED)
def test_make_knows_every_promised_command_and_tells_of_it(command: str) -> None:
    told = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert f"make {command} " in told


def test_ci_runs_without_a_terminal_and_counts_skips() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert "TOCSIN_STRICT_SKIPS=1" in script
    assert script.index("make check") < script.index("make test")
    assert subprocess.run(["bash", "-n", ".ci/run"], cwd=ROOT).returncode == 0


@pytest.mark.parametrize("script", ["tools/setup.sh"])
def test_a_shell_script_is_plain_sh(script: str) -> None:
    assert subprocess.run(["sh", "-n", script], cwd=ROOT).returncode == 0


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_names_only_make_commands_that_exist(document: str) -> None:
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", (ROOT / document).read_text(), re.MULTILINE))
    assert named <= targets()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_links_only_to_what_exists(document: str) -> None:
    text = re.sub(r"```.*?```", "", (ROOT / document).read_text(), flags=re.DOTALL)
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    near = [link for link in links if link and not re.match(r"[a-z]+:", link)]
    folder = (ROOT / document).parent
    assert [link for link in near if not os.path.exists(folder / link)] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_names_only_settings_that_are_read(document: str) -> None:
    read = {f"TOCSIN_{field.name.upper()}" for field in dataclasses.fields(Settings)}
    for path in kept_files():
        if path.startswith(("src/", "tests/", "tools/", ".ci/")) and path.endswith((".py", ".sh", "run")):
            read.update(re.findall(r"TOCSIN_[A-Z_]+", (ROOT / path).read_text()))
    assert set(re.findall(r"TOCSIN_[A-Z_]+", (ROOT / document).read_text())) <= read
