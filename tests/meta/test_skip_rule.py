"""A skip that tests/SKIPS does not list fails a strict run, and only a strict run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.meta.source import ROOT
from tests.skip_rule import listed_skips

CONFTEST = """
import os
from tests.skip_rule import SkipRule

def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(SkipRule(("shared is absent",), strict=os.environ["STRICT"] == "1"))
"""


def run(folder: Path, body: str, *, strict: bool, workers: int = 0) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_it.py").write_text("import pytest\n\ndef test_passes():\n    assert 1\n\n" + body)
    (folder / "pytest.ini").write_text("[pytest]\n")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", str(workers), str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "STRICT": "1" if strict else "0"},
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("workers", [0, 1])
def test_an_unlisted_skip_fails_a_strict_run_and_is_named(tmp_path: Path, workers: int) -> None:
    body = "def test_other():\n    pytest.skip('no browser here')\n"
    done = run(tmp_path, body, strict=True, workers=workers)
    assert done.returncode == 1
    assert "test_it.py::test_other: no browser here" in done.stdout


def test_an_unlisted_skip_passes_an_everyday_run(tmp_path: Path) -> None:
    assert (
        run(tmp_path, "def test_other():\n    pytest.skip('no browser here')\n", strict=False).returncode == 0
    )


def test_a_listed_skip_passes_a_strict_run(tmp_path: Path) -> None:
    body = "def test_other():\n    pytest.skip('../shared is absent')\n"
    assert run(tmp_path, body, strict=True).returncode == 0


@pytest.mark.parametrize("workers", [0, 1])
def test_a_module_that_skips_itself_fails_a_strict_run(tmp_path: Path, workers: int) -> None:
    (tmp_path / "test_whole.py").write_text("import pytest\npytest.importorskip('no_such_library')\n")
    done = run(tmp_path, "", strict=True, workers=workers)
    assert done.returncode == 1
    assert "no_such_library" in done.stdout


def test_an_expected_failure_is_no_skip(tmp_path: Path) -> None:
    body = "@pytest.mark.xfail\ndef test_other():\n    assert 0\n"
    assert run(tmp_path, body, strict=True).returncode == 0


def test_comments_and_empty_lines_list_nothing() -> None:
    assert listed_skips("# why\n\nno browser \n") == ("no browser",)


def test_every_listed_skip_has_a_comment_before_it() -> None:
    lines = (ROOT / "tests" / "SKIPS").read_text().splitlines()
    bare = [
        line
        for above, line in zip(["", *lines], lines, strict=False)
        if line and line[0] != "#" and above[:1] != "#"
    ]
    assert bare == []
