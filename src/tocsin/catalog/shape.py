"""Nodes against the structs they should become: unknown fields, missing fields, wrong types, each with its line."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import inspect

from tocsin.catalog.node import Mapping, Node, Scalar, Sequence, plain
from tocsin.catalog.problem import Path
from tocsin.kernel.predicate import Predicate, did_you_mean

Report: TypeAlias = Callable[[Path, int, str, str], None]
"""Takes path, line, why and mend of a problem."""


@dataclass(frozen=True, slots=True)
class _Shaping:
    report: Report
    predicates: list[tuple[Path, object]]


_INTEGER = re.compile(r"[-+]?[0-9]{1,15}\Z")
_PATTERNS = {
    r"^[a-z0-9][a-z0-9_.-]{0,62}$": "Use lower case letters, digits, dot, dash or underscore, at most 63.",
    r"^-?[0-9]{1,18}(\.[0-9]{1,18})?$": "Write a decimal number such as 0.10.",
    r"^([01][0-9]|2[0-3]):[0-5][0-9]$": "Write a time of day such as 09:00.",
}


@cache
def shape_of(struct: type[msgspec.Struct]) -> inspect.StructType:
    """Return the shape of a struct, as msgspec sees it."""
    info = inspect.type_info(struct)
    if not isinstance(info, inspect.StructType):
        raise TypeError(f"{struct.__name__} is not a struct")
    return info


def build(
    node: Node, struct: type[msgspec.Struct], report: Report
) -> tuple[object, tuple[tuple[Path, object], ...]]:
    """Return plain data that `msgspec.convert` turns into `struct`, and the predicates in it with their paths.

    Every problem goes to `report`; when something was reported the data is incomplete and must not be used.
    Predicates are not checked here, because that needs the vocabulary.
    """
    shaping = _Shaping(report, [])
    return _struct(node, shape_of(struct), (), shaping), tuple(shaping.predicates)


def _value(node: Node, type_: Any, path: Path, shaping: _Shaping) -> object:
    match type_:
        case inspect.StructType() if type_.cls is Predicate:
            shaping.predicates.append((path, plain(node)))
            return plain(node)
        case inspect.StructType():
            return _struct(node, type_, path, shaping)
        case inspect.UnionType():
            return _union(node, type_, path, shaping)
        case inspect.VarTupleType():
            return _sequence(node, type_.item_type, path, shaping)
        case inspect.TupleType():
            return _tuple(node, type_, path, shaping)
        case inspect.DictType():
            return _dict(node, type_, path, shaping)
        case inspect.Metadata():
            return _value(node, type_.type, path, shaping)
        case _:
            return _scalar(node, type_, path, shaping)


def _struct(node: Node, shape: inspect.StructType, path: Path, shaping: _Shaping) -> object:
    if not isinstance(node, Mapping):
        fields = ", ".join(field.encode_name for field in shape.fields)
        shaping.report(path, node.line, "Must be a mapping.", f"Write its fields, such as {fields}.")
        return None
    known = {field.encode_name: field for field in shape.fields}
    data: dict[str, object] = {}
    for name, value in node.items.items():
        if name == shape.tag_field:
            data[name] = plain(value)
        elif name not in known:
            shaping.report(
                (*path, name), node.lines[name], "There is no such field.", did_you_mean(name, known)
            )
        elif not (isinstance(value, Scalar) and value.is_null and not known[name].required):
            data[name] = _value(value, known[name].type, (*path, name), shaping)
    for name, field in known.items():
        if field.required and name not in node.items:
            shaping.report(path, node.line, f"{name!r} is missing.", "Add it.")
    return data


def _union(node: Node, type_: inspect.UnionType, path: Path, shaping: _Shaping) -> object:
    options = [option for option in type_.types if not isinstance(option, inspect.NoneType)]
    if len(options) < len(type_.types) and isinstance(node, Scalar) and node.is_null:
        return None
    structs = [option for option in options if isinstance(option, inspect.StructType) and option.tag_field]
    if structs:
        return _tagged(node, structs, path, shaping)
    if len(options) == 1:
        return _value(node, options[0], path, shaping)
    return plain(node)


def _tagged(node: Node, structs: list[inspect.StructType], path: Path, shaping: _Shaping) -> object:
    by_tag = {str(option.tag): option for option in structs}
    field = structs[0].tag_field or ""
    tag = node.items.get(field) if isinstance(node, Mapping) else None
    if not isinstance(tag, Scalar):
        shaping.report(path, node.line, f"{field!r} is missing.", f"Say which: {', '.join(by_tag)}.")
        return None
    if tag.text not in by_tag:
        shaping.report(
            (*path, field), tag.line, f"There is no {field} {tag.text!r}.", did_you_mean(tag.text, by_tag)
        )
        return None
    return _struct(node, by_tag[tag.text], path, shaping)


def _sequence(node: Node, item: Any, path: Path, shaping: _Shaping) -> object:
    if not isinstance(node, Sequence):
        shaping.report(path, node.line, "Must be a list.", "Write [a, b], or one item per line after a dash.")
        return None
    return [_value(value, item, (*path, index), shaping) for index, value in enumerate(node.items)]


def _tuple(node: Node, type_: inspect.TupleType, path: Path, shaping: _Shaping) -> object:
    wanted = len(type_.item_types)
    if not isinstance(node, Sequence) or len(node.items) != wanted:
        shaping.report(path, node.line, f"Must be a list of exactly {wanted}.", "Add or remove items.")
        return None
    pairs = zip(node.items, type_.item_types, strict=True)
    return [_value(value, item, (*path, index), shaping) for index, (value, item) in enumerate(pairs)]


def _dict(node: Node, type_: inspect.DictType, path: Path, shaping: _Shaping) -> object:
    if not isinstance(node, Mapping):
        shaping.report(path, node.line, "Must be a mapping.", "Write one `name: value` per line.")
        return None
    data: dict[object, object] = {}
    for name, value in node.items.items():
        key = _scalar(Scalar(node.lines[name], name, plain=False), type_.key_type, (*path, name), shaping)
        data[key] = _value(value, type_.value_type, (*path, name), shaping)
    return data


def _scalar(node: Node, type_: Any, path: Path, shaping: _Shaping) -> object:
    if not isinstance(node, Scalar):
        shaping.report(
            path, node.line, "Must be a single value.", "Write it on one line, or as a block of text after |."
        )
        return None
    value: object = node.text
    mend = "Write text."
    match type_:
        case inspect.IntType():
            mend = _bounds(type_)
            if node.plain and _INTEGER.match(node.text):
                value = int(node.text)
        case inspect.BoolType():
            mend = "Write true or false."
            value = {"true": True, "false": False}.get(node.text, node.text)
        case inspect.LiteralType():
            return _literal(node, type_, path, shaping)
        case inspect.DateType():
            mend = "Write a date such as 2026-11-23."
        case inspect.DateTimeType():
            mend = "Write a time with its offset, such as 2026-11-23T09:00:00+01:00."
        case inspect.StrType():
            mend = _PATTERNS.get(type_.pattern or "", _length(type_))
            if node.is_null:
                value = None
    return _checked(node, value, type_, path, shaping, mend)


def _checked(node: Scalar, value: object, type_: Any, path: Path, shaping: _Shaping, mend: str) -> object:
    try:
        return msgspec.convert(value, _python_type(type_))
    except msgspec.ValidationError:
        shown = (
            "Nothing" if value is None else repr(node.text if len(node.text) < 80 else node.text[:77] + "...")
        )
        shaping.report(path, node.line, f"{shown} does not fit.", mend)
        return None


def _literal(node: Scalar, type_: inspect.LiteralType, path: Path, shaping: _Shaping) -> object:
    choices = {str(choice): choice for choice in type_.values}
    if node.text not in choices:
        shaping.report(path, node.line, f"{node.text!r} does not fit.", did_you_mean(node.text, choices))
        return None
    return choices[node.text]


def _python_type(type_: Any) -> Any:
    """Return a type with the same limits, for one scalar."""
    match type_:
        case inspect.IntType():
            return _limited(int, ge=type_.ge, le=type_.le)
        case inspect.StrType():
            return _limited(
                str, pattern=type_.pattern, min_length=type_.min_length, max_length=type_.max_length
            )
        case inspect.BoolType():
            return bool
        case inspect.DateType():
            return dt.date
        case inspect.DateTimeType():
            return _limited(dt.datetime, tz=type_.tz)
        case _:
            return str


@cache
def _limited(base: Any, **limits: Any) -> Any:
    return Annotated[base, msgspec.Meta(**limits)]


def _bounds(type_: inspect.IntType) -> str:
    if type_.ge is not None and type_.le is not None:
        return f"Write a whole number from {type_.ge} to {type_.le}."
    return "Write a whole number." if type_.ge is None else f"Write a whole number of at least {type_.ge}."


def _length(type_: inspect.StrType) -> str:
    if type_.min_length and type_.max_length:
        return f"Write {type_.min_length} to {type_.max_length} characters."
    return "Write text." if type_.max_length is None else f"Write at most {type_.max_length} characters."
