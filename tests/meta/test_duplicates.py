"""A file that is kept twice is found, unless it is allowed by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import duplicates

TEXT = "generated text\n" * 20


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(duplicates, "ROOT", tmp_path)
    return tmp_path


def keep(tree: Path, *paths: str, text: str = TEXT) -> list[str]:
    for path in paths:
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    return list(paths)


def test_two_equal_files_are_one_group(tree: Path) -> None:
    paths = keep(tree, "docs/schema.json", "src/schema.json") + keep(tree, "src/other.json", text=TEXT + ".")
    assert duplicates.duplicates(paths) == [["docs/schema.json", "src/schema.json"]]


def test_small_files_may_be_equal(tree: Path) -> None:
    assert (
        duplicates.duplicates(keep(tree, "a/__init__.py", "b/__init__.py", text='"""A package."""\n')) == []
    )


def test_a_licence_may_lie_beside_everything_that_it_covers(tree: Path) -> None:
    assert duplicates.duplicates(keep(tree, "LICENSE", "tests/data/x/LICENSE")) == []


def test_this_repository_keeps_no_file_twice() -> None:
    assert duplicates.duplicates(duplicates.files()) == []
