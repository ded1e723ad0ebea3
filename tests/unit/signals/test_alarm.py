"""The alarm machine: every state by every kind of reading, then whole nights."""

import datetime as dt
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tests.unit.signals.windows import NOW, decided, monitor, read
from tocsin.catalog.monitor import Monitor
from tocsin.signals.alarm import QUIET, AlarmState, Mark, Transition, mark_of, rest_seconds, step
from tocsin.signals.reading import Reading, ReadingState

WATCH = monitor(
    "parity_gap", "0.10", exit_threshold="0.05", enter_k=2, enter_n=3, window_seconds=300, every_seconds=60
)
TEMPLATE = read(
    monitor(
        "parity_gap", "0.10", params={"adverse": "d", "protected": "B", "reference": "A", "mode": "absolute"}
    ),
    decided(A=(10, 100), B=(10, 100)),
)
VALUES: dict[Mark, tuple[ReadingState, str | None]] = {
    "breach": ("breach", "0.30"),
    "between": ("ok", "0.08"),
    "calm": ("ok", "0.02"),
    "insufficient": ("insufficient", None),
}


def at(minute: float) -> dt.datetime:
    return NOW + dt.timedelta(minutes=minute)


def reading(mark: Mark, minute: float, **more: Any) -> Reading:
    state, value = VALUES[mark]
    fields = {"state": state, "value": None if value is None else Decimal(value), "at": at(minute), **more}
    return msgspec.structs.replace(TEMPLATE, **fields)


def run(marks: list[Mark], watch: Monitor = WATCH, state: AlarmState = QUIET) -> tuple[AlarmState, list[str]]:
    """Return the alarm after these readings, one a minute, and what each did."""
    kinds = []
    for minute, mark in enumerate(marks):
        state, transition = step(state, reading(mark, minute), watch)
        kinds.append(transition.kind)
    return state, kinds


QUIET_STATES: dict[str, AlarmState] = {
    "quiet, nothing seen": QUIET,
    "quiet, one breach": AlarmState(marks=("breach",), last_at=at(-1)),
    "quiet, one breach two readings ago": AlarmState(marks=("breach", "calm"), last_at=at(-1)),
    "quiet, one breach three readings ago": AlarmState(marks=("breach", "calm", "between"), last_at=at(-1)),
    "quiet, two breaches, at rest": AlarmState(marks=("breach", "breach"), last_at=at(-1), rests_until=at(1)),
    "quiet, two breaches, rested": AlarmState(marks=("breach", "breach"), last_at=at(-1), rests_until=at(0)),
}
RAISED_STATES: dict[str, AlarmState] = {
    "raised, last a breach": AlarmState(
        raised=True, since=at(-5), marks=("breach", "breach"), last_at=at(-1)
    ),
    "raised, last calm": AlarmState(raised=True, since=at(-5), marks=("breach", "calm"), last_at=at(-1)),
    "raised, last unknown": AlarmState(
        raised=True, since=at(-5), marks=("calm", "insufficient"), last_at=at(-1)
    ),
}
TABLE: dict[str, dict[Mark, str]] = {
    "quiet, nothing seen": {"breach": "none", "between": "none", "calm": "none", "insufficient": "none"},
    "quiet, one breach": {"breach": "raised", "between": "none", "calm": "none", "insufficient": "none"},
    "quiet, one breach two readings ago": {
        "breach": "raised", "between": "none", "calm": "none", "insufficient": "none",
    },
    "quiet, one breach three readings ago": {
        "breach": "none", "between": "none", "calm": "none", "insufficient": "none",
    },
    "quiet, two breaches, at rest": {"breach": "none", "between": "none", "calm": "none", "insufficient": "none"},
    "quiet, two breaches, rested": {"breach": "raised", "between": "none", "calm": "none", "insufficient": "none"},
    "raised, last a breach": {"breach": "held", "between": "held", "calm": "held", "insufficient": "held"},
    "raised, last calm": {"breach": "held", "between": "held", "calm": "ended", "insufficient": "held"},
    "raised, last unknown": {"breach": "held", "between": "held", "calm": "held", "insufficient": "held"},
}  # fmt: skip
STATES = QUIET_STATES | RAISED_STATES


@pytest.mark.parametrize(
    ("name", "mark", "kind"),
    [(name, mark, kind) for name, row in TABLE.items() for mark, kind in row.items()],
)
def test_every_state_meets_every_kind_of_reading(name: str, mark: Mark, kind: str) -> None:
    before = STATES[name]
    after, transition = step(before, reading(mark, 0), WATCH)
    assert transition.kind == kind
    assert transition.why
    assert after.raised is (kind in ("raised", "held"))
    assert after.last_at == at(0)
    assert after.since == {"raised": at(0), "held": at(-5)}.get(kind)
    if kind == "ended":
        assert (after.marks, after.rests_until) == ((), at(5))
    else:
        assert after.rests_until == (None if kind == "raised" else before.rests_until)
        assert after.marks[-1] == mark
        assert len(after.marks) <= 3


def test_the_table_is_whole() -> None:
    assert set(TABLE) == set(STATES)
    assert all(set(row) == set(VALUES) for row in TABLE.values())


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("mark", VALUES)
def test_a_reading_that_is_not_newer_changes_nothing(name: str, mark: Mark) -> None:
    state = msgspec.structs.replace(STATES[name], last_at=at(0))
    for minute in (0, -3):
        assert step(state, reading(mark, minute), WATCH) == (
            state,
            Transition(kind="none", why="This reading was counted before."),
        )


@pytest.mark.parametrize(
    ("direction", "value", "mark"),
    [
        ("above", "0.049", "calm"),
        ("above", "0.05", "calm"),
        ("above", "0.051", "between"),
        ("below", "0.049", "between"),
        ("below", "0.05", "calm"),
        ("below", "0.051", "calm"),
    ],
)
def test_calm_is_the_good_side_of_the_exit_threshold(direction: str, value: str, mark: Mark) -> None:
    given = reading("calm", 0, value=Decimal(value), direction=direction)
    assert mark_of(given, WATCH) == mark


def test_without_an_exit_threshold_the_threshold_itself_counts() -> None:
    plain = monitor("parity_gap", "0.10")
    assert mark_of(reading("between", 0), plain) == "calm"
    assert mark_of(reading("calm", 0, value=Decimal("0.2")), plain) == "between"


def test_a_fine_reading_without_a_figure_proves_nothing() -> None:
    assert mark_of(reading("calm", 0, value=None), WATCH) == "insufficient"


def test_one_breach_in_three_never_rings() -> None:
    state, kinds = run(["breach", "calm", "calm"] * 50)
    assert set(kinds) == {"none"}
    assert not state.raised


def test_a_figure_that_hovers_around_the_threshold_rings_once() -> None:
    _, kinds = run(["breach", "between"] * 60)
    assert kinds.count("raised") == 1
    assert "ended" not in kinds


def test_a_fault_that_is_mended_rings_once_and_ends_once() -> None:
    marks: list[Mark] = ["calm"] * 10 + ["breach"] * 5 + ["between"] + ["calm"] * 10
    state, kinds = run(marks)
    assert kinds[10:18] == ["none", "raised", "held", "held", "held", "held", "held", "ended"]
    assert kinds.count("raised") == kinds.count("ended") == 1
    assert not state.raised


def test_lost_data_neither_raises_nor_ends_an_alarm() -> None:
    state, kinds = run(["breach", "breach", *["insufficient"] * 30])  # type: ignore[list-item]
    assert state.raised
    assert set(kinds[2:]) == {"held"}
    _, kinds = run(["breach", *["insufficient"] * 2, "breach"])  # type: ignore[list-item]
    assert set(kinds) == {"none"}


def test_an_alarm_that_ended_rests_for_one_window_and_then_rings_again() -> None:
    state, kinds = run(["breach", "breach", "calm", "calm", *["breach"] * 8])  # type: ignore[list-item]
    assert rest_seconds(WATCH) == 300
    assert kinds == [
        "none",
        "raised",
        "held",
        "ended",
        "none",
        "none",
        "none",
        "none",
        "raised",
        *["held"] * 3,
    ]
    assert state.raised


def test_a_monitor_without_patience_rings_and_ends_at_once() -> None:
    eager = monitor("parity_gap", "0.10", window_seconds=60)
    _, kinds = run(["breach", "calm", "breach", "breach"], eager)
    assert kinds == ["raised", "ended", "raised", "held"]


def test_the_state_survives_being_stored() -> None:
    for state in STATES.values():
        assert msgspec.json.decode(msgspec.json.encode(state), type=AlarmState) == state
