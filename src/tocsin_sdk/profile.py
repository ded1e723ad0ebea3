"""The profile: a window of predictions reduced to whole numbers that merge by addition.

A profile depends only on the predictions that went in, never on their order or on how they were split
between processes: `merge` is exact, associative and commutative. So a model server, a file import and a
cluster job can each compute a part, and the parts add up to the same evidence. Everything is an integer
or text; no floats are kept. Only the standard library is used.
"""

from __future__ import annotations

from collections.abc import Mapping

from tocsin_sdk import counts
from tocsin_sdk.counts import (
    NO_SCORE,
    NUMBER,
    OTHER,
    SCORE_BINS,
    UNKNOWN,
    Buckets,
    Counts,
    bucket_bounds,
    bucket_of,
    clean,
    number_of,
    order,
    quantile,
    rank_value,
    score_bin,
    text_of,
    word_of,
)
from tocsin_sdk.parts import Column, Operations, Outcomes, schema_hash
from tocsin_sdk.wire import (
    ProfileError,
    read_column,
    read_count,
    read_fields,
    read_names,
    read_operations,
    read_outcomes,
    write_column,
    write_operations,
    write_table,
)

__all__ = [
    "MOST_COLUMNS",
    "NO_SCORE",
    "NUMBER",
    "OTHER",
    "SCORE_BINS",
    "UNKNOWN",
    "VERSION",
    "Buckets",
    "Column",
    "Counts",
    "Operations",
    "Outcomes",
    "Profile",
    "ProfileError",
    "bucket_bounds",
    "bucket_of",
    "quantile",
    "rank_value",
    "schema_hash",
    "score_bin",
    "word_of",
]

VERSION = 1
MOST_COLUMNS = 512

_FIELDS = ("v", "columns", "dropped_cells", "decisions", "labelled", "operations")


class Profile:
    """The counts of some predictions. Build it with `add` and `add_label`; then treat it as a value.

    columns: by feature name. outcomes: decisions and labels by group. operations: latency, errors, volume,
    freshness. dropped_cells: values in columns beyond `MOST_COLUMNS`.
    """

    __slots__ = ("_schema", "columns", "dropped_cells", "operations", "outcomes")

    def __init__(self) -> None:
        self.columns: dict[str, Column] = {}
        self.dropped_cells = 0
        self.outcomes = Outcomes()
        self.operations = Operations()
        self._schema: tuple[tuple[object, ...], str] | None = None

    def add(
        self,
        *,
        features: Mapping[str, object] | None = None,
        prediction: object = None,
        score: object = None,
        group: object = None,
        latency_ms: float | None = None,
        error: str | None = None,
        at_ms: int | None = None,
    ) -> None:
        """Count one request. Without a prediction (None, as after an error) no decision is counted.

        `score` is a probability from 0 to 1; `latency_ms` is in milliseconds; `at_ms` is the event time in
        milliseconds since 1970 (UTC).
        """
        if features:
            self._add_features(features)
        if prediction is not None:
            self.outcomes.decide(word_of(group), word_of(prediction), score_bin(score))
        operations = self.operations
        operations.volume += 1
        if error is not None:
            operations.errors.add(text_of(error))
        latency = number_of(latency_ms)
        if latency is not None and latency >= 0:  # NaN is no latency either
            counts.add(operations.latency, bucket_of(latency))
        if at_ms is not None:
            operations.saw(at_ms)

    def _add_features(self, features: Mapping[str, object]) -> None:
        names = tuple(features)
        if self._schema is None or self._schema[0] != names:
            self._schema = (names, schema_hash(map(text_of, names)))
        self.operations.schemas.add(self._schema[1])
        self.operations.rows += 1
        for name, value in features.items():
            column = self.columns.get(name) or self.column(name)
            if column is None:
                self.dropped_cells += 1
            else:
                column.add(value)

    def column(self, name: str) -> Column | None:
        """Return the column of this name, made if need be; None when it is beyond `MOST_COLUMNS`."""
        name = clean(text_of(name))
        if name not in self.columns:
            if len(self.columns) >= MOST_COLUMNS:
                last = max(self.columns, key=order)
                if order(name) > order(last):
                    return None
                self.dropped_cells += self.columns.pop(last).total()
            self.columns[name] = Column()
        return self.columns[name]

    def add_label(
        self,
        *,
        label: object,
        prediction: object,
        score: object = None,
        group: object = None,
        delay_ms: int | None = None,
    ) -> None:
        """Count the label of a prediction that `add` counted, here or in another part of the same window.

        `delay_ms` is how long the label took, in milliseconds. A label of None or NaN is no label.
        """
        word = word_of(label)
        if word == UNKNOWN:
            return
        self.outcomes.label(word_of(group), word, word_of(prediction), score_bin(score))
        if delay_ms is not None:
            counts.add(self.operations.label_delay, bucket_of(max(delay_ms, 0)))

    def merge(self, other: Profile) -> Profile:
        """Return a new profile that counts what both count."""
        fresh = Profile()
        fresh.absorb(self)
        fresh.absorb(other)
        return fresh

    def absorb(self, more: Profile) -> None:
        """Add another profile to this one, in place."""
        for name, part in more.columns.items():
            column = self.column(name)
            if column is None:
                self.dropped_cells += part.total()
            else:
                column.absorb(part)
        self.dropped_cells += more.dropped_cells
        self.outcomes.absorb(more.outcomes)
        self.operations.absorb(more.operations)

    def is_empty(self) -> bool:
        """Return whether nothing was counted."""
        return self == Profile()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Profile):
            return NotImplemented
        mine = (self.columns, self.dropped_cells, self.outcomes, self.operations)
        return mine == (other.columns, other.dropped_cells, other.outcomes, other.operations)

    __hash__ = None  # type: ignore[assignment]  # profiles change

    def to_wire(self) -> dict[str, object]:
        """Return the profile as JSON data: dicts, lists, text and integers, in one fixed order."""
        return {
            "v": VERSION,
            "columns": {name: write_column(column) for name, column in sorted(self.columns.items())},
            "dropped_cells": self.dropped_cells,
            "decisions": write_table(self.outcomes.decisions),
            "labelled": write_table(self.outcomes.labelled),
            "operations": write_operations(self.operations),
        }

    @classmethod
    def from_wire(cls, data: object) -> Profile:
        """Read what `to_wire` wrote. It may come from a stranger: every part is checked.

        Raises:
            ProfileError: a part is missing, unknown, of the wrong type, or beyond its bounds.
        """
        fields = read_fields(data, "profile", _FIELDS)
        if fields["v"] != VERSION or isinstance(fields["v"], bool):
            raise ProfileError(f"v: this reader knows version {VERSION} only")
        profile = cls()
        for name, column in read_names(fields["columns"], "columns", MOST_COLUMNS):
            profile.columns[name] = read_column(column, f"columns.{name}")
        profile.dropped_cells = read_count(fields["dropped_cells"], "dropped_cells", least=0)
        if profile.dropped_cells and len(profile.columns) < MOST_COLUMNS:
            raise ProfileError(f"dropped_cells: nothing is dropped before {MOST_COLUMNS} columns are kept")
        profile.outcomes = read_outcomes(fields["decisions"], fields["labelled"])
        profile.operations = read_operations(fields["operations"])
        return profile
