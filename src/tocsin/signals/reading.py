"""A reading: what a monitor found in one window, in figures and in words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

import msgspec

ReadingState = Literal["ok", "breach", "insufficient"]
"""'insufficient' means that nobody can tell: it is never 'ok'."""

Direction = Literal["above", "below"]
"""The side of the threshold that is bad."""

PLACES = Decimal("0.000001")


class GroupFigure(msgspec.Struct, frozen=True, kw_only=True):
    """One group of people in a reading. Rates and the ends of their intervals are in 0..1."""

    group: str
    """The group; empty for people whose group is not known."""
    role: Literal["protected", "reference", "other"]
    measure: str
    """Which rate this is, in words, such as 'got deny'."""
    hits: int
    of: int
    """The rate is `hits` of `of` decisions."""
    rate: Decimal | None = None
    """None when there are no decisions."""
    lower: Decimal | None = None
    upper: Decimal | None = None
    pinned_rate: Decimal | None = None
    """The rate in the pinned reference; None when there is none."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What a detector says. Figures are in the detector's natural unit."""

    state: ReadingState
    sentence: str
    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    direction: Direction = "above"
    sample: int = 0
    figures: Mapping[str, str] = {}
    groups: tuple[GroupFigure, ...] = ()


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a monitor found in one window.

    `value`, `lower`, `upper` (the interval) and `threshold` are in `unit`, the monitor's own.
    """

    monitor: str
    system: str
    dimension: str
    detector: str
    state: ReadingState
    value: Decimal | None
    lower: Decimal | None
    upper: Decimal | None
    threshold: Decimal
    unit: str
    direction: Direction
    sample: int
    """How many observations the figure rests on."""
    sentence: str
    """What was found, for someone who has just woken up."""
    figures: dict[str, str]
    """Everything else that was computed, as text."""
    groups: tuple[GroupFigure, ...]
    window_start: dt.datetime
    window_end: dt.datetime
    at: dt.datetime
    """When the monitor looked."""
    model_version: str
    """The version whose predictions were looked at; empty when several were."""


def decimal_of(number: float | None, scale: Decimal = Decimal(1)) -> Decimal | None:
    """Return a number times `scale` as an exact decimal with six places, so that its text is the same everywhere."""
    if number is None:
        return None
    scaled = (Decimal(repr(float(number))) * scale).quantize(PLACES)
    return scaled if scaled else abs(scaled)  # no minus zero


def text_of(number: float) -> str:
    """Return a number as decimal text with up to six places."""
    text = f"{decimal_of(number):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: float) -> str:
    """Return a share in 0..1 in words: '12.5 %'."""
    return f"{_tenths(share)} %"


def points(difference: float) -> str:
    """Return a difference of shares in words: '12.5 points' (hundredths)."""
    return f"{_tenths(difference)} points"


def points_between(lower: float, upper: float) -> str:
    """Return the ends of an interval of differences in words: '8.1 to 12.5 points'."""
    return f"{_tenths(lower)} to {points(upper)}"


def _tenths(share: float) -> str:
    return f"{round(100 * share, 1) + 0.0:.1f}"  # adding 0.0 turns minus zero into zero


def counted(number: int, one: str, several: str | None = None) -> str:
    """Return a count in words: '1 decision', '2,300 decisions'."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"
