"""The parts of a profile as JSON data, and back. What comes in may come from a stranger: every part is checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

from tocsin_sdk.counts import (
    LAST_BUCKET,
    LONGEST_TEXT,
    NO_SCORE,
    OTHER,
    SCORE_BINS,
    UNKNOWN,
    Buckets,
    Counts,
    K,
    clean,
)
from tocsin_sdk.parts import (
    MOST_ERRORS,
    MOST_GROUPS,
    MOST_OUTCOMES,
    MOST_SCHEMAS,
    MOST_TEXTS,
    Column,
    Operations,
    Outcomes,
)

MOST_CELLS = 1_000_000
"""The most rows of one outcome table that are read."""
LARGEST_COUNT = 2**40
"""The largest count that is read, so that sums stay far below 2**53, where JSON integers stop being exact."""
END_OF_TIME_MS = 253_402_300_800_000
"""The first millisecond of the year 10000: times on the wire lie before it."""

COLUMN_FIELDS = ("numbers", "texts", "other", "nulls", "nans")
OPERATIONS_FIELDS = (
    "volume", "rows", "errors", "other_errors", "latency", "label_delay",
    "oldest_ms", "newest_ms", "schemas", "other_schemas",
)  # fmt: skip


class ProfileError(ValueError):
    """Outside data is not a profile. The text says where, what was found, and what is allowed."""


# --- writing -----------------------------------------------------------------------------------------


def write_column(column: Column) -> dict[str, object]:
    """Return a column as JSON data."""
    return {
        "numbers": _listed(column.numbers),
        "texts": _sorted(column.texts.kept),
        "other": column.texts.other,
        "nulls": column.nulls,
        "nans": column.nans,
    }


def write_table(table: Mapping[K, int]) -> list[list[object]]:
    """Return an outcome table as rows of its cell and its count, in order."""
    return [[*cell, count] for cell, count in sorted(table.items())]  # type: ignore[misc]  # K is a tuple


def write_operations(operations: Operations) -> dict[str, object]:
    """Return operations as JSON data."""
    return {
        "volume": operations.volume,
        "rows": operations.rows,
        "errors": _sorted(operations.errors.kept),
        "other_errors": operations.errors.other,
        "latency": _listed(operations.latency),
        "label_delay": _listed(operations.label_delay),
        "oldest_ms": operations.oldest_ms,
        "newest_ms": operations.newest_ms,
        "schemas": _sorted(operations.schemas.kept),
        "other_schemas": operations.schemas.other,
    }


def _listed(buckets: Buckets) -> list[list[int]]:
    return [[bucket, buckets[bucket]] for bucket in sorted(buckets)]


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))


# --- reading -----------------------------------------------------------------------------------------


def read_fields(data: object, where: str, names: tuple[str, ...]) -> dict[str, object]:
    """Return an object that has exactly the fields `names`."""
    if not isinstance(data, dict):
        raise ProfileError(f"{where}: must be an object, not {_shown(data)}")
    for name in names:
        if name not in data:
            raise ProfileError(f"{where}: the field {name!r} is missing")
    for name in data:
        if name not in names:
            raise ProfileError(f"{where}: the field {_shown(name)} is unknown; it has {', '.join(names)}")
    return data


def read_count(value: object, where: str, least: int = 1) -> int:
    """Return a count from `least` to `LARGEST_COUNT`."""
    return _whole(value, where, least, LARGEST_COUNT)


def read_names(value: object, where: str, most: int) -> Iterator[tuple[str, object]]:
    """Yield the entries of an object with at most `most` entries, each named by a clean text."""
    if not isinstance(value, dict):
        raise ProfileError(f"{where}: must be an object, not {_shown(value)}")
    if len(value) > most:
        raise ProfileError(f"{where}: has {len(value)} entries; at most {most} are read")
    for name, content in value.items():
        yield _text(name, where), content


def read_column(data: object, where: str) -> Column:
    """Read what `write_column` wrote; raise `ProfileError` otherwise."""
    fields = read_fields(data, where, COLUMN_FIELDS)
    column = Column()
    column.numbers = _read_buckets(fields["numbers"], f"{where}.numbers")
    column.texts = _read_counts(fields["texts"], fields["other"], f"{where}.texts", MOST_TEXTS)
    column.nulls = read_count(fields["nulls"], f"{where}.nulls", least=0)
    column.nans = read_count(fields["nans"], f"{where}.nans", least=0)
    return column


def read_outcomes(decisions: object, labelled: object) -> Outcomes:
    """Read both outcome tables; raise `ProfileError` when a row is not a cell and its count."""
    outcomes = Outcomes()
    for at, (group, prediction, score_bin, count) in _rows(decisions, "decisions", 4, MOST_CELLS):
        decision = (_text(group, at), _text(prediction, at), _read_bin(score_bin, at))
        _once(outcomes.decisions, decision, read_count(count, at), at)
    for at, (group, label, prediction, score_bin, count) in _rows(labelled, "labelled", 5, MOST_CELLS):
        outcome = (_text(group, at), _text(label, at), _text(prediction, at), _read_bin(score_bin, at))
        _once(outcomes.labelled, outcome, read_count(count, at), at)
    groups = [cell[0] for cell in outcomes.decisions] + [cell[0] for cell in outcomes.labelled]
    words: list[str] = [cell[1] for cell in outcomes.decisions]
    words += [word for cell in outcomes.labelled for word in (cell[1], cell[2])]
    outcomes.groups = _kept(groups, "groups", MOST_GROUPS)
    outcomes.words = _kept(words, "predictions and labels", MOST_OUTCOMES)
    return outcomes


def read_operations(data: object) -> Operations:
    """Read what `write_operations` wrote; raise `ProfileError` otherwise."""
    where = "operations"
    fields = read_fields(data, where, OPERATIONS_FIELDS)
    operations = Operations()
    operations.volume = read_count(fields["volume"], f"{where}.volume", least=0)
    operations.rows = read_count(fields["rows"], f"{where}.rows", least=0)
    operations.errors = _read_counts(fields["errors"], fields["other_errors"], f"{where}.errors", MOST_ERRORS)
    schemas = fields["schemas"], fields["other_schemas"]
    operations.schemas = _read_counts(*schemas, f"{where}.schemas", MOST_SCHEMAS)
    operations.latency = _read_buckets(fields["latency"], f"{where}.latency")
    operations.label_delay = _read_buckets(fields["label_delay"], f"{where}.label_delay")
    for name in ("oldest_ms", "newest_ms"):
        if fields[name] is not None:
            operations.saw(_whole(fields[name], f"{where}.{name}", 0, END_OF_TIME_MS - 1))
    if (operations.oldest_ms, operations.newest_ms) != (fields["oldest_ms"], fields["newest_ms"]):
        raise ProfileError(f"{where}: oldest_ms and newest_ms must be given together, the older one first")
    return operations


def _shown(value: object) -> str:
    text = repr(value) if isinstance(value, str | bool | float | None) else type(value).__name__
    if isinstance(value, int) and abs(value) < 10**20:
        text = str(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _whole(value: object, where: str, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ProfileError(f"{where}: must be a whole number from {least} to {most}, not {_shown(value)}")
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or clean(value) != value:
        raise ProfileError(f"{where}: must be text of at most {LONGEST_TEXT} characters, not {_shown(value)}")
    return value


def _rows(value: object, where: str, width: int, most: int) -> Iterator[tuple[str, list[object]]]:
    if not isinstance(value, list | tuple):
        raise ProfileError(f"{where}: must be a list, not {_shown(value)}")
    if len(value) > most:
        raise ProfileError(f"{where}: has {len(value)} rows; at most {most} are read")
    for index, row in enumerate(value):
        if not isinstance(row, list | tuple) or len(row) != width:
            raise ProfileError(f"{where}[{index}]: must be a list of {width}, not {_shown(row)}")
        yield f"{where}[{index}]", list(row)


def _read_bin(value: object, where: str) -> int:
    return _whole(value, where, NO_SCORE, SCORE_BINS - 1)


def _read_buckets(value: object, where: str) -> Buckets:
    rows = [
        (_whole(bucket, at, -LAST_BUCKET, LAST_BUCKET), read_count(count, at))
        for at, (bucket, count) in _rows(value, where, 2, 2 * LAST_BUCKET + 1)
    ]
    if any(later[0] <= sooner[0] for sooner, later in pairwise(rows)):
        raise ProfileError(f"{where}: buckets must rise, each named once")
    return dict(rows)


def _read_counts(value: object, other: object, where: str, limit: int) -> Counts:
    counts = Counts(limit)
    for text, count in read_names(value, where, limit):
        counts.kept[text] = read_count(count, f"{where}.{text}")
    counts.other = read_count(other, f"{where}, other", least=0)
    if counts.other and len(counts.kept) < limit:
        raise ProfileError(f"{where}: nothing is 'other' before {limit} texts are kept")
    return counts


def _once(table: dict[K, int], cell: K, count: int, where: str) -> None:
    if cell in table:
        raise ProfileError(f"{where}: this cell was given before")
    table[cell] = count


def _kept(words: Iterable[str], what: str, limit: int) -> set[str]:
    found = set(words)
    kept = found - {UNKNOWN, OTHER}
    if len(kept) > limit:
        raise ProfileError(f"{what}: {len(kept)} different words; at most {limit} are kept")
    if OTHER in found and len(kept) < limit:
        raise ProfileError(f"{what}: nothing is {OTHER!r} before {limit} words are kept")
    return kept
