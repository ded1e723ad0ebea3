"""How often the shipped fairness monitors ring without cause, and how surely they find a planted change.

One population stands behind everything, like that of the demonstration: 14 % of the people are in the
protected group; 28 % of them and 9 % of the others do not merit the loan; the model denies 35 % and 10 %.
About 300 people of the protected group come in a window of a minute, and the monitors look every five seconds,
so that twelve looks share most of their people.
"""

import datetime as dt
import functools
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
import yaml

from tests.unit.signals.windows import NOW, read
from tocsin.catalog.monitor import Monitor
from tocsin.signals.alarm import QUIET, step
from tocsin_sdk import Profile

PEOPLE_A_LOOK = 179  # 14 % of 12 x 179 is 300
LOOKS_A_WINDOW = 12
SMALL, PINNED = 2148, 7143
"""People behind the pinned reference: about 300 and about 1,000 of the protected group."""

CELLS = [(g, y, d) for g in ("not-black", "black") for y in ("approve", "deny") for d in ("approve", "deny")]
DENIED = {
    ("not-black", "approve"): 0.07,
    ("not-black", "deny"): 0.40,
    ("black", "approve"): 0.24,
    ("black", "deny"): 0.63,
}
"""The share denied of each group, by what they merit: 10 % and 35 % in all."""


@functools.cache
def shipped(name: str, root: Path) -> Monitor:
    """Return a monitor of the demonstration as it is shipped."""
    text = (root / "src/tocsin_demo/config/monitors.yaml").read_text("utf-8")
    (found,) = (document for document in yaml.safe_load_all(text) if document.get("detector") == name)
    return msgspec.convert({key: value for key, value in found.items() if key != "kind"}, Monitor)


def shares(more_denied: float) -> npt.NDArray[np.float64]:
    """Return the share of each cell when so many more of the protected group are denied, merited or not."""
    result = []
    for group, merit, decision in CELLS:
        size = (0.14 if group == "black" else 0.86) * {
            ("black", "deny"): 0.28, ("black", "approve"): 0.72,
            ("not-black", "deny"): 0.09, ("not-black", "approve"): 0.91,
        }[group, merit]  # fmt: skip
        denied = DENIED[group, merit] + (more_denied if group == "black" else 0.0)
        result.append(size * (denied if decision == "deny" else 1 - denied))
    return np.array(result)


def counted(counts: npt.NDArray[np.int64]) -> Profile:
    """Return the profile of so many people in each cell, all with labels."""
    profile = Profile()
    for (group, label, decision), count in zip(CELLS, counts.tolist(), strict=True):
        if count:
            profile.outcomes.decide(group, decision, -1, count)
            profile.outcomes.label(group, label, decision, -1, count)
    return profile


def drawn(chance: np.random.Generator, people: int, more_denied: float = 0.0) -> Profile:
    """Return the profile of people drawn from the population."""
    return counted(chance.multinomial(people, shares(more_denied)))


def looks(chance: np.random.Generator, windows: int, more_denied: float = 0.0) -> Iterator[Profile]:
    """Yield what each look sees: the last twelve slices, of which the first window's worth is quiet."""
    before = chance.multinomial(PEOPLE_A_LOOK, shares(0.0), size=LOOKS_A_WINDOW)
    after = chance.multinomial(PEOPLE_A_LOOK, shares(more_denied), size=windows * LOOKS_A_WINDOW)
    so_far = np.concatenate([before, after]).cumsum(axis=0)
    for counts in so_far[LOOKS_A_WINDOW:] - so_far[:-LOOKS_A_WINDOW]:
        yield counted(counts)


@pytest.mark.parametrize("detector", ["parity_gap", "equalised_odds_gap"])
def test_a_thousand_quiet_windows_raise_no_more_than_one_alarm(detector: str, root: Path) -> None:
    """1,000 quiet windows, ten pinned references (about 300 people of the protected group each), 12,000 looks.

    Measured with eight seeds: parity never; equalised odds one alarm with two of them. At most 1 passes.
    """
    watch = shipped(detector, root)
    chance = np.random.default_rng(20261123)
    alarms = told = 0
    for _ in range(10):
        reference, state = drawn(chance, SMALL), QUIET
        for number, current in enumerate(looks(chance, 100)):
            reading = read(watch, current, reference, now=NOW + dt.timedelta(seconds=5 * number))
            state, transition = step(state, reading, watch)
            alarms += transition.kind == "raised"
            told += reading.state != "insufficient"
    assert told > 11_900
    assert alarms <= 1


@pytest.mark.parametrize(
    ("detector", "pinned", "least"),
    [
        ("parity_gap", PINNED, 0.96),
        ("equalised_odds_gap", PINNED, 0.90),
        ("parity_gap", SMALL, 0.90),
        ("equalised_odds_gap", SMALL, 0.83),
    ],
)
def test_a_single_window_shows_a_planted_change_of_25_points(
    detector: str, pinned: int, least: float, root: Path
) -> None:
    """500 single windows with about 300 people of the protected group, each with a reference of its own.

    Measured with five seeds: with 1,000 pinned people of the protected group parity finds it in 99.2 to 99.8 % and
    equalised odds in 97.4 to 98.6 %; with 300 pinned people in 93.0 to 95.6 % and 86.4 to 90.8 %.
    """
    watch = shipped(detector, root)
    chance = np.random.default_rng(7)
    found = 0
    for _ in range(500):
        reference = drawn(chance, pinned)
        current = drawn(chance, PEOPLE_A_LOOK * LOOKS_A_WINDOW, more_denied=0.25)
        found += read(watch, current, reference).state == "breach"
    assert found >= 500 * least


def test_a_planted_change_of_25_points_rings_within_three_windows(root: Path) -> None:
    """Parity, 100 plants, 1,000 pinned people of the protected group; the window is 60 s, a look every 5 s.

    Measured with five seeds: all 100 found, after 45 or 50 s at the median and 120 s at most.
    """
    watch = shipped("parity_gap", root)
    chance = np.random.default_rng(8)
    delays: list[int] = []
    for _ in range(100):
        reference, state = drawn(chance, PINNED), QUIET
        for number, current in enumerate(looks(chance, 3, more_denied=0.25), start=1):
            reading = read(watch, current, reference, now=NOW + dt.timedelta(seconds=5 * number))
            state, transition = step(state, reading, watch)
            if transition.kind == "raised":
                delays.append(5 * number)
                break
    assert len(delays) >= 99
    assert sorted(delays)[50] <= 60
