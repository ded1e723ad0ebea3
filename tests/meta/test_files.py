"""No kept file tells where it was made, and each has its place."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import pytest

from tests.meta.source import ROOT, kept_files

# Written in two halves, so that this file does not find itself.
PLACES = tuple(
    "".join(halves)
    for halves in (
        ("pypi", ".org"), ("files.python", "hosted"), ("registry.npm", "js"), ("deb.", "debian.org"),
        ("--index", "-url http"), ("--find", "-links"), ("file:", "///opt"), ("file:", "///root"),
        ("/opt/", "pypi"), ("/opt/", "wheels"), ("/root", "/."), ("/work", "/main"), ("/work", "/shared"),
        ("/bash_", "jobs"),
    )
)  # fmt: skip
NOT_NAMES = {"models", "utils", "helpers", "common", "manager", "base"}
BINARY = {".png", ".jpg", ".gif", ".ico", ".woff2", ".gz", ".tsr", ".tsq", ".der", ".pb", ".bin", ".sqlite3"}


def text_files() -> list[str]:
    return [path for path in kept_files() if PurePosixPath(path).suffix not in BINARY]


@pytest.mark.parametrize("place", PLACES)
def test_no_kept_file_names_an_index_host_or_a_place_on_one_machine(place: str) -> None:
    found = [path for path in text_files() if place in (ROOT / path).read_text(errors="replace")]
    assert found == []


def test_the_search_for_places_reads_the_whole_project() -> None:
    assert {"Makefile", ".ci/run", "requirements/dev.txt", "tests/meta/test_files.py"} <= set(text_files())


def test_no_module_has_a_name_that_says_nothing() -> None:
    modules = [path for path in kept_files() if path.startswith("src/") and path.endswith(".py")]
    named = [
        path
        for path in modules
        if {PurePosixPath(part).stem for part in PurePosixPath(path).parts} & NOT_NAMES
    ]
    assert named == []


def test_every_python_package_has_its_init() -> None:
    folders = {
        PurePosixPath(path).parent
        for path in kept_files()
        if path.startswith("src/") and path.endswith(".py")
    }
    missing = [str(folder) for folder in sorted(folders) if not (ROOT / folder / "__init__.py").is_file()]
    assert missing == []


def test_every_ignore_names_its_rule_and_its_reason() -> None:
    """`# noqa: S603 - the reason` and `# type: ignore[arg-type]  # the reason`. Types of tests are not checked."""
    ignore = re.compile(r"#\s*(noqa|type:\s*ignore)(.*)")
    ruled = {"noqa": re.compile(r":\s*[A-Z]+\d+(,\s*[A-Z]+\d+)*\s*(-|#|\()\s*\w.{3,}")}
    typed = re.compile(r"\[[a-z-]+(,\s*[a-z-]+)*\]\s*#\s*\w.{3,}")
    without = []
    for path in kept_files():
        if not path.endswith(".py") or path == "tests/meta/test_files.py":
            continue
        for number, line in enumerate((ROOT / path).read_text().splitlines(), 1):
            found = ignore.search(line)
            if found and found[1] != "noqa" and path.startswith("tests/"):
                continue
            if found and not ruled.get(found[1], typed).match(found[2]):
                without.append(f"{path}:{number}: {line.strip()}")
    assert not without, "\n".join(without)
