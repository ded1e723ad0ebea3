"""How numbers and texts are counted."""

import math
import random
from decimal import Decimal

import numpy as np
import pytest

from tocsin_sdk.counts import (
    LAST_BUCKET,
    LONGEST_TEXT,
    NO_SCORE,
    NUMBER,
    UNKNOWN,
    Counts,
    bucket_bounds,
    bucket_of,
    clean,
    order,
    quantile,
    rank_value,
    score_bin,
    word_of,
)


@pytest.mark.parametrize(
    ("number", "bucket"),
    [
        (0.0, 0),
        (-0.0, 0),
        (5e-324, 0),
        (math.nextafter(2.0**-128, 0), 0),
        (2.0**-128, 1),
        (1.0, 128 * 128 + 1),
        (-1.0, -128 * 128 - 1),
        (1.0 + 1 / 128, 128 * 128 + 2),
        (math.nextafter(1.0 + 1 / 128, 0), 128 * 128 + 1),
        (math.nextafter(2.0**128, 0), LAST_BUCKET - 1),
        (2.0**128, LAST_BUCKET),
        (math.inf, LAST_BUCKET),
        (-math.inf, -LAST_BUCKET),
    ],
)
def test_a_number_falls_into_the_bucket_of_its_sign_exponent_and_seven_bits(
    number: float, bucket: int
) -> None:
    assert bucket_of(number) == bucket


def test_the_bounds_of_a_bucket_hold_its_numbers_and_are_narrow() -> None:
    chance = random.Random(5)
    for _ in range(2000):
        number = chance.choice((-1, 1)) * 10 ** chance.uniform(-30, 30)
        low, high = bucket_bounds(bucket_of(number))
        assert low <= number <= high
        assert abs(high - low) <= abs(number) / 128
    assert bucket_bounds(0) == (0.0, 0.0)
    assert bucket_bounds(LAST_BUCKET) == (2.0**128, math.inf)


def test_buckets_are_ordered_as_the_numbers_are() -> None:
    numbers = [-math.inf, -1e30, -3.0, -2.9, -1e-20, 0.0, 1e-20, 2.9, 3.0, 1e30, math.inf]
    buckets = [bucket_of(number) for number in numbers]
    assert buckets == sorted(buckets)
    assert len(set(buckets)) == len(buckets)


def test_a_quantile_is_within_half_a_percent_of_the_exact_one() -> None:
    chance = random.Random(8)
    numbers = [chance.lognormvariate(3, 1) for _ in range(5001)]
    buckets: dict[int, int] = {}
    for number in numbers:
        buckets[bucket_of(number)] = buckets.get(bucket_of(number), 0) + 1
    for share in (0.01, 0.5, 0.95, 0.99):
        exact = sorted(numbers)[math.ceil(share * len(numbers)) - 1]
        assert quantile(buckets, share) == pytest.approx(exact, rel=0.005)
    assert quantile({}, 0.5) is None
    with pytest.raises(ValueError):
        rank_value({}, 1)


@pytest.mark.parametrize(
    ("score", "bin"),
    [
        (0, 0), (0.0, 0), (1.0, 4095), (True, 4095), (0.5, 2048), (Decimal("0.25"), 1024),
        (None, NO_SCORE), (-0.01, NO_SCORE), (1.01, NO_SCORE), (math.nan, NO_SCORE), ("0.5", NO_SCORE),
        (np.float32(0.5), 2048), (10**400, NO_SCORE),
    ],
)  # fmt: skip
def test_only_a_score_from_0_to_1_has_a_bin(score: object, bin: int) -> None:
    assert score_bin(score) == bin


class Wordless:
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("deny", "deny"), (1, "1"), (1.0, "1"), (True, "1"), (False, "0"), (np.int64(1), "1"), (np.True_, "1"),
        (np.float64(0), "0"), (0.3, NUMBER), (math.inf, NUMBER), (None, UNKNOWN), (math.nan, UNKNOWN), ("", UNKNOWN),
        ("(other)", "other"), ("\ud800", "?"), ("x" * 500, "x" * LONGEST_TEXT), (Wordless(), "(Wordless)"),
    ],
)  # fmt: skip
def test_outcomes_are_counted_under_one_word_however_they_are_written(value: object, word: str) -> None:
    assert word_of(value) == word


def test_cleaned_texts_are_short_and_valid() -> None:
    assert clean("é" * 200) == "é" * LONGEST_TEXT
    assert clean("a\udc80b") == "a?b"


def test_a_full_dictionary_keeps_the_first_texts_in_order_and_sums_the_rest() -> None:
    texts = [f"t{number}" for number in range(50)]
    first = sorted(texts, key=order)[:8]
    for seed in range(20):
        mixed = texts * 3
        random.Random(seed).shuffle(mixed)
        counts = Counts(8)
        for text in mixed:
            counts.add(text)
        assert counts.kept == dict.fromkeys(first, 3)
        assert counts.other == 42 * 3
        assert counts.total() == 150


def test_what_was_surely_never_counted_is_known_even_when_the_dictionary_is_full() -> None:
    texts = sorted((f"t{number}" for number in range(50)), key=order)
    counts = Counts(8)
    for text in texts[1:]:
        counts.add(text)
    assert counts.surely_lacks(texts[0])  # it would have been kept
    assert not counts.surely_lacks(texts[1])  # it is kept
    assert not counts.surely_lacks(texts[40])  # it may be among the rest
    assert not counts.surely_lacks("t-new") or order("t-new") < order(texts[8])
    assert Counts(8).surely_lacks("anything")
