"""How numbers and texts are counted: histogram buckets, words, and bounded dictionaries that stay exact.

Where a dictionary is full, the texts kept are always the first ones in one fixed order (`order`), and the
rest are summed. A text among the first k of a whole is among the first k of every part that holds it, so a
kept count never misses anything, and merging is exact, associative and commutative.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from typing import TypeVar

SCORE_BINS = 4096
"""Scores from 0 to 1 fall into this many equal bins."""
NO_SCORE = -1
"""The score bin of a prediction without a score in 0..1."""
UNKNOWN = ""
"""The word for a group, prediction or label that nobody gave."""
OTHER = "(other)"
"""The word that stands for every text beyond the limit of its dictionary."""
NUMBER = "(number)"
"""The word for a prediction or label that is a fraction: not a class."""
LONGEST_TEXT = 120
"""Longer texts are cut to this many characters."""
LAST_BUCKET = 32_769
"""The bucket of numbers of 2**128 and more, infinity included; negative numbers have negative buckets."""

Buckets = dict[int, int]
"""A histogram of numbers: bucket -> count. Buckets are ordered as the numbers are."""

K = TypeVar("K")


def bucket_of(number: float) -> int:
    """Return the bucket of a number that is not NaN: its sign, exponent and first 7 mantissa bits.

    128 buckets per octave, each at most 0.8 % wide. Magnitudes below 2**-128 share bucket 0 with zero;
    those of 2**128 and more share the last bucket with infinity.
    """
    mantissa, exponent = math.frexp(abs(number))
    if mantissa == 0.0 or exponent < -127:
        return 0
    if exponent > 128 or mantissa == math.inf:
        return LAST_BUCKET if number > 0 else -LAST_BUCKET
    bucket = exponent * 128 + int(mantissa * 256.0) + 16_129
    return bucket if number > 0 else -bucket


def bucket_bounds(bucket: int) -> tuple[float, float]:
    """Return the least and the greatest number of a bucket (the end away from zero is exclusive)."""
    if bucket == 0:
        return 0.0, 0.0
    low, high = _edge(abs(bucket)), _edge(abs(bucket) + 1)
    return (low, high) if bucket > 0 else (-high, -low)


def _edge(bucket: int) -> float:
    if bucket > LAST_BUCKET:
        return math.inf
    exponent, mantissa = divmod(bucket - 1, 128)
    return math.ldexp(1.0 + mantissa / 128.0, exponent - 128)


def total(buckets: Buckets) -> int:
    """Return how many numbers a histogram holds."""
    return sum(buckets.values())


def quantile(buckets: Buckets, share: float) -> float | None:
    """Return the number below which `share` (0..1) of a histogram lies, within 0.4 %; None when it is empty."""
    count = total(buckets)
    return rank_value(buckets, math.ceil(share * count)) if count else None


def rank_value(buckets: Buckets, rank: int) -> float:
    """Return the middle of the bucket that holds the number of this rank, counted from 1 upwards."""
    if not buckets:
        raise ValueError("an empty histogram has no ranks")
    seen = 0
    bucket = 0
    for bucket in sorted(buckets):
        seen += buckets[bucket]
        if seen >= rank:
            break
    low, high = bucket_bounds(bucket)
    return (low + high) / 2


def score_bin(score: object) -> int:
    """Return the bin of a score in 0..1, or `NO_SCORE` for anything else."""
    number = number_of(score)
    if number is None or not 0.0 <= number <= 1.0:
        return NO_SCORE
    return min(int(number * SCORE_BINS), SCORE_BINS - 1)


def number_of(value: object) -> float | None:
    """Return what can be read as a number, but not text; None otherwise."""
    if isinstance(value, float):
        return value
    if value is None or isinstance(value, str):
        return None
    try:
        return float(value)  # type: ignore[arg-type]  # Decimal, Fraction and array scalars convert
    except OverflowError:  # an int beyond the floats
        return math.inf if value > 0 else -math.inf  # type: ignore[operator]  # never None here
    except Exception:  # it cannot be read as a number, whatever its __float__ says
        return None


def order(text: str) -> tuple[int, str]:
    """Return the fixed rank of a text. A checksum, not the alphabet, so that no family of texts is favoured."""
    return zlib.crc32(text.encode("utf-8")), text


def clean(text: str) -> str:
    """Return the text as it is counted: at most `LONGEST_TEXT` characters, always valid UTF-8."""
    text = text[:LONGEST_TEXT]
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode("utf-8")
    return text


def text_of(value: object) -> str:
    """Return the text of anything; what has none is counted by the name of its type."""
    try:
        return str(value)
    except Exception:  # a stranger's __str__ may do anything
        return f"({type(value).__name__})"


def plain(value: object) -> object:
    """Return the Python value of an array's scalar; the text of anything else that has an `item`."""
    try:
        item = value.item()  # type: ignore[attr-defined]  # the caller has asked whether it is there
    except Exception:  # an array of several values, say
        return text_of(value)
    return text_of(value) if hasattr(item, "item") else item


def word_of(value: object) -> str:
    """Return the word that an outcome (prediction, label) or a group is counted under.

    Text stays text; 1, 1.0 and True are '1'; fractions are `NUMBER`; None and NaN are `UNKNOWN`.
    """
    if isinstance(value, str):
        word = value if len(value) <= LONGEST_TEXT and value.isascii() else clean(value)
        return "other" if word == OTHER else word
    if isinstance(value, int):
        return str(int(value))[:LONGEST_TEXT]
    if not isinstance(value, float) and hasattr(value, "item"):
        return word_of(plain(value))
    number = number_of(value)
    if number is None:
        return UNKNOWN if value is None else clean(text_of(value))
    if math.isnan(number):
        return UNKNOWN
    if not number.is_integer():
        return NUMBER
    return str(int(number))[:LONGEST_TEXT]


class Counts:
    """Counts by text, for the first `limit` texts of `order`; the rest are summed in `other`."""

    __slots__ = ("_last", "kept", "limit", "other")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.kept: dict[str, int] = {}
        self.other = 0
        self._last: tuple[int, str] | None = None

    def add(self, text: str, count: int = 1) -> None:
        """Count a text; texts are cleaned first."""
        if text not in self.kept:
            text = clean(text)
            if text not in self.kept and not self._admit(text, count):
                return
        self.kept[text] += count

    def _admit(self, text: str, count: int) -> bool:
        if len(self.kept) >= self.limit:
            last = self._last or max(map(order, self.kept))
            self._last = last
            if order(text) > last:
                self.other += count
                return False
            self.other += self.kept.pop(last[1])
            self._last = None
        self.kept[text] = 0
        return True

    def absorb(self, more: Counts) -> None:
        """Add another set of counts to this one."""
        for text, count in more.kept.items():
            self.add(text, count)
        self.other += more.other

    def total(self) -> int:
        """Return how many texts were counted, the rest included."""
        return sum(self.kept.values()) + self.other

    def surely_lacks(self, text: str) -> bool:
        """Return whether this text was never counted. False means that it was, or that nobody can tell."""
        text = clean(text)
        return text not in self.kept and (self.other == 0 or order(text) < max(map(order, self.kept)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Counts):
            return NotImplemented
        return (self.limit, self.kept, self.other) == (other.limit, other.kept, other.other)

    __hash__ = None  # type: ignore[assignment]  # counts change

    def __repr__(self) -> str:
        return f"Counts({self.kept!r}, other={self.other})"


def add(counts: dict[K, int], key: K, count: int = 1) -> None:
    """Add to one count of a table."""
    counts[key] = counts.get(key, 0) + count


def absorb(counts: dict[K, int], more: Mapping[K, int]) -> None:
    """Add a table of counts to another, in place."""
    for key, count in more.items():
        counts[key] = counts.get(key, 0) + count
