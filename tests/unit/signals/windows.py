"""Profiles and monitors made up for tests."""

from __future__ import annotations

import datetime as dt
from typing import Any

from tocsin.catalog.monitor import Monitor
from tocsin.signals.monitor import Reading, evaluate
from tocsin_sdk import Profile

NOW = dt.datetime(2026, 11, 23, 3, 0, tzinfo=dt.UTC)
NOW_MS = int(NOW.timestamp() * 1000)

FAIRNESS = {"adverse": "deny", "protected": "B", "reference": "A"}


def monitor(detector: str, threshold: str, dimension: str = "fairness", **fields: Any) -> Monitor:
    """Return a monitor with these fields and otherwise its defaults."""
    given = {"id": "m", "system": "loan", "title": "Watch", "why": "for the test", **fields}
    return Monitor(detector=detector, threshold=threshold, dimension=dimension, **given)


def decided(**tallies: tuple[int, int]) -> Profile:
    """Return a profile of decisions: for each group how many were denied, and out of how many."""
    profile = Profile()
    for group, (denied, of) in tallies.items():
        for word, count in (("deny", denied), ("approve", of - denied)):
            if count:
                profile.outcomes.decide(group, word, -1, count)
    return profile


def labelled(rows: dict[tuple[str, str, str], int], *, unlabelled: int = 0) -> Profile:
    """Return a profile of decisions with labels: (group, label, prediction) -> count, and some without a label."""
    profile = Profile()
    for (group, label, prediction), count in rows.items():
        profile.outcomes.decide(group, prediction, -1, count)
        profile.outcomes.label(group, label, prediction, -1, count)
    if unlabelled:
        profile.outcomes.decide("A", "approve", -1, unlabelled)
    return profile


def read(watch: Monitor, current: Profile, reference: Profile | None = None, **more: Any) -> Reading:
    """Return what the monitor reads at `NOW`."""
    return evaluate(watch, reference, current, more.pop("now", NOW), **more)
