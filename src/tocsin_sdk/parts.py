"""The parts of a profile: columns, outcomes, operations. Each merges by addition (`absorb`)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

from tocsin_sdk import counts
from tocsin_sdk.counts import (
    OTHER,
    UNKNOWN,
    Buckets,
    Counts,
    K,
    bucket_of,
    clean,
    number_of,
    order,
    plain,
    text_of,
)

MOST_TEXTS = 256
MOST_GROUPS = 32
MOST_OUTCOMES = 32
MOST_ERRORS = 32
MOST_SCHEMAS = 16

Decision = tuple[str, str, int]
"""A cell of the decision counts: group, prediction, score bin."""
Outcome = tuple[str, str, str, int]
"""A cell of the labelled counts: group, label, prediction, score bin."""


class Column:
    """One input: a histogram of its numbers, counts of its texts, and how often it was null or NaN.

    A column takes what it is given; a text in a column of numbers is therefore seen, not lost.
    """

    __slots__ = ("nans", "nulls", "numbers", "texts")

    def __init__(self) -> None:
        self.numbers: Buckets = {}
        self.texts = Counts(MOST_TEXTS)
        self.nulls = 0
        self.nans = 0

    def add(self, value: object, count: int = 1) -> None:
        """Count a value: None, a number, a bool (as 'true' or 'false'), or anything else as its text."""
        if isinstance(value, str):
            self.texts.add(value, count)
        elif value is None:
            self.nulls += count
        elif isinstance(value, bool):
            self.texts.add("true" if value else "false", count)
        elif not isinstance(value, int | float) and hasattr(value, "item"):
            self.add(plain(value), count)
        else:
            number = number_of(value)
            if number is None:
                self.texts.add(text_of(value), count)
            elif number != number:  # only NaN differs from itself
                self.nans += count
            else:
                counts.add(self.numbers, bucket_of(number), count)

    def total(self) -> int:
        """Return how many values were counted, nulls included."""
        return sum(self.numbers.values()) + self.texts.total() + self.nulls + self.nans

    def absorb(self, more: Column) -> None:
        """Add another column to this one."""
        counts.absorb(self.numbers, more.numbers)
        self.texts.absorb(more.texts)
        self.nulls += more.nulls
        self.nans += more.nans

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Column) and _slots(self) == _slots(other)

    __hash__ = None  # type: ignore[assignment]  # columns change


def _slots(part: object) -> list[object]:
    names: tuple[str, ...] = type(part).__slots__  # type: ignore[attr-defined]  # every part declares slots
    return [getattr(part, name) for name in names]


class Outcomes:
    """Two tables of counts.

    `decisions` counts each prediction once: group x prediction x score bin. It serves parity, which needs
    no label. `labelled` counts each prediction whose label is known: group x label x prediction x score bin.
    It serves performance, calibration and equalised odds; labels that arrive late add to it.
    `groups` and `words` (predictions and labels) are the texts in use, bounded as in `Counts`.
    """

    __slots__ = ("decisions", "groups", "labelled", "words")

    def __init__(self) -> None:
        self.decisions: dict[Decision, int] = {}
        self.labelled: dict[Outcome, int] = {}
        self.groups: set[str] = set()
        self.words: set[str] = set()

    def decide(self, group: str, prediction: str, score_bin: int, count: int = 1) -> None:
        """Count a decision. Group and prediction are words (`counts.word_of`)."""
        group, prediction = self.place_group(group), self.place_word(prediction)
        counts.add(self.decisions, (group, prediction, score_bin), count)

    def label(self, group: str, label: str, prediction: str, score_bin: int, count: int = 1) -> None:
        """Count a prediction whose label has become known."""
        self.place_word(prediction)  # first, because its coming may cost the label its place
        cell = (self.place_group(group), self.place_word(label), self.place_word(prediction), score_bin)
        counts.add(self.labelled, cell, count)

    def place_group(self, group: str) -> str:
        """Return the group that `group` is counted under; it may displace another."""
        if group in self.groups:
            return group
        word, gone = _place(group, self.groups, MOST_GROUPS)
        if gone is not None:
            self.decisions = _moved(self.decisions, lambda c: (_but(gone, c[0]), c[1], c[2]))
            self.labelled = _moved(self.labelled, lambda c: (_but(gone, c[0]), c[1], c[2], c[3]))
        return word

    def place_word(self, word: str) -> str:
        """Return the word that a prediction or label is counted under; it may displace another."""
        if word in self.words:
            return word
        word, gone = _place(word, self.words, MOST_OUTCOMES)
        if gone is not None:
            self.decisions = _moved(self.decisions, lambda c: (c[0], _but(gone, c[1]), c[2]))
            self.labelled = _moved(self.labelled, lambda c: (c[0], _but(gone, c[1]), _but(gone, c[2]), c[3]))
        return word

    def absorb(self, more: Outcomes) -> None:
        """Add another pair of tables to this one."""
        for group in more.groups:
            self.place_group(group)
        for word in more.words:
            self.place_word(word)
        if more.groups <= self.groups and more.words <= self.words:  # every cell keeps its name
            counts.absorb(self.decisions, more.decisions)
            counts.absorb(self.labelled, more.labelled)
            return
        for (group, prediction, score_bin), count in more.decisions.items():
            self.decide(group, prediction, score_bin, count)
        for (group, label, prediction, score_bin), count in more.labelled.items():
            self.label(group, label, prediction, score_bin, count)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Outcomes) and _slots(self) == _slots(other)

    __hash__ = None  # type: ignore[assignment]  # tables change


def _place(word: str, kept: set[str], limit: int) -> tuple[str, str | None]:
    """Return the word to count under, and the word that lost its place to it (None as a rule)."""
    if word in (UNKNOWN, OTHER):
        return word, None
    if len(kept) < limit:
        kept.add(word)
        return word, None
    last = max(kept, key=order)
    if order(word) > order(last):
        return OTHER, None
    kept.remove(last)
    kept.add(word)
    return word, last


def _but(gone: str, word: str) -> str:
    return OTHER if word == gone else word


def _moved(table: dict[K, int], cell_of: Callable[[K], K]) -> dict[K, int]:
    fresh: dict[K, int] = {}
    for cell, count in table.items():
        counts.add(fresh, cell_of(cell), count)
    return fresh


class Operations:
    """How the service ran.

    volume: requests, failed ones included. rows: requests that carried features, against which a column is
    complete. errors: by text. latency, label_delay: histograms in milliseconds. oldest_ms, newest_ms: event
    times in milliseconds since 1970 (UTC). schemas: requests by `schema_hash`.
    """

    __slots__ = ("errors", "label_delay", "latency", "newest_ms", "oldest_ms", "rows", "schemas", "volume")

    def __init__(self) -> None:
        self.volume = 0
        self.rows = 0
        self.errors = Counts(MOST_ERRORS)
        self.latency: Buckets = {}
        self.label_delay: Buckets = {}
        self.oldest_ms: int | None = None
        self.newest_ms: int | None = None
        self.schemas = Counts(MOST_SCHEMAS)

    def saw(self, at_ms: int) -> None:
        """Widen the range of event times (milliseconds since 1970, UTC)."""
        self.oldest_ms = at_ms if self.oldest_ms is None else min(self.oldest_ms, at_ms)
        self.newest_ms = at_ms if self.newest_ms is None else max(self.newest_ms, at_ms)

    def absorb(self, more: Operations) -> None:
        """Add another part's operations to these."""
        self.volume += more.volume
        self.rows += more.rows
        self.errors.absorb(more.errors)
        self.schemas.absorb(more.schemas)
        counts.absorb(self.latency, more.latency)
        counts.absorb(self.label_delay, more.label_delay)
        for moment in (more.oldest_ms, more.newest_ms):
            if moment is not None:
                self.saw(moment)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Operations) and _slots(self) == _slots(other)

    __hash__ = None  # type: ignore[assignment]  # operations change


def schema_hash(names: Iterable[str]) -> str:
    """Return a short hash of a set of column names: which columns came in, whatever their order."""
    listed = "\n".join(sorted(clean(name) for name in names))
    return hashlib.sha256(listed.encode("utf-8")).hexdigest()[:16]
