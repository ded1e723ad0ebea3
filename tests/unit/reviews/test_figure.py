"""Five figures from six times; what cannot be known is said, never guessed (MET-1, MET-4)."""

from __future__ import annotations

import datetime as dt

import pytest

from tocsin.kernel.errors import Invalid
from tocsin.reviews.figure import Times, duration, figures

BEGAN = dt.datetime(2026, 11, 23, 3, 0, 0, tzinfo=dt.UTC)


def later(**span: float) -> dt.datetime:
    return BEGAN + dt.timedelta(**span)


WHOLE = Times(
    began_at=BEGAN,
    detected_at=later(minutes=4, seconds=12, microseconds=999_999),
    paged_at=later(minutes=5),
    acknowledged_at=later(minutes=6),
    contained_at=later(minutes=20),
    resolved_at=later(hours=3),
)


def test_every_figure_has_its_seconds_its_words_and_its_definition():
    assert [(f.id, f.title, f.definition, f.seconds, f.text) for f in figures(WHOLE)] == [
        ("detect", "Time to detect", "From start of harm to detection.", 252, "4 min 12 s"),
        ("acknowledge", "Time to acknowledge", "From page to acknowledgement.", 60, "1 min"),
        ("contain", "Time to contain", "From detection to containment.", 947, "15 min 47 s"),
        ("resolve", "Time to resolve", "From detection to resolution.", 10_547, "2 h 55 min"),
        ("harm", "Duration of harm", "From start of harm to containment.", 1200, "20 min"),
    ]


def test_a_figure_with_a_time_missing_says_which():
    found = {
        f.id: (f.seconds, f.text) for f in figures(Times(detected_at=BEGAN, contained_at=later(minutes=1)))
    }
    assert found == {
        "detect": (None, "Not known: the record holds no time of start of harm."),
        "acknowledge": (None, "Not known: the record holds no time of page and none of acknowledgement."),
        "contain": (60, "1 min"),
        "resolve": (None, "Not known: the record holds no time of resolution."),
        "harm": (None, "Not known: the record holds no time of start of harm."),
    }


def test_a_negative_duration_is_not_a_figure():
    detect = figures(Times(began_at=later(seconds=1), detected_at=BEGAN))[0]
    assert (detect.seconds, detect.text) == (None, "Not known: detection is recorded before start of harm.")
    at_once = figures(Times(began_at=BEGAN, detected_at=BEGAN))[0]
    assert (at_once.seconds, at_once.text) == (0, "0 s")


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(Invalid, match="without a zone"):
        figures(Times(began_at=BEGAN.replace(tzinfo=None), detected_at=BEGAN))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (252, "4 min 12 s"),
        (3600, "1 h"),
        (3605, "1 h"),
        (3660, "1 h 1 min"),
        (7199, "1 h 59 min"),
        (86_400, "1 d"),
        (90_000, "1 d 1 h"),
        (86_460, "1 d"),
    ],
)
def test_a_duration_is_told_in_at_most_two_neighbouring_units(seconds, text):
    assert duration(seconds) == text
