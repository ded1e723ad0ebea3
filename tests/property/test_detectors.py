"""What holds for every detector, whatever it is shown."""

from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.signals.windows import FAIRNESS, NOW_MS, monitor, read
from tocsin.kernel import canonical
from tocsin.signals.alarm import QUIET, step
from tocsin.signals.monitor import DETECTORS, problems
from tocsin.signals.profile import merge_all
from tocsin_sdk import Profile

PARAMS: dict[str, dict[str, str]] = {
    "parity_gap": FAIRNESS,
    "equalised_odds_gap": FAIRNESS,
    "volume_share": {"expected_per_minute": "1"},
}
ROWS = st.fixed_dictionaries(
    {
        "features": st.fixed_dictionaries(
            {"x": st.one_of(st.none(), st.floats(), st.integers(-5, 5))},
            optional={"y": st.one_of(st.sampled_from("abc"), st.floats(0, 1))},
        ),
        "prediction": st.sampled_from(["deny", "approve", None]),
        "score": st.one_of(st.none(), st.floats(0, 1)),
        "group": st.sampled_from(["A", "B", None]),
        "latency_ms": st.one_of(st.none(), st.floats(0, 10_000)),
        "error": st.sampled_from([None, None, "timeout"]),
        "at_ms": st.integers(NOW_MS - 400_000, NOW_MS),
        "label": st.sampled_from(["deny", "approve", None]),
    }
)
WINDOWS = st.lists(ROWS, max_size=25)
NAMES = st.sampled_from(sorted(DETECTORS))
THRESHOLDS = st.decimals("-1", "50", places=3).map(lambda figure: f"{figure:f}")


def counted(rows: list[dict[str, Any]]) -> Profile:
    profile = Profile()
    for row in rows:
        profile.add(**{name: value for name, value in row.items() if name != "label"})
        if row["prediction"] is not None:
            shared = {name: row[name] for name in ("prediction", "score", "group")}
            profile.add_label(label=row["label"], **shared)
    return profile


def watched(name: str, threshold: str, **fields: Any) -> Any:
    watch = monitor(name, threshold, DETECTORS[name].dimension, params=PARAMS.get(name, {}), **fields)
    assert problems(watch) == ()
    return watch


@given(NAMES, WINDOWS, st.none() | WINDOWS, THRESHOLDS, st.integers(0, 10))
@settings(max_examples=200, deadline=None)
def test_every_reading_is_whole_and_agrees_with_itself(
    name: str, rows: list[dict[str, Any]], before: list[dict[str, Any]] | None, threshold: str, minimum: int
) -> None:
    reference = None if before is None else counted(before)
    reading = read(watched(name, threshold, minimum_sample=minimum), counted(rows), reference)
    assert reading.sentence.endswith(".")
    canonical.encode(msgspec.to_builtins(reading))
    if reading.state != "insufficient":
        assert reading.value is not None
    if reading.state == "breach" and reading.value is not None:
        beyond = reading.value >= Decimal(threshold)
        assert beyond if reading.direction == "above" else reading.value <= Decimal(threshold)
    if reading.value is not None and reading.lower is not None and reading.upper is not None:
        assert reading.lower <= reading.value <= reading.upper


@given(NAMES, WINDOWS, WINDOWS, THRESHOLDS, THRESHOLDS)
@settings(max_examples=200, deadline=None)
def test_a_laxer_threshold_never_turns_fine_into_a_breach(
    name: str, rows: list[dict[str, Any]], before: list[dict[str, Any]], one: str, other: str
) -> None:
    current, reference = counted(rows), counted(before)
    strict, lax = sorted((one, other), key=Decimal)
    if read(watched(name, strict), current, reference).direction == "below":
        strict, lax = lax, strict
    if read(watched(name, strict), current, reference).state != "breach":
        assert read(watched(name, lax), current, reference).state != "breach"


@given(NAMES, st.lists(WINDOWS, max_size=4), WINDOWS)
@settings(max_examples=100, deadline=None)
def test_a_reading_does_not_depend_on_how_the_window_was_split(
    name: str, split: list[list[dict[str, Any]]], before: list[dict[str, Any]]
) -> None:
    watch, reference = watched(name, "0.10"), counted(before)
    whole = counted([row for rows in split for row in rows])
    parts = [counted(rows) for rows in reversed(split)]
    assert read(watch, merge_all(parts), reference) == read(watch, whole, reference)


@given(st.sampled_from(sorted(set(DETECTORS) - {"freshness", "volume_share"})), WINDOWS, WINDOWS)
@settings(max_examples=100, deadline=None)
def test_under_the_minimum_sample_nothing_is_fine_and_nothing_rings(
    name: str, rows: list[dict[str, Any]], before: list[dict[str, Any]]
) -> None:
    watch = watched(name, "0.01", minimum_sample=26)
    reading = read(watch, counted(rows), counted(before))
    assert reading.state == "insufficient"
    state, transition = step(QUIET, reading, watch)
    assert not state.raised
    assert transition.kind == "none"


@given(WINDOWS, st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_a_window_compared_with_itself_many_times_over_is_never_a_breach_of_change(
    rows: list[dict[str, Any]], times: int
) -> None:
    current = counted(rows)
    reference = merge_all([current] * times)
    for name in sorted(
        set(DETECTORS) - {"freshness", "volume_share", "performance_level", "latency_quantile", "error_rate"}
    ):
        assert read(watched(name, "0.0"), current, reference).state != "breach"
