"""Profiles on the server: from columns of many rows at once, from single rows, and merged.

The profile itself is defined once, in `tocsin_sdk.profile`; the numpy path here gives the same profile.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from tocsin_sdk.counts import K, number_of, text_of
from tocsin_sdk.profile import (
    NO_SCORE,
    SCORE_BINS,
    UNKNOWN,
    Buckets,
    Column,
    Outcomes,
    Profile,
    ProfileError,
    bucket_of,
    schema_hash,
    word_of,
)

__all__ = [
    "LabelRow",
    "PredictionRow",
    "Profile",
    "ProfileError",
    "Window",
    "merge_all",
    "profile_of_columns",
    "profile_of_predictions",
    "profiles_by_window",
]

Value = str | int | float | bool | None
Values = Sequence[object] | npt.NDArray[np.generic]
"""One value per row. Arrays of floats, integers, bools and texts are fast."""

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

_FIRST_BUCKET_BITS = (1023 - 128) << 7  # sign-free exponent and mantissa bits of 2**-128, one below bucket 1
_LAST_BUCKET = bucket_of(float("inf"))
_DENSE_CELLS = 4_000_000
"""Outcome tables up to this many cells are counted in an array; larger ones by sorting."""


class PredictionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One prediction as a model server reports it row by row."""

    id: str
    at: dt.datetime
    model_version: str = ""
    features: dict[str, Value] = {}
    prediction: Value = None
    score: float | None = None
    group: str | None = None
    latency_ms: float | None = None
    error: str | None = None


class LabelRow(msgspec.Struct, frozen=True, kw_only=True):
    """The right answer to a prediction, known at `at`."""

    id: str
    label: Value
    at: dt.datetime


class Window(NamedTuple):
    """A window of one model version's predictions."""

    start: dt.datetime
    model_version: str


# --- single rows ---------------------------------------------------------------------------------------------


def profile_of_predictions(rows: Iterable[PredictionRow], labels: Iterable[LabelRow] = ()) -> Profile:
    """Return the profile of rows, each joined with its label by id.

    A prediction id counts once, and so does its label: the first of each, so redelivery changes nothing.
    """
    profile = Profile()
    known = _first_labels(labels)
    for row in _first_rows(rows):
        _add_row(profile, row, known.get(row.id))
    return profile


def profiles_by_window(
    rows: Iterable[PredictionRow], labels: Iterable[LabelRow], window_seconds: int
) -> dict[Window, Profile]:
    """Return one profile per window (of event time, aligned to 1970) and model version, labels joined by id.

    A label belongs to the window of its prediction, however late it came.
    """
    profiles: dict[Window, Profile] = {}
    known = _first_labels(labels)
    for row in _first_rows(rows):
        seconds = int(row.at.timestamp()) // window_seconds * window_seconds
        window = Window(dt.datetime.fromtimestamp(seconds, dt.UTC), row.model_version)
        _add_row(profiles.setdefault(window, Profile()), row, known.get(row.id))
    return profiles


def merge_all(profiles: Iterable[Profile]) -> Profile:
    """Return one profile that counts what all of them count; the empty one when there are none."""
    merged = Profile()
    for profile in profiles:
        merged.absorb(profile)
    return merged


def _first_rows(rows: Iterable[PredictionRow]) -> Iterable[PredictionRow]:
    first: dict[str, PredictionRow] = {}
    for row in rows:
        first.setdefault(row.id, row)
    return first.values()


def _first_labels(labels: Iterable[LabelRow]) -> dict[str, LabelRow]:
    first: dict[str, LabelRow] = {}
    for label in labels:
        first.setdefault(label.id, label)
    return first


def _add_row(profile: Profile, row: PredictionRow, label: LabelRow | None) -> None:
    at_ms = _milliseconds(row.at)
    profile.add(
        features=row.features,
        prediction=row.prediction,
        score=row.score,
        group=row.group,
        latency_ms=row.latency_ms,
        error=row.error,
        at_ms=at_ms,
    )
    if label is not None and row.prediction is not None:
        profile.add_label(
            label=label.label,
            prediction=row.prediction,
            score=row.score,
            group=row.group,
            delay_ms=_milliseconds(label.at) - at_ms,
        )


def _milliseconds(moment: dt.datetime) -> int:
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(milliseconds=1)


# --- columns of many rows ------------------------------------------------------------------------------------


def profile_of_columns(
    features: Mapping[str, Values],
    *,
    prediction: Values | None = None,
    score: Values | None = None,
    group: Values | None = None,
    label: Values | None = None,
    latency_ms: Values | None = None,
    error: Values | None = None,
    at_ms: Values | None = None,
) -> Profile:
    """Return the profile of rows given as columns, all of one length: the same that adding them one by one gives.

    `score` is in 0..1, `latency_ms` in milliseconds, `at_ms` in milliseconds since 1970 (UTC). A label of None or
    NaN is not known yet. For more rows than fit in memory call this on chunks and merge.

    Raises:
        ValueError: the columns differ in length.
    """
    given = [*features.values(), prediction, score, group, label, latency_ms, error, at_ms]
    lengths = {len(values) for values in given if values is not None}
    if len(lengths) > 1:
        raise ValueError(f"columns differ in length: {sorted(lengths)}")
    rows = lengths.pop() if lengths else 0
    profile = Profile()
    if not rows:
        return profile
    _add_features(profile, features, rows)
    _add_outcomes(profile.outcomes, rows, prediction, score, group, label)
    operations = profile.operations
    operations.volume = rows
    if error is not None:
        for text, count in Counter(text_of(value) for value in _listed(error) if value is not None).items():
            operations.errors.add(text, count)
    if latency_ms is not None:
        latency = _floats(latency_ms)
        operations.latency = _histogram(latency[latency >= 0])
    if at_ms is not None:
        times = np.asarray(at_ms, np.int64)
        operations.saw(int(times.min()))
        operations.saw(int(times.max()))
    return profile


def _add_features(profile: Profile, features: Mapping[str, Values], rows: int) -> None:
    if not features:
        return
    profile.operations.rows = rows
    profile.operations.schemas.add(schema_hash(features), rows)
    for name, values in features.items():
        column = profile.column(name)
        if column is None:
            profile.dropped_cells += rows
        else:
            _add_values(column, values)


def _add_values(column: Column, values: Values) -> None:
    if isinstance(values, np.ndarray):
        kind, size = values.dtype.kind, values.dtype.itemsize
        if kind in "iu" or (kind == "f" and size <= 8):
            _add_floats(column, values.astype(np.float64))
            return
    listed = _listed(values)
    types = set(map(type, listed))
    for type_ in types:  # one type at a time: 1, 1.0 and True are equal, but not alike
        part = listed if len(types) == 1 else [value for value in listed if type(value) is type_]
        if type_ is float:
            _add_floats(column, np.array(part, np.float64))
        elif type_ in (str, bool, int, type(None)):
            for value, count in Counter(part).items():
                column.add(value, count)
        else:
            for value in part:
                column.add(value)


def _add_floats(column: Column, numbers: Floats) -> None:
    missing = np.isnan(numbers)
    column.nans += int(missing.sum())
    for bucket, count in _histogram(numbers[~missing]).items():
        column.numbers[bucket] = column.numbers.get(bucket, 0) + count


def _histogram(numbers: Floats) -> Buckets:
    """Return the histogram of numbers without NaN: `bucket_of` for all of them at once, read off their bits."""
    magnitude = (np.ascontiguousarray(numbers).view(np.int64) & np.int64(2**63 - 1)) >> 45
    bucket = np.clip(magnitude - (_FIRST_BUCKET_BITS - 1), 0, _LAST_BUCKET)
    signed = np.where(numbers < 0, -bucket, bucket)
    counts = np.bincount(signed + _LAST_BUCKET, minlength=2 * _LAST_BUCKET + 1)
    present = np.flatnonzero(counts)
    return dict(zip((present - _LAST_BUCKET).tolist(), counts[present].tolist(), strict=True))


def _add_outcomes(
    outcomes: Outcomes,
    rows: int,
    prediction: Values | None,
    score: Values | None,
    group: Values | None,
    label: Values | None,
) -> None:
    if prediction is None:
        return
    decided = _given(prediction, rows)
    predictions, prediction_code = _coded(prediction, decided)
    groups, group_code = _coded(group, decided)
    labels, label_code = _coded(label, decided)
    bins = _score_bins(score, rows)[decided]
    for word in (*predictions, *labels):
        outcomes.place_word(word)
    for word in groups:
        outcomes.place_group(word)
    # Asked again when all are placed: a word may have lost its place to a later one.
    predictions, labels = list(map(outcomes.place_word, predictions)), list(map(outcomes.place_word, labels))
    groups = list(map(outcomes.place_group, groups))
    codes, sizes = [group_code, prediction_code, bins], [len(groups), len(predictions), SCORE_BINS + 1]
    for (g, p, b), count in _cells(codes, sizes):
        _count(outcomes.decisions, (groups[g], predictions[p], b + NO_SCORE), count)
    known = np.array([word != UNKNOWN for word in labels], bool)[label_code]
    codes, sizes = [group_code, label_code, prediction_code, bins], [sizes[0], len(labels), *sizes[1:]]
    for (g, n, p, b), count in _cells([code[known] for code in codes], sizes):
        _count(outcomes.labelled, (groups[g], labels[n], predictions[p], b + NO_SCORE), count)


def _given(values: Values, rows: int) -> npt.NDArray[np.bool_]:
    """Return for each row whether its value is not None."""
    if isinstance(values, np.ndarray) and values.dtype.kind != "O":
        return np.ones(rows, np.bool_)
    return np.fromiter((value is not None for value in values), np.bool_, rows)


def _count(table: dict[K, int], cell: K, count: int) -> None:
    table[cell] = table.get(cell, 0) + count


def _coded(values: Values | None, chosen: npt.NDArray[np.bool_]) -> tuple[list[str], Codes]:
    """Return the distinct values among the chosen rows as words, and for each such row the index of its word."""
    if values is None:
        return [UNKNOWN], np.zeros(int(chosen.sum()), np.int64)
    listed = _listed(values)
    if not chosen.all():
        listed = [value for value, is_chosen in zip(listed, chosen.tolist(), strict=True) if is_chosen]
    try:
        distinct = list(dict.fromkeys(listed))  # 1 and True are one key, and one word
    except TypeError:  # a value that cannot be a key
        listed = list(map(word_of, listed))
        distinct = list(dict.fromkeys(listed))
    index = {value: place for place, value in enumerate(distinct)}
    return list(map(word_of, distinct)), np.fromiter(map(index.__getitem__, listed), np.int64, len(listed))


def _score_bins(score: Values | None, rows: int) -> Codes:
    """Return the score bin of each row, counted from 0 for 'no score'."""
    if score is None:
        return np.zeros(rows, np.int64)
    scores = _floats(score)
    usable = (scores >= 0) & (scores <= 1)
    bins = np.minimum((np.where(usable, scores, 0.0) * SCORE_BINS).astype(np.int64), SCORE_BINS - 1)
    return np.where(usable, bins - NO_SCORE, 0)


def _cells(codes: Sequence[Codes], sizes: Sequence[int]) -> Iterator[tuple[tuple[int, ...], int]]:
    """Yield each combination of codes that occurs, with how often it does."""
    if not len(codes[0]):
        return
    flat = np.ravel_multi_index(tuple(codes), tuple(sizes))
    if math.prod(sizes) <= _DENSE_CELLS:
        dense = np.bincount(flat, minlength=1)
        present = np.flatnonzero(dense)
        counts = dense[present]
    else:
        present, counts = np.unique(flat, return_counts=True)
    cells = zip(*(index.tolist() for index in np.unravel_index(present, tuple(sizes))), strict=True)
    yield from zip(cells, counts.tolist(), strict=True)


def _listed(values: Values) -> list[object]:
    return values.tolist() if isinstance(values, np.ndarray) else list(values)


def _floats(values: Values) -> Floats:
    """Return values as floats; what is no number becomes NaN."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiub":
        return values.astype(np.float64)
    numbers = (number_of(value) for value in _listed(values))
    return np.array([math.nan if number is None else number for number in numbers], np.float64)
