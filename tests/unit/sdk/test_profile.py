"""The profile: what is counted, and how it travels."""

import json
import math

import pytest

from tocsin_sdk import Profile, ProfileError
from tocsin_sdk.counts import LAST_BUCKET, OTHER, bucket_of, order
from tocsin_sdk.parts import MOST_GROUPS, MOST_OUTCOMES, Outcomes, schema_hash
from tocsin_sdk.profile import MOST_COLUMNS


def small() -> Profile:
    profile = Profile()
    profile.add(
        features={"income": 5200.0, "town": "Boston", "age": None},
        prediction="deny",
        score=0.75,
        group="A",
        latency_ms=3.5,
        at_ms=1_700_000_000_000,
    )
    profile.add(
        features={"income": math.nan, "town": True, "age": 41},
        prediction="approve",
        score=0.25,
        group=None,
        latency_ms=4.5,
        at_ms=1_700_000_001_000,
    )
    profile.add(error="timeout", latency_ms=1000, at_ms=1_700_000_000_500)
    profile.add_label(label="approve", prediction="deny", score=0.75, group="A", delay_ms=60_000)
    return profile


def test_a_profile_counts_columns_outcomes_and_operations() -> None:
    profile = small()
    income, town, age = (profile.columns[name] for name in ("income", "town", "age"))
    assert (income.numbers, income.nans, income.nulls) == ({bucket_of(5200.0): 1}, 1, 0)
    assert town.texts.kept == {"Boston": 1, "true": 1}
    assert (age.nulls, age.numbers) == (1, {bucket_of(41): 1})
    assert profile.outcomes.decisions == {("A", "deny", 3072): 1, ("", "approve", 1024): 1}
    assert profile.outcomes.labelled == {("A", "approve", "deny", 3072): 1}
    operations = profile.operations
    assert (operations.volume, operations.rows) == (3, 2)
    assert operations.errors.kept == {"timeout": 1}
    assert sum(operations.latency.values()) == 3
    assert operations.label_delay == {bucket_of(60_000): 1}
    assert (operations.oldest_ms, operations.newest_ms) == (1_700_000_000_000, 1_700_000_001_000)
    assert operations.schemas.kept == {schema_hash(["age", "income", "town"]): 2}


def test_the_schema_hash_does_not_depend_on_the_order_of_columns() -> None:
    assert schema_hash(["a", "b"]) == schema_hash(["b", "a"]) != schema_hash(["a"])


def test_a_failed_request_is_volume_and_no_decision() -> None:
    profile = Profile()
    profile.add(error="500")
    assert profile.operations.volume == 1
    assert not profile.outcomes.decisions


def test_a_label_of_none_is_no_label() -> None:
    profile = Profile()
    profile.add_label(label=None, prediction="deny")
    profile.add_label(label=math.nan, prediction="deny", delay_ms=5)
    assert profile.is_empty()


def test_nonsense_latencies_are_not_counted() -> None:
    profile = Profile()
    for latency in (-1.0, math.nan, "fast", None):
        profile.add(latency_ms=latency)  # type: ignore[arg-type]  # a careless caller
    assert profile.operations.latency == {}
    assert profile.operations.volume == 4


def test_merging_adds_and_leaves_both_parts_as_they_were() -> None:
    one, other = small(), small()
    merged = one.merge(other)
    assert merged.operations.volume == 6
    assert merged.outcomes.decisions["A", "deny", 3072] == 2
    assert one == small()
    assert other == small()
    assert merged.merge(Profile()) == merged


def test_a_group_that_loses_its_place_moves_to_other_and_takes_its_counts_along() -> None:
    names = sorted((f"g{number}" for number in range(MOST_GROUPS + 5)), key=order)
    for arrival in (names, names[::-1]):
        profile = Profile()
        for name in arrival:
            profile.add(prediction="p", group=name)
            profile.add_label(label="l", prediction="p", group=name)
        groups = {cell[0]: count for cell, count in profile.outcomes.decisions.items()}
        assert groups == {**dict.fromkeys(names[:MOST_GROUPS], 1), OTHER: 5}
        assert {cell[0]: count for cell, count in profile.outcomes.labelled.items()} == groups


def test_predictions_and_labels_share_one_bounded_set_of_words() -> None:
    names = sorted((f"w{number}" for number in range(MOST_OUTCOMES + 3)), key=order)
    for arrival in (names, names[::-1]):
        profile = Profile()
        for name in arrival:
            profile.add(prediction=name)
            profile.add_label(label=name, prediction=arrival[0])
        decided = {cell[1]: count for cell, count in profile.outcomes.decisions.items()}
        assert decided == {**dict.fromkeys(names[:MOST_OUTCOMES], 1), OTHER: 3}
        labelled = {cell[1]: count for cell, count in profile.outcomes.labelled.items()}
        assert labelled == decided


def test_a_label_that_loses_its_place_to_its_own_prediction_is_counted_as_other() -> None:
    names = sorted((f"w{number}" for number in range(MOST_OUTCOMES + 1)), key=order)
    outcomes = Outcomes()
    for name in names[: MOST_OUTCOMES - 1]:
        outcomes.decide("", name, -1)
    outcomes.label("", names[-1], names[-2], -1)
    assert outcomes.labelled == {("", OTHER, names[-2], -1): 1}


def test_columns_beyond_the_limit_are_dropped_and_their_values_counted() -> None:
    names = sorted((f"c{number}" for number in range(MOST_COLUMNS + 2)), key=order)
    for arrival in (names, names[::-1]):
        profile = Profile()
        for name in arrival:
            profile.add(features={name: 1})
            profile.add(features={name: None})
        assert set(profile.columns) == set(names[:MOST_COLUMNS])
        assert profile.dropped_cells == 4


def test_a_profile_survives_the_wire() -> None:
    wire = small().to_wire()
    again = Profile.from_wire(json.loads(json.dumps(wire)))
    assert again == small()
    assert again.to_wire() == wire


def test_the_wire_holds_integers_and_text_only() -> None:
    def leaves(data: object) -> list[object]:
        if isinstance(data, dict):
            return [leaf for key, value in data.items() for leaf in (key, *leaves(value))]
        if isinstance(data, list):
            return [leaf for value in data for leaf in leaves(value)]
        return [data]

    assert {type(leaf) for leaf in leaves(small().to_wire())} == {int, str}


def broken(path: str, value: object) -> dict[str, object]:
    """Return a good profile's wire form with one thing replaced; a last step of '-' removes it."""
    wire = json.loads(json.dumps(small().to_wire()))
    *way, last = path.split("/")
    part = wire
    for step in way:
        part = part[int(step) if isinstance(part, list) else step]
    if value is KeyError:
        del part[last]
    else:
        part[int(last) if isinstance(part, list) else last] = value
    return wire


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        ("v", 2, "v: this reader knows version 1 only"),
        ("v", True, "v: this reader knows version 1 only"),
        ("v", KeyError, "profile: the field 'v' is missing"),
        ("more", 1, "profile: the field 'more' is unknown"),
        ("columns", [], "columns: must be an object, not list"),
        ("columns", {f"c{n}": {} for n in range(MOST_COLUMNS + 1)}, "columns: has 513 entries; at most 512"),
        ("columns/income", None, "columns.income: must be an object, not None"),
        (
            "columns/income/nulls",
            -1,
            "columns.income.nulls: must be a whole number from 0 to 1099511627776, not -1",
        ),
        ("columns/income/nans", 1.5, "columns.income.nans: must be a whole number"),
        ("columns/income/nans", True, "columns.income.nans: must be a whole number"),
        ("columns/income/nans", 2**41, "columns.income.nans: must be a whole number"),
        ("columns/income/numbers", [[5, 1], [5, 1]], "columns.income.numbers: buckets must rise"),
        ("columns/income/numbers", [[6, 1], [5, 1]], "columns.income.numbers: buckets must rise"),
        (
            "columns/income/numbers",
            [[LAST_BUCKET + 1, 1]],
            "columns.income.numbers[0]: must be a whole number",
        ),
        ("columns/income/numbers", [[5, 0]], "columns.income.numbers[0]: must be a whole number from 1"),
        ("columns/income/numbers", [[5]], "columns.income.numbers[0]: must be a list of 2"),
        ("columns/income/numbers", {}, "columns.income.numbers: must be a list, not dict"),
        ("columns/town/texts", {"x" * 121: 1}, "columns.town.texts: must be text of at most 120 characters"),
        ("columns/town/texts", {"\ud800": 1}, "columns.town.texts: must be text of at most 120 characters"),
        (
            "columns/town/texts",
            {str(n): 1 for n in range(257)},
            "columns.town.texts: has 257 entries; at most 256",
        ),
        ("columns/town/other", 3, "columns.town.texts: nothing is 'other' before 256 texts are kept"),
        ("dropped_cells", 1, "dropped_cells: nothing is dropped before 512 columns are kept"),
        ("decisions", "many", "decisions: must be a list, not 'many'"),
        ("decisions/0", ["A", "deny", 3072], "decisions[0]: must be a list of 4"),
        (
            "decisions/0",
            ["A", "deny", 4096, 1],
            "decisions[0]: must be a whole number from -1 to 4095, not 4096",
        ),
        ("decisions/0", [1, "deny", 5, 1], "decisions[0]: must be text"),
        ("decisions", [["A", "d", 1, 1], ["A", "d", 1, 1]], "decisions[1]: this cell was given before"),
        ("decisions", [[OTHER, "d", 1, 1]], "groups: nothing is '(other)' before 32 words are kept"),
        ("decisions", [[f"g{n}", "d", 1, 1] for n in range(32)], "groups: 33 different words; at most 32"),
        ("labelled/0", ["A", OTHER, "deny", 1, 1], "predictions and labels: nothing is '(other)' before 32"),
        ("labelled/0", ["A", "x", "deny", 1], "labelled[0]: must be a list of 5"),
        ("operations", [], "operations: must be an object"),
        ("operations/volume", "3", "operations.volume: must be a whole number"),
        ("operations/newest_ms", None, "operations: oldest_ms and newest_ms must be given together"),
        ("operations/newest_ms", 5, "operations: oldest_ms and newest_ms must be given together"),
        ("operations/newest_ms", 10**18, "operations.newest_ms: must be a whole number"),
        ("operations/errors", {"": 0}, "operations.errors.: must be a whole number from 1"),
        ("operations/other_schemas", 1, "operations.schemas: nothing is 'other' before 16"),
    ],
)
def test_a_strangers_mistake_is_named_with_its_place(path: str, value: object, why: str) -> None:
    with pytest.raises(ProfileError) as caught:
        Profile.from_wire(broken(path, value))
    assert str(caught.value).startswith(why)
    assert len(str(caught.value)) < 400


def test_the_broken_profiles_are_broken_by_their_one_change_only() -> None:
    assert Profile.from_wire(broken("operations/volume", 7)).operations.volume == 7


@pytest.mark.parametrize("data", [None, 5, "profile", [], {"v": 1}, {1: 2}])
def test_what_is_no_profile_at_all_is_refused(data: object) -> None:
    with pytest.raises(ProfileError):
        Profile.from_wire(data)


def test_column_names_and_values_of_any_kind_are_counted() -> None:
    class Odd:
        def __str__(self) -> str:
            raise RuntimeError

        def __float__(self) -> float:
            raise RuntimeError

    profile = Profile()
    profile.add(features={1: Odd(), "l": [1, 2], "big": 10**400, "low": -(10**400)})  # type: ignore[dict-item]
    assert profile.columns["1"].texts.kept == {"(Odd)": 1}
    assert profile.columns["l"].texts.kept == {"[1, 2]": 1}
    assert profile.columns["big"].numbers == {LAST_BUCKET: 1}
    assert profile.columns["low"].numbers == {-LAST_BUCKET: 1}
    assert Profile.from_wire(profile.to_wire()) == profile
