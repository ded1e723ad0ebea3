"""YAML text as nodes that know their line. Only plain data: no tags, no anchors, nothing is ever constructed.

Scalars stay text until the expected type is known, so `1.10` is never a float and `yes` never a boolean
(YAML 1.2, section 10.3, unlike 1.1).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml

DEPTH = 40
NODES = 200_000

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNREADABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
"""YAML 1.2, section 5.1: what is not printable. Half a surrogate pair cannot be hashed either."""

_INTEGER = re.compile(r"[-+]?[0-9]{1,15}\Z")

Report: TypeAlias = Callable[[int, str, str], None]
"""Takes line, why and mend of a problem."""


@dataclass(slots=True)
class Scalar:
    """One scalar; `plain` when it was written without quotes."""

    line: int
    text: str
    plain: bool

    @property
    def is_null(self) -> bool:
        """Whether it says that there is nothing."""
        return self.plain and self.text in ("", "~", "null")


@dataclass(slots=True)
class Sequence:
    """A list."""

    line: int
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Mapping:
    """A mapping; `lines` holds the line of each key."""

    line: int
    items: dict[str, Node] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)


Node: TypeAlias = Scalar | Sequence | Mapping


class _Stop(Exception):
    """The rest of this file cannot be read."""


def read(text: str, report: Report) -> list[Node]:
    """Return the documents of a YAML text; problems go to `report`, and what follows an unreadable place is left out."""
    documents: list[Node] = []
    unfit = _UNREADABLE.search(text)
    if unfit:
        line = text.count("\n", 0, unfit.start()) + 1
        report(line, f"The character U+{ord(unfit[0]):04X} does not belong in YAML.", "Remove it.")
        return documents
    try:
        events = yaml.parse(text, Loader=_LOADER)
        reader = _Reader(events, report)
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                node = reader.node(next(events), 0)
                if not (isinstance(node, Scalar) and node.is_null):
                    documents.append(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = min(mark.line, text.rstrip("\n").count("\n")) + 1 if mark else 1
        why = f"Not YAML: {error.problem or error.context}."
        report(line, why, "Check indentation, colons and quotes there.")
    except _Stop:
        pass
    return documents


class _Reader:
    def __init__(self, events: Iterator[yaml.Event], report: Report) -> None:
        self._events = events
        self._report = report
        self._count = 0

    def node(self, event: yaml.Event, depth: int) -> Node:
        line = event.start_mark.line + 1 if event.start_mark else 1
        self._guard(event, line, depth)
        if isinstance(event, yaml.ScalarEvent):
            if _UNREADABLE.search(event.value):
                self._report(line, "An escaped character that cannot be stored.", "Remove it.")
            return Scalar(line, event.value, event.style in (None, ""))
        if isinstance(event, yaml.SequenceStartEvent):
            sequence = Sequence(line)
            while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
                sequence.items.append(self.node(event, depth + 1))
            return sequence
        return self._mapping(line, depth)

    def _mapping(self, line: int, depth: int) -> Mapping:
        mapping = Mapping(line)
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self.node(event, depth + 1)
            value = self.node(next(self._events), depth + 1)
            if not isinstance(key, Scalar):
                self._report(key.line, "A key must be text.", "Write a name before the colon.")
            elif key.text in mapping.items:
                first = mapping.lines[key.text]
                self._report(
                    key.line, f"{key.text!r} is given twice, first in line {first}.", "Keep one of the two."
                )
            else:
                mapping.items[key.text], mapping.lines[key.text] = value, key.line
        return mapping

    def _guard(self, event: yaml.Event, line: int, depth: int) -> None:
        self._count += 1
        if isinstance(event, yaml.AliasEvent):
            self._stop(line, "An alias (*name) is not read here.", "Write the value out.")
        if depth > DEPTH or self._count > NODES:
            self._stop(line, "Nested too deep, or too much in one file.", "Split the file.")
        tag, anchor = getattr(event, "tag", None), getattr(event, "anchor", None)
        if tag is not None:
            self._report(line, f"The tag {tag!r} is not read here.", "Remove it.")
        if anchor is not None and not isinstance(event, yaml.AliasEvent):
            self._report(line, f"The anchor &{anchor} is not read here.", "Remove it.")

    def _stop(self, line: int, why: str, mend: str) -> None:
        self._report(line, why, mend)
        raise _Stop


def plain(node: Node) -> object:
    """Return a node as plain data: dict, list, text, int, bool, None. A figure with a point stays text."""
    match node:
        case Mapping():
            return {key: plain(value) for key, value in node.items.items()}
        case Sequence():
            return [plain(item) for item in node.items]
        case Scalar():
            return _scalar(node)


def _scalar(node: Scalar) -> object:
    if not node.plain:
        return node.text
    if node.is_null:
        return None
    if node.text in ("true", "false"):
        return node.text == "true"
    return int(node.text) if _INTEGER.match(node.text) else node.text


def line_of(node: Node, path: tuple[str | int, ...]) -> int:
    """Return the line of the value at `path`, or of the last part of the way that exists."""
    line = node.line
    for part in path:
        if isinstance(node, Mapping) and isinstance(part, str) and part in node.items:
            line, node = node.lines[part], node.items[part]
        elif isinstance(node, Sequence) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
            line = node.line
        else:
            break
    return line
