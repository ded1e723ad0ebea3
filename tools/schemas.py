"""Write the JSON Schemas of the catalog's documents from their structs, or check that they are fresh.

`python tools/schemas.py make` writes `src/tocsin/catalog/schema/<kind>.json`; `check` compares and exits 1.
Editors use them for completion; the server itself reads the structs (JSON Schema 2020-12).
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
import textwrap
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect as types

from tocsin.catalog.configuration import KINDS
from tocsin.catalog.document import Part
from tocsin.catalog.shape import shape_of
from tocsin.kernel.predicate import OPS, FactType

FOLDER = Path(__file__).resolve().parent.parent / "src" / "tocsin" / "catalog" / "schema"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
PREDICATE: dict[str, Any] = {
    "title": "Predicate",
    "description": "A condition: one row over a fact of the vocabulary, or exactly one of all, any and not.",
    "oneOf": [
        {
            "type": "object",
            "properties": {
                "fact": {"type": "string", "description": "The fact's name in the vocabulary."},
                "op": {"enum": list(OPS), "default": "==", "description": "How fact and value are compared."},
                "value": {
                    "type": ["boolean", "number", "string", "array"],
                    "items": {"type": ["string", "number"]},
                    "description": "What the fact is compared with.",
                },
                "unit": {"type": "string", "description": "The unit of the value; empty: the fact's own."},
            },
            "required": ["fact", "value"],
            "additionalProperties": False,
        },
        *(
            {
                "type": "object",
                "properties": {
                    join: {"type": "array", "items": {"$ref": "#/$defs/Predicate"}, "minItems": 1}
                },
                "required": [join],
                "additionalProperties": False,
            }
            for join in ("all", "any")
        ),
        {
            "type": "object",
            "properties": {"not": {"$ref": "#/$defs/Predicate"}},
            "required": ["not"],
            "additionalProperties": False,
        },
    ],
}


def schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of one kind of document as it stands in a file."""
    struct = KINDS[kind]
    made = msgspec.json.schema(struct)
    definitions: dict[str, Any] = made["$defs"]
    if "Predicate" in definitions:
        definitions["Predicate"] = PREDICATE
    for name in definitions.keys() - {"Predicate"}:
        _complete(_structs()[name], definitions[name])
    root = definitions.pop(struct.__name__)
    root["properties"] = {
        "kind": {"const": kind, "description": "The kind of document."},
        **root["properties"],
    }
    root["required"] = ["kind", *root.get("required", ())]
    root["title"] = kind.replace("_", " ")
    return {"$schema": DIALECT, **root, **({"$defs": definitions} if definitions else {})}


def _complete(struct: type[msgspec.Struct], definition: dict[str, Any]) -> None:
    definition["additionalProperties"] = False
    words = _fields(struct)
    for field in shape_of(struct).fields:
        value = definition["properties"][field.encode_name]
        if field.name in words:
            value["description"] = words[field.name]
        if value.get("default", "") is None:
            del value["default"]
        if isinstance(field.type, types.DictType) and isinstance(field.type.key_type, types.LiteralType):
            value["propertyNames"] = {"enum": list(field.type.key_type.values)}
        _as_written(value)


def _as_written(value: dict[str, Any]) -> None:
    """Allow what YAML makes of an unquoted figure where the product reads text."""
    if str(value.get("pattern", "")).startswith("^-?[0-9]"):
        value["type"] = ["string", "number"]
    if value.get("additionalProperties") == {"type": "string"}:
        value["additionalProperties"] = {"type": ["string", "number", "boolean"]}
    for choice in value.get("anyOf", ()):
        _as_written(choice)


def _structs() -> dict[str, type[msgspec.Struct]]:
    """Return every struct of the catalog by its name, which is also its name in a schema."""
    structs: list[type[msgspec.Struct]] = [*_below(Part), FactType]
    return {struct.__name__: struct for struct in structs}


def _below(parent: type[msgspec.Struct]) -> set[type[msgspec.Struct]]:
    found = {parent}
    for child in parent.__subclasses__():
        found |= _below(child)
    return found


def _fields(struct: type) -> dict[str, str]:
    words: dict[str, str] = {}
    for each in reversed(struct.__mro__):
        if each.__module__.startswith("tocsin"):
            words |= _own_fields(each)
    return words


def _own_fields(struct: type) -> dict[str, str]:
    body = ast.parse(textwrap.dedent(inspect.getsource(struct))).body[0]
    assert isinstance(body, ast.ClassDef)
    words: dict[str, str] = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            words[field.target.id] = " ".join(str(text.value.value).split())
    return words


def texts() -> dict[str, str]:
    """Return file name to content for every kind."""
    return {f"{kind}.json": json.dumps(schema(kind), indent=2, ensure_ascii=False) + "\n" for kind in KINDS}


def stale() -> list[str]:
    """Return the names of files that are missing, left over or not what the structs say."""
    wanted = texts()
    have = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    return sorted(name for name in {*wanted, *have} if wanted.get(name) != have.get(name))


def main(arguments: list[str]) -> int:
    """Run `make` or `check`; return the exit status."""
    if arguments == ["make"]:
        FOLDER.mkdir(exist_ok=True)
        for old in FOLDER.glob("*.json"):
            old.unlink()
        for name, text in texts().items():
            (FOLDER / name).write_text(text)
        return 0
    if arguments == ["check"]:
        found = stale()
        for name in found:
            print(f"stale: {name}. Run `python tools/schemas.py make`.")
        return 1 if found else 0
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
