"""What applying a configuration would change: pure difference of two configurations, as text and as data (CAT-4)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Literal

import msgspec

from tocsin.catalog.configuration import KINDS, Configuration
from tocsin.kernel import canonical
from tocsin.kernel.quantity import words

What = Literal["added", "changed", "removed"]
_MARKS: dict[What, str] = {"added": "+", "changed": "~", "removed": "-"}
_SHOWN = 60


class FieldChange(msgspec.Struct, frozen=True, kw_only=True):
    """One field that differs. Old or new is an empty text when the field was not there."""

    field: str
    """The way to it, such as `levels.0.acknowledge_within_seconds`; an item with an id is named by it."""
    old: str
    new: str


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One document that differs."""

    what: What
    kind: str
    id: str
    fields: tuple[FieldChange, ...] = ()
    """For a changed document: what differs in it."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that applying would change; empty when it would change nothing."""

    changes: tuple[Change, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changes)

    def count(self, what: What) -> int:
        """Return how many documents are added, changed or removed."""
        return sum(change.what == what for change in self.changes)


def plan(old: Configuration, new: Configuration) -> Plan:
    """Return what leads from `old` to `new`, by kind and id."""
    return Plan(changes=tuple(change for kind in KINDS for change in _of_kind(kind, old, new)))


def _of_kind(kind: str, old: Configuration, new: Configuration) -> Iterator[Change]:
    before, after = old.documents(kind), new.documents(kind)
    for id in sorted({*before, *after}):
        if id not in before:
            yield Change(what="added", kind=kind, id=id)
        elif id not in after:
            yield Change(what="removed", kind=kind, id=id)
        elif before[id] != after[id]:
            fields = tuple(_differences(before[id], after[id], ""))
            yield Change(what="changed", kind=kind, id=id, fields=fields)


def _differences(old: object, new: object, path: str) -> Iterator[FieldChange]:
    if old == new:
        return
    left, right = _parts(old), _parts(new)
    if left is None or right is None or type(old) is not type(new):
        yield FieldChange(field=path, old=_text(old), new=_text(new))
        return
    for name in dict.fromkeys((*left, *right)):
        inner = f"{path}.{name}" if path else name
        if name in left and name in right:
            yield from _differences(left[name], right[name], inner)
        else:
            yield FieldChange(field=inner, old=_text(left.get(name)), new=_text(right.get(name)))
    if isinstance(old, tuple) and left.keys() == right.keys() and list(left) != list(right):
        yield FieldChange(field=f"{path} (order)", old=", ".join(left), new=", ".join(right))


def _parts(value: object) -> dict[str, object] | None:
    """Return what a value consists of by name, or None when it is compared as a whole."""
    if isinstance(value, msgspec.Struct):
        return {name: getattr(value, name) for name in value.__struct_fields__}
    if isinstance(value, Mapping):
        return {str(name): item for name, item in value.items()}
    if isinstance(value, tuple) and value and all(hasattr(item, "id") for item in value):
        return {item.id: item for item in value}
    if isinstance(value, tuple) and value and all(isinstance(item, msgspec.Struct) for item in value):
        return {str(index): item for index, item in enumerate(value)}
    return None


def _text(value: object) -> str:
    if value is None:
        return ""
    data = msgspec.to_builtins(value)
    return data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)


def render(plan: Plan) -> str:
    """Return a plan as text for a terminal; it says so when nothing would change."""
    if not plan:
        return "Nothing to change.\n"
    lines = []
    for change in plan.changes:
        lines.append(f"{_MARKS[change.what]} {words(change.kind)} {change.id}")
        lines += [f"    {field.field}: {_short(field.old)} -> {_short(field.new)}" for field in change.fields]
    lines.append(
        f"{plan.count('added')} to add, {plan.count('changed')} to change, {plan.count('removed')} to remove."
    )
    return "\n".join(lines) + "\n"


def _short(text: str) -> str:
    line = " ".join(text.split())
    if not line:
        return "(nothing)"
    return line if len(line) <= _SHOWN else line[: _SHOWN - 3] + "..."


def to_json(plan: Plan) -> bytes:
    """Return a plan as JSON: `{"changes": [{"what", "kind", "id", "fields": [{"field", "old", "new"}]}]}`."""
    return msgspec.json.encode(plan)


def digest(configuration: Configuration) -> str:
    """Return the SHA-256 of a configuration as hex: the same for the same meaning, whatever the files look like."""
    return hashlib.sha256(canonical.encode(_normal(configuration))).hexdigest()


def _normal(value: object) -> object:
    """Return plain data without fields that equal their default; msgspec leaves them out by identity only."""
    if isinstance(value, msgspec.Struct):
        config = value.__struct_config__
        pairs = ((written, default, getattr(value, name)) for name, written, default in _fields(type(value)))
        kept = {written: _normal(item) for written, default, item in pairs if item != default}
        return kept | ({config.tag_field: config.tag} if config.tag_field else {})
    if isinstance(value, Mapping):
        return {str(name): _normal(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_normal(item) for item in value]
    return msgspec.to_builtins(value)


@cache
def _fields(struct: type[msgspec.Struct]) -> tuple[tuple[str, str, object], ...]:
    """Return name, written name and default of every field."""
    return tuple((field.name, field.encode_name, _default(field)) for field in msgspec.structs.fields(struct))


def _default(field: msgspec.structs.FieldInfo) -> object:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default
