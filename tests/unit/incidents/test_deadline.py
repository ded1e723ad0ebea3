"""Deadlines: when they fall due, how they move with the severity, and how they stand (RSP-9)."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.incidents.deadline import deadlines, due, moved, standing, warn_at
from tocsin.incidents.incident import Deadline
from tocsin.incidents.severity import Allowance
from tocsin.kernel.errors import Invalid

START = dt.datetime(2026, 11, 23, 3, 0, tzinfo=dt.UTC)


def minutes(count: float) -> dt.timedelta:
    return dt.timedelta(minutes=count)


def allowance(count: int, source: str = "s") -> Allowance:
    return Allowance(seconds=count * 60, source=source)


def test_a_deadline_counts_from_the_declaration_and_names_its_source() -> None:
    respond, resolve = deadlines(allowance(15, "a"), allowance(120, "b"), START)
    assert (respond.kind, respond.due, respond.source) == ("respond", START + minutes(15), "a")
    assert (resolve.kind, resolve.due, resolve.source) == ("resolve", START + minutes(120), "b")


def test_without_a_time_of_resolution_there_is_one_deadline() -> None:
    assert [one.kind for one in deadlines(allowance(15), None, START)] == ["respond"]


def test_a_deadline_is_kept_in_utc_and_a_time_without_a_zone_is_refused() -> None:
    berlin = START.astimezone(dt.timezone(dt.timedelta(hours=1)))
    assert due("respond", berlin, allowance(1)).due.utcoffset() == dt.timedelta(0)
    with pytest.raises(Invalid):
        due("respond", START.replace(tzinfo=None), allowance(1))


OLD = {"respond": Deadline(kind="respond", due=START + minutes(30), source="old")}


@pytest.mark.parametrize(
    ("worse", "changed_after", "allowed", "expected"),
    [
        (True, 5, 15, 20),  # counts from the change
        (True, 25, 15, None),  # the old one is earlier
        (True, 15, 15, None),  # the same
        (False, 5, 120, 120),  # counts from the declaration
        (False, 5, 30, None),  # the same
        (False, 200, 120, 120),  # milder, and past even so
        (False, 5, 10, 10),  # milder rank with a shorter time of its own
    ],
)
def test_a_change_of_severity_moves_the_deadline(
    worse: bool, changed_after: int, allowed: int, expected: int | None
) -> None:
    found = moved(
        OLD,
        allowance(allowed),
        None,
        declared_at=START,
        changed_at=START + minutes(changed_after),
        got_worse=worse,
    )
    assert [one.due for one in found] == ([START + minutes(expected)] if expected is not None else [])


@pytest.mark.parametrize("worse", [True, False])
def test_a_deadline_that_did_not_exist_is_set(worse: bool) -> None:
    found = moved(
        {}, allowance(10), allowance(60), declared_at=START, changed_at=START + minutes(5), got_worse=worse
    )
    offset = minutes(5) if worse else minutes(0)
    assert [(one.kind, one.due - START) for one in found] == [
        ("respond", minutes(10) + offset),
        ("resolve", minutes(60) + offset),
    ]


@given(st.integers(0, 600), st.integers(1, 600), st.integers(1, 600))
def test_a_worse_severity_never_makes_a_deadline_later(changed: int, before: int, allowed: int) -> None:
    old = {"respond": due("respond", START, allowance(before))}
    at = START + minutes(changed)
    found = moved(old, allowance(allowed), None, declared_at=START, changed_at=at, got_worse=True)
    assert all(one.due < old["respond"].due for one in found)


FIFTEEN = due("respond", START, allowance(60))


@pytest.mark.parametrize(
    ("now", "done", "expected"),
    [
        (0, None, "running"), (44.9, None, "running"), (45, None, "warning"), (59.9, None, "warning"),
        (60, None, "breached"), (90, None, "breached"),
        (10, 5, "met"), (90, 60, "met"), (90, 60.1, "breached"), (50, 50, "met"),
    ],
)  # fmt: skip
def test_how_a_deadline_stands(now: float, done: float | None, expected: str) -> None:
    found = standing(
        FIFTEEN,
        start=START,
        now=START + minutes(now),
        done_at=START + minutes(done) if done is not None else None,
    )
    assert found == expected


def test_the_warning_comes_after_three_quarters_of_the_time() -> None:
    assert warn_at(START, FIFTEEN) == START + minutes(45)
    assert warn_at(START + minutes(90), FIFTEEN) == FIFTEEN.due
