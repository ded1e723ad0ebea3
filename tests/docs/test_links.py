"""Links between documents lead somewhere, also to the right heading; every page can be reached from the README."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import pytest

from tests.meta.source import ROOT, kept_files

DOCUMENTS = [
    path for path in kept_files() if path.endswith(".md") and (path.startswith("docs/") or "/" not in path)
]


def prose(path: str) -> str:
    return re.sub(r"^```.*?^```$", "", (ROOT / path).read_text(), flags=re.DOTALL | re.MULTILINE)


def links(path: str) -> list[str]:
    return [one for one in re.findall(r"\]\(([^)\s]+)\)", prose(path)) if not re.match(r"[a-z]+:", one)]


def anchors(path: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def target(path: str, link: str) -> tuple[Path, str]:
    name, _, anchor = link.partition("#")
    return ((ROOT / path).parent / name if name else ROOT / path).resolve(), anchor


@pytest.mark.parametrize("path", DOCUMENTS)
def test_every_link_of_a_document_leads_somewhere(path: str) -> None:
    dead = []
    for link in links(path):
        file, anchor = target(path, link)
        if not file.exists() or (anchor and anchor not in anchors(file)):
            dead.append(link)
    assert dead == []


def test_every_document_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), ["README.md"]
    while waiting:
        path = waiting.pop()
        reached.add(path)
        for link in links(path):
            file, _ = target(path, link)
            name = file.relative_to(ROOT).as_posix() if file.is_relative_to(ROOT) else ""
            name = f"{name}/README.md" if file.is_dir() else name
            if name in DOCUMENTS and name not in reached:
                waiting.append(name)
    assert {path for path in DOCUMENTS if path.startswith("docs/")} - reached == set()


def test_every_picture_is_small() -> None:
    pictures = [path for path in kept_files() if PurePosixPath(path).suffix == ".png"]
    assert {path for path in pictures if (ROOT / path).stat().st_size > 300_000} == set()
