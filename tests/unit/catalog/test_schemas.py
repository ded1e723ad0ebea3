"""The committed JSON Schemas are what the structs say, and the defaults fit them (CAT-4)."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from tests.unit.catalog.example import SMALL, default_files
from tocsin.catalog import node
from tocsin.catalog.configuration import KINDS
from tools.schemas import FOLDER, schema, stale


def documents(text: str) -> list[dict[str, Any]]:
    def fail(line: int, why: str, mend: str) -> None:
        pytest.fail(f"{line}: {why}")

    return [node.plain(one) for one in node.read(text, fail)]  # type: ignore[misc]


def validator(kind: str) -> jsonschema.Draft202012Validator:
    committed = json.loads((FOLDER / f"{kind}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(committed)
    return jsonschema.Draft202012Validator(committed)


def test_the_committed_schemas_are_fresh() -> None:
    assert stale() == [], "run `python tools/schemas.py make`"


@pytest.mark.parametrize("name", sorted(default_files()))
def test_every_default_fits_its_schema(name: str) -> None:
    for document in documents(default_files()[name]):
        errors = [error.message for error in validator(document["kind"]).iter_errors(document)]
        assert errors == [], document["id"]


def test_the_small_example_fits_its_schemas() -> None:
    for document in documents(SMALL):
        assert [error.message for error in validator(document["kind"]).iter_errors(document)] == []


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_field_of_every_schema_has_words(kind: str) -> None:
    made = schema(kind)
    for definition in (made, *made.get("$defs", {}).values()):
        for field, value in definition.get("properties", {}).items():
            if field != definition.get("tag"):
                assert value.get("description") or field in ("step",), (kind, definition["title"], field)


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        ("team", {"kind": "team", "id": "a", "name": "A", "membrs": []}),
        ("team", {"kind": "person", "id": "a", "name": "A"}),
        ("team", {"id": "a", "name": "A"}),
        ("team", {"kind": "team", "id": "A b", "name": "A"}),
        ("label_set", {"kind": "label_set", "id": "a", "title": "A", "labels": ["a"]}),
        (
            "declare_policy",
            {
                "kind": "declare_policy", "id": "a", "title": "A",
                "rules": [{"id": "r", "declare": True, "why": "w", "when": {"fact": "x", "value": 1, "all": []}}],
            },
        ),
        (
            "escalation_policy",
            {
                "kind": "escalation_policy", "id": "a", "name": "A",
                "levels": [{"notify": [{"team": "t"}], "acknowledge_by_rank": {"4": 1}}],
            },
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_the_schema(kind: str, document: dict[str, Any]) -> None:
    assert list(validator(kind).iter_errors(document)) != []
