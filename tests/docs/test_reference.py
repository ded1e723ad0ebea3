"""The reference says what the program says."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.meta.source import ROOT
from tocsin.engine import crash
from tools import reference


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return reference.texts()


def kept(name: str) -> str:
    return (ROOT / "docs" / "reference" / name).read_text()


def test_every_page_made_from_the_source_is_fresh(made: dict[str, str]) -> None:
    stale = [name for name, text in made.items() if kept(name) != text]
    assert stale == [], "run `make generate`"


def test_every_permission_of_the_table_is_explained() -> None:
    assert set(reference.permission_meanings()) == set(reference.PERMISSIONS)


def test_every_route_of_the_api_asks_for_a_permission_or_is_open_on_purpose(made: dict[str, str]) -> None:
    rows = re.findall(r"^\| `\w+` \| `(/\S+)` \| nobody \|", made["http-api.md"], re.MULTILINE)
    assert set(rows) == {"/healthz", "/readyz", "/metrics", "/sign-in", "/acknowledge/{token}"}


def test_every_event_and_every_field_of_the_configuration_has_a_meaning(made: dict[str, str]) -> None:
    empty = re.compile(r"^\|.*\|  \|$", re.MULTILINE)
    rows = [
        row
        for name in ("events.md", "configuration.md", "settings.md", "metrics.md")
        for row in empty.findall(made[name])
    ]
    assert rows == []


def test_every_point_of_a_crash_is_documented_and_no_other() -> None:
    text = kept("durability.md")
    assert set(re.findall(r"^\| `(\w+\.\w+)` \|", text, re.MULTILINE)) == set(crash.POINTS)


def test_every_option_and_chapter_of_the_demonstration_is_documented() -> None:
    from tocsin_demo.plot import CHAPTERS

    text = kept("demo.md")
    told = subprocess.run(
        [sys.executable, "-m", "tocsin.cli", "demo", "--help"],
        cwd=ROOT / "src",
        capture_output=True,
        text=True,
    )
    options = set(re.findall(r"--[a-z]+", told.stdout)) - {"--help"}
    assert told.returncode == 0
    assert set(re.findall(r"`(--[a-z]+)", text)) == options
    chapters = re.findall(
        r"^\| (\w+) \| ", text.partition("## The story")[2].partition("## The JSON")[0], re.MULTILINE
    )
    assert chapters[1:] == [chapter.__name__ for chapter in CHAPTERS]


def test_every_page_of_the_reference_is_listed() -> None:
    pages = {path.name for path in reference.FOLDER.glob("*.md")} - {"README.md"}
    assert set(re.findall(r"\]\(([\w-]+\.md)\)", kept("README.md"))) == pages
