"""What holds for every profile, whatever was counted and however it was split."""

import contextlib
import datetime as dt
import json
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.signals.profile import (
    LabelRow,
    PredictionRow,
    merge_all,
    profile_of_columns,
    profile_of_predictions,
    profiles_by_window,
)
from tocsin_sdk import Profile, ProfileError, parts
from tocsin_sdk.counts import Counts, bucket_bounds, bucket_of

TEXTS = st.one_of(st.sampled_from(["a", "b", "", "(other)"]), st.text(max_size=3))
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.floats(), TEXTS, st.just(10**400)
)
OUTCOMES = st.one_of(st.booleans(), st.integers(0, 3), st.floats(), TEXTS, st.none())
ROWS = st.fixed_dictionaries(
    {
        "features": st.fixed_dictionaries({"x": VALUES, "y": VALUES}),
        "prediction": OUTCOMES,
        "score": st.one_of(st.none(), st.floats(), st.floats(0, 1)),
        "group": st.one_of(st.none(), TEXTS),
        "latency_ms": st.one_of(st.none(), st.floats()),
        "error": st.one_of(st.none(), st.sampled_from(["timeout", "500"])),
        "at_ms": st.integers(0, 2**42),
        "label": OUTCOMES,
    }
)


def counted(rows: list[dict[str, Any]]) -> Profile:
    profile = Profile()
    for row in rows:
        given = {name: value for name, value in row.items() if name != "label"}
        profile.add(**given)
        if row["prediction"] is not None:
            shared = {name: row[name] for name in ("prediction", "score", "group")}
            profile.add_label(label=row["label"], **shared)
    return profile


@given(st.lists(ROWS, max_size=20), st.lists(ROWS, max_size=20), st.lists(ROWS, max_size=20))
@settings(max_examples=60, deadline=None)
def test_merging_is_exact_associative_and_commutative(
    one: list[dict[str, Any]], two: list[dict[str, Any]], three: list[dict[str, Any]]
) -> None:
    a, b, c = counted(one), counted(two), counted(three)
    whole = counted(three + one + two)
    assert a.merge(b).merge(c) == whole
    assert c.merge(b.merge(a)) == whole
    assert merge_all([b, c, a]) == whole


@given(st.lists(ROWS, max_size=30))
@settings(max_examples=60, deadline=None)
def test_every_profile_survives_the_wire(rows: list[dict[str, Any]]) -> None:
    profile = counted(rows)
    assert Profile.from_wire(json.loads(json.dumps(profile.to_wire()))) == profile


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 2)), max_size=120))
def test_bounded_dictionaries_do_not_depend_on_order_or_split(items: list[tuple[int, int]]) -> None:
    split = [Counts(6), Counts(6), Counts(6)]
    whole = Counts(6)
    for number, part in items:
        split[part].add(f"t{number}")
        whole.add(f"t{number}")
    left, right = Counts(6), Counts(6)
    for part in split:
        left.absorb(part)
    for part in reversed(split):
        right.absorb(part)
    assert left == right == whole
    assert whole.total() == len(items)
    seen = {f"t{number}" for number, _ in items}
    assert not any(whole.surely_lacks(text) for text in seen)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(0, 2)), max_size=150))
@settings(max_examples=50, deadline=None)
def test_bounded_outcomes_do_not_depend_on_order_or_split(items: list[tuple[int, int, int]]) -> None:
    split = [parts.Outcomes(), parts.Outcomes(), parts.Outcomes()]
    whole = parts.Outcomes()
    for group, word, part in items:
        for table in (split[part], whole):
            table.decide(f"g{group}", f"w{word}", word)
            table.label(f"g{group}", f"w{60 - word}", f"w{word}", word)
    left, right = parts.Outcomes(), parts.Outcomes()
    for piece in split:
        left.absorb(piece)
    for piece in reversed(split):
        right.absorb(piece)
    assert left == right == whole
    assert sum(whole.decisions.values()) == sum(whole.labelled.values()) == len(items)


@given(st.floats(allow_nan=False))
def test_a_number_lies_within_the_bounds_of_its_bucket(number: float) -> None:
    low, high = bucket_bounds(bucket_of(number))
    if abs(number) >= 2.0**-128:
        assert low <= number <= high
    else:
        assert low == high == 0


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_a_larger_number_never_has_a_smaller_bucket(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert bucket_of(low) <= bucket_of(high)


@given(st.lists(ROWS, min_size=1, max_size=40))
@settings(max_examples=80, deadline=None)
def test_columns_give_the_same_profile_as_single_rows(rows: list[dict[str, Any]]) -> None:
    features = {name: [row["features"][name] for row in rows] for name in ("x", "y")}
    rest = {name: [row[name] for row in rows] for name in rows[0] if name != "features"}
    assert profile_of_columns(features, **rest) == counted(rows)


ARRAYS = st.one_of(
    st.lists(st.floats(), min_size=1, max_size=50).map(lambda v: np.array(v, np.float64)),
    st.lists(st.floats(width=32), min_size=1, max_size=50).map(lambda v: np.array(v, np.float32)),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=50).map(lambda v: np.array(v, np.int64)),
    st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=50).map(lambda v: np.array(v, np.uint64)),
    st.lists(st.booleans(), min_size=1, max_size=50).map(lambda v: np.array(v, np.bool_)),
    st.lists(st.text(st.characters(blacklist_characters="\0"), max_size=5), min_size=1, max_size=50).map(
        np.array
    ),
    st.lists(VALUES, min_size=1, max_size=50).map(lambda v: np.array(v, object)),
)


@given(ARRAYS)
@settings(max_examples=150, deadline=None)
def test_arrays_of_every_type_are_counted_as_their_elements_are(array: Any) -> None:
    row_by_row = Profile()
    for value in array:
        row_by_row.add(features={"x": value}, prediction=value, score=value, latency_ms=value)
    assert profile_of_columns({"x": array}, prediction=array, score=array, latency_ms=array) == row_by_row


@given(st.recursive(VALUES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=15))
def test_reading_never_fails_with_anything_but_a_profile_error(data: object) -> None:
    wire = counted([]).to_wire()
    for name in (None, *wire):
        with contextlib.suppress(ProfileError):
            Profile.from_wire(data if name is None else {**wire, name: data})


START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
PREDICTIONS = st.lists(
    st.builds(
        PredictionRow,
        id=st.sampled_from("abcdefgh"),
        at=st.integers(0, 300_000).map(lambda ms: START + dt.timedelta(milliseconds=ms)),
        model_version=st.sampled_from(["1", "2"]),
        prediction=st.sampled_from(["deny", "approve", None]),
        group=st.sampled_from(["A", "B", None]),
    ),
    max_size=12,
)
LABELS = st.lists(
    st.builds(
        LabelRow,
        id=st.sampled_from("abcdefgh"),
        label=st.sampled_from(["deny", "approve"]),
        at=st.just(START + dt.timedelta(days=1)),
    ),
    max_size=12,
)


@given(PREDICTIONS, LABELS)
def test_redelivered_rows_change_nothing_and_windows_add_up(
    rows: list[PredictionRow], labels: list[LabelRow]
) -> None:
    whole = profile_of_predictions(rows, labels)
    assert profile_of_predictions(rows + rows, labels + labels) == whole
    windows = profiles_by_window(rows, labels, 60)
    assert merge_all(windows.values()) == whole
    for window, profile in windows.items():
        start = int(window.start.timestamp()) * 1000
        operations = profile.operations
        assert operations.oldest_ms is not None
        assert operations.newest_ms is not None
        assert start <= operations.oldest_ms <= operations.newest_ms < start + 60_000
