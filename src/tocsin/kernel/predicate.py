"""Predicates: rows of {fact, op, value, unit} joined by all, any and not, over a typed vocabulary of facts.

Severity, declaring, branches and deadlines are declared this way, so that each can say in a sentence why it
held. A fact that nobody knows makes a row unknown, and unknown is neither true nor false (Kleene's strong
three-valued logic, Introduction to Metamathematics, section 64).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeAlias, cast

import msgspec

from tocsin.kernel import quantity
from tocsin.kernel.errors import Invalid

Kind = Literal["boolean", "number", "text", "set", "duration", "share", "data_size", "money_rate"]
Op = Literal["==", "!=", ">", ">=", "<", "<=", "in", "contains"]
Operand: TypeAlias = bool | int | str | tuple[str, ...]
Fact: TypeAlias = bool | int | Decimal | str | tuple[str, ...]
"""A fact as handed in. Text is read by the fact's type, so `"16"`, `"16 percent"` and `"0.16 ratio"` all work."""

Value: TypeAlias = bool | Decimal | str | tuple[str, ...]
"""A fact after reading: figures are in the base unit of their family."""

Path: TypeAlias = tuple[str | int, ...]

DEPTH = 16
ROWS = 200

OPS: dict[str, str] = {
    "==": "equal to",
    "!=": "other than",
    ">": "more than",
    ">=": "at least",
    "<": "less than",
    "<=": "at most",
    "in": "one of",
    "contains": "containing",
}

_ORDERED = ("==", "!=", ">", ">=", "<", "<=")
OPS_OF: dict[Kind, tuple[str, ...]] = {
    "boolean": ("==", "!="),
    "number": _ORDERED,
    "text": ("==", "!=", "in"),
    "set": ("contains",),
    "duration": _ORDERED,
    "share": _ORDERED,
    "data_size": _ORDERED,
    "money_rate": _ORDERED,
}

DEFAULT_UNIT: dict[Kind, str] = {
    "duration": "second", "share": "percent", "data_size": "byte", "money_rate": "usd_per_hour",
}  # fmt: skip

YES = ("true", "yes")
NO = ("false", "no")


class FactType(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What kind of value a fact has and how it is put in words."""

    kind: Kind
    """boolean, number, text, set (several texts), duration, share, data_size or money_rate."""
    unit: str = ""
    """The unit of a figure written without one."""
    choices: tuple[str, ...] = ()
    """For text and set: the only values; empty means any."""
    text: str
    """The fact in words, as the start of a sentence: `Accuracy drop from the baseline`."""
    ask: str = ""
    """How to ask a person for it; empty means that people are not asked."""

    @property
    def default_unit(self) -> str:
        """The unit of a figure written without one, as the family's own name."""
        return self.unit or DEFAULT_UNIT.get(self.kind, "")


class Predicate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"not_": "not"}):
    """Either one row (fact, op, value, unit) or exactly one of `all`, `any`, `not`. Made by `parse`."""

    all: tuple[Predicate, ...] = ()
    """Holds when every one of these holds."""
    any: tuple[Predicate, ...] = ()
    """Holds when at least one of these holds."""
    not_: Predicate | None = None
    """Holds when this does not."""
    fact: str = ""
    """The fact's name in the vocabulary."""
    op: Op = "=="
    """How the fact is compared with the value."""
    value: Operand | None = None
    """What it is compared with; a figure may be decimal text."""
    unit: str = ""
    """The unit of the value; empty means the fact's own."""

    def rows(self) -> Iterator[Predicate]:
        """Yield every row, depth first."""
        for part in (*self.all, *self.any, *((self.not_,) if self.not_ else ())):
            yield from part.rows()
        if self.fact:
            yield self


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a predicate says of some facts, and why."""

    holds: bool | None
    """True, False, or None when a fact that matters is not known."""
    because: tuple[str, ...]
    """One sentence for each row that decided."""
    facts: tuple[str, ...] = ()
    """The names of the facts that decided, in order, each once."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something wrong in a declared predicate. `path` leads to it through keys and indices."""

    path: Path
    why: str
    mend: str


@dataclass(frozen=True)
class Vocabulary:
    """The facts that predicates may speak of."""

    facts: Mapping[str, FactType]

    def type_of(self, name: str) -> FactType:
        """Return the type of the fact `name`; raise `Invalid` when there is none."""
        if name not in self.facts:
            raise Invalid(f"There is no fact called {name!r}.", mend=did_you_mean(name, self.facts))
        return self.facts[name]

    def read(self, name: str, value: Fact) -> Value:
        """Return `value` typed as the fact `name`, in the base unit of its family; raise `Invalid` otherwise."""
        return _read(self.type_of(name), name, value, "")

    def normal(self, name: str, value: Fact) -> str:
        """Return the one text form of `value` as the fact `name`: what events hold. `read` takes it back."""
        return _normal(self.type_of(name), self.read(name, value))

    def show(self, name: str, value: Fact) -> str:
        """Return `value` as the fact `name` for people, with its unit."""
        return _show(self.type_of(name), self.read(name, value))


def did_you_mean(name: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    """Return the mend for a name that does not exist: the nearest that does, or some that do."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    if near:
        return f"Did you mean {near[0]!r}?"
    some = sorted(known)
    shown = ", ".join(some[:12]) + (", ..." if len(some) > 12 else "")
    return f"Use one of: {shown}." if some else "None is declared."


def parse(data: object, vocabulary: Vocabulary, locate: Callable[[Path], str] | None = None) -> Predicate:
    """Return the predicate that plain `data` (dict, list, text, int, bool) declares.

    `locate` turns a path into a place such as `policy.yaml:12`, for the message.

    Raises:
        Invalid: with the first flaw; `flaws` returns them all.
    """
    for flaw in flaws(data, vocabulary):
        where = locate(flaw.path) if locate else ".".join(str(part) for part in flaw.path)
        raise Invalid(flaw.why, where=where or None, mend=flaw.mend)
    return msgspec.convert(data, Predicate)


def flaws(data: object, vocabulary: Vocabulary) -> tuple[Flaw, ...]:
    """Return everything that is wrong with a declared predicate; empty when it may be used."""
    found = tuple(_flaws(data, vocabulary, (), 0))
    if not found and _count(data) > ROWS:
        return (Flaw((), f"More than {ROWS} rows.", "Split it."),)
    return found


def _flaws(data: object, vocabulary: Vocabulary, path: Path, depth: int) -> Iterator[Flaw]:
    if depth > DEPTH:
        yield Flaw(path, f"Nested more than {DEPTH} deep.", "Make it flatter.")
        return
    if not isinstance(data, Mapping):
        yield Flaw(path, "A condition is a mapping.", "Write {fact, op, value, unit}, or all, any or not.")
        return
    joins = [key for key in ("all", "any", "not", "fact") if key in data]
    if len(joins) != 1:
        yield Flaw(path, "A condition is one row, or one of all, any and not.", "Keep exactly one of them.")
        return
    join = joins[0]
    allowed = ("fact", "op", "value", "unit") if join == "fact" else (join,)
    for key in data:
        if key not in allowed:
            yield Flaw((*path, str(key)), f"{key!r} does not belong here.", did_you_mean(str(key), allowed))
    if join == "fact":
        yield from _row_flaws(cast("Mapping[str, object]", data), vocabulary, path)
    elif join == "not":
        yield from _flaws(data["not"], vocabulary, (*path, "not"), depth + 1)
    else:
        yield from _list_flaws(data[join], vocabulary, (*path, join), depth)


def _list_flaws(parts: object, vocabulary: Vocabulary, path: Path, depth: int) -> Iterator[Flaw]:
    if not isinstance(parts, list | tuple) or not parts:
        yield Flaw(path, f"{path[-1]!r} needs a list with at least one condition.", "Add one.")
        return
    for index, part in enumerate(parts):
        yield from _flaws(part, vocabulary, (*path, index), depth + 1)


def _row_flaws(row: Mapping[str, object], vocabulary: Vocabulary, path: Path) -> Iterator[Flaw]:
    name, op, value, unit = row["fact"], row.get("op", "=="), row.get("value"), row.get("unit", "")
    if not isinstance(name, str) or name not in vocabulary.facts:
        mend = did_you_mean(str(name), vocabulary.facts)
        yield Flaw((*path, "fact"), f"There is no fact called {name!r}.", mend)
        return
    kind = vocabulary.facts[name].kind
    if op not in OPS_OF[kind]:
        mend = f"A {quantity.words(kind)} can be compared by {', '.join(OPS_OF[kind])}."
        yield Flaw((*path, "op"), f"{op!r} does not fit {name!r}.", mend)
        return
    if "value" not in row or value is None:
        yield Flaw(path, "The row has no value.", "Add what the fact is compared with.")
        return
    if not isinstance(unit, str):
        yield Flaw((*path, "unit"), "A unit is text.", "Write it like percent.")
        return
    type_ = vocabulary.facts[name]
    try:
        _check_unit(type_, name, unit)
    except Invalid as error:
        yield Flaw((*path, "unit"), error.why, error.mend or "")
        return
    try:
        _operands(type_, name, str(op), cast("Operand", value), unit)
    except Invalid as error:
        yield Flaw((*path, "value"), error.why, error.mend or "")


def _count(data: object) -> int:
    if isinstance(data, Mapping):
        return ("fact" in data) + sum(_count(part) for part in data.values())
    return sum(_count(part) for part in data) if isinstance(data, list | tuple) else 0


def evaluate(predicate: Predicate, facts: Mapping[str, Fact], vocabulary: Vocabulary) -> Verdict:
    """Return whether `predicate` holds of `facts`, and the sentences that say why.

    A fact that is missing is unknown. Raises `Invalid` for a fact of the wrong type.
    """
    if predicate.fact:
        return _row(predicate, facts, vocabulary)
    if predicate.not_ is not None:
        inner = evaluate(predicate.not_, facts, vocabulary)
        return Verdict(None if inner.holds is None else not inner.holds, inner.because, inner.facts)
    parts = [evaluate(part, facts, vocabulary) for part in predicate.all or predicate.any]
    return _join(parts, decisive=not predicate.all)


def _join(parts: list[Verdict], *, decisive: bool) -> Verdict:
    """Join by all (decisive False: one false part decides) or by any (decisive True: one true part decides)."""
    deciding = [part for part in parts if part.holds is decisive]
    holds: bool | None = decisive if deciding else not decisive
    if not deciding:
        unknown = [part for part in parts if part.holds is None]
        holds = None if unknown else holds
        deciding = unknown or parts
    because = dict.fromkeys(sentence for part in deciding for sentence in part.because)
    names = dict.fromkeys(name for part in deciding for name in part.facts)
    return Verdict(holds, tuple(because), tuple(names))


def _row(row: Predicate, facts: Mapping[str, Fact], vocabulary: Vocabulary) -> Verdict:
    type_ = vocabulary.type_of(row.fact)
    if facts.get(row.fact) is None:
        return Verdict(None, (f"{type_.text}: not known.",), (row.fact,))
    value = vocabulary.read(row.fact, facts[row.fact])
    operands = _operands(type_, row.fact, row.op, cast("Operand", row.value), row.unit)
    holds = _compare(row.op, value, operands)
    return Verdict(holds, (_sentence(type_, row, value, operands, holds),), (row.fact,))


def _operands(type_: FactType, name: str, op: str, value: Operand, unit: str) -> tuple[Value, ...]:
    """Return what the fact is compared with, typed: several values for `in`, one otherwise."""
    if op == "in":
        if not isinstance(value, list | tuple) or not value:
            raise Invalid(
                f"'in' compares {name!r} with a list.", mend="Write the value as a list, such as [a, b]."
            )
        return tuple(_read(type_, name, item, unit) for item in value)
    if op == "contains":
        return (_text(type_, name, value),)
    return (_read(type_, name, value, unit),)


def _compare(op: str, value: Value, operands: tuple[Value, ...]) -> bool:
    first = operands[0]
    match op:
        case "in":
            return value in operands
        case "contains":
            return first in cast("tuple[str, ...]", value)
        case "==":
            return value == first
        case "!=":
            return value != first
    left, right = cast("Decimal", value), cast("Decimal", first)
    return {">": left > right, ">=": left >= right, "<": left < right, "<=": left <= right}[op]


def _sentence(type_: FactType, row: Predicate, value: Value, operands: tuple[Value, ...], holds: bool) -> str:
    shown = _show(type_, value)
    if row.op in ("==", "!=") and (type_.kind == "boolean" or value == operands[0]):
        return f"{type_.text}: {shown}."
    other = ", ".join(_show(type_, operand, row.unit) for operand in operands)
    return f"{type_.text}: {shown}, {'' if holds else 'not '}{OPS[row.op]} {other}."


def _read(type_: FactType, name: str, value: Fact | list[str], unit: str) -> Value:
    match type_.kind:
        case "boolean":
            return _boolean(name, value)
        case "text":
            return _text(type_, name, value)
        case "set":
            items = value.split(",") if isinstance(value, str) else value
            if not isinstance(items, list | tuple):
                raise Invalid(f"{name!r} is a list of texts, not {value!r}.", mend="Write it like [a, b].")
            texts = (_text(type_, name, str(item).strip()) for item in items if str(item).strip())
            return tuple(sorted(set(texts)))
        case _:
            return _figure(type_, name, value, unit)


def _boolean(name: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else ""
    if word not in (*YES, *NO):
        raise Invalid(f"{name!r} is true or false, not {value!r}.", mend="Write true or false.")
    return word in YES


def _text(type_: FactType, name: str, value: object) -> str:
    if not isinstance(value, str):
        raise Invalid(f"{name!r} is text, not {value!r}.", mend="Write it in quotes.")
    if type_.choices and value not in type_.choices:
        raise Invalid(f"{name!r} is never {value!r}.", mend=did_you_mean(value, type_.choices))
    return value


def _figure(type_: FactType, name: str, value: object, unit: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise Invalid(f"{name!r} is a figure, not {value!r}.", mend="Write it like 12 or 0.25.")
    try:
        amount, own = quantity.split(value) if isinstance(value, str) else (Decimal(value), "")
    except Invalid as error:
        raise Invalid(f"{name!r}: {error.why}", mend=error.mend) from error
    if own and unit:
        raise Invalid(f"{name!r} has its unit twice.", mend="Keep one of the two.")
    _check_unit(type_, name, own)
    if type_.kind == "number":
        return amount
    family = cast("quantity.Family", type_.kind)
    return quantity.base(amount, family, own or unit or type_.default_unit)


def _check_unit(type_: FactType, name: str, unit: str) -> None:
    """Raise `Invalid` unless a value of this type may have `unit`; no unit is always right."""
    if not unit or (type_.kind == "number" and unit == type_.unit):
        return
    if type_.kind not in DEFAULT_UNIT:
        mend = f"Its unit is {type_.unit!r}." if type_.unit else "It has none: leave the unit out."
        raise Invalid(f"{unit!r} is not the unit of {name!r}.", mend=mend)
    try:
        quantity.unit_name(cast("quantity.Family", type_.kind), unit)
    except Invalid as error:
        raise Invalid(f"{name!r}: {error.why}", mend=error.mend) from error


def _normal(type_: FactType, value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, Decimal):
        return quantity.plain(_in_unit(type_, value, type_.default_unit))
    return value


def _show(type_: FactType, value: Value, unit: str = "") -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    if isinstance(value, Decimal):
        unit = unit or type_.default_unit
        figure = quantity.plain(_in_unit(type_, value, unit))
        return f"{figure} {quantity.words(unit)}".strip()
    return value


def _in_unit(type_: FactType, value: Decimal, unit: str) -> Decimal:
    if type_.kind == "number":
        return value
    family = cast("quantity.Family", type_.kind)
    return value / quantity.UNITS[family][quantity.unit_name(family, unit)]
