"""A folder is a glossary word, and a file of the core is its noun: the glossary and the source use the same words."""

from __future__ import annotations

import re

import pytest

from tests.meta.source import ROOT, core_files


def glossary() -> list[tuple[str, str, list[str]]]:
    rows = re.findall(
        r"^\|([^|]+)\|([^|]+)\|([^|]*)\|$", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE
    )
    rows = [row for row in rows if row[0].strip() != "Word" and "---" not in row[0]]
    return [
        (word.strip(), meaning.strip(), [one.strip() for one in no.split(",") if one.strip()])
        for word, meaning, no in rows
    ]


WORDS = {word for word, _, _ in glossary()}


def test_every_word_stands_once_and_in_order() -> None:
    words = [word for word, _, _ in glossary()]
    assert len(words) == len(WORDS) > 50
    assert words == sorted(words)


def test_every_word_has_a_meaning() -> None:
    assert [word for word, meaning, _ in glossary() if len(meaning) < 10] == []


@pytest.mark.parametrize("folder", ["catalog", "alerts", "incidents", "reviews"])
def test_a_stage_of_the_core_has_its_word(folder: str) -> None:
    assert folder == "catalog" or folder.removesuffix("s") in WORDS


def test_every_desk_has_its_words() -> None:
    assert {"page", "playbook", "containment action", "update"} <= WORDS


def test_no_folder_of_the_core_is_called_by_a_word_that_we_do_not_use() -> None:
    avoided = {re.sub(r" \(.*\)", "", one) for _, _, no in glossary() for one in no}
    folders = {part for path in core_files() for part in path.split("/")[2:-1]}
    files = {path.rpartition("/")[2].removesuffix(".py") for path in core_files()}
    wrong = {name for name in folders | files if name in avoided and name not in WORDS}
    assert wrong == set()


def test_every_noun_that_names_a_kind_of_stream_is_in_the_glossary() -> None:
    from tocsin.app import KINDS

    assert set(KINDS) - WORDS - {"containment", "access"} == set()
    assert "containment action" in WORDS
