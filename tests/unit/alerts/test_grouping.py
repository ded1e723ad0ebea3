"""Alerts that belong together are told together: at once, when worse, and otherwise no more than every interval (COR-1)."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest

from tocsin.alerts.alert import Alert
from tocsin.alerts.grouping import (
    LONGEST_KEY,
    Group,
    Reason,
    Timing,
    close,
    group_key,
    group_labels,
    join,
    needs_telling,
    next_look,
    quiet,
    told,
    why_grouped,
    why_told,
)
from tocsin.kernel.clock import UTC

NOW = dt.datetime(2026, 11, 22, 11, 0, tzinfo=UTC)


def at(minutes: float) -> dt.datetime:
    return NOW + dt.timedelta(minutes=minutes)


def alert(name: str = "Drift", **fields: object) -> Alert:
    given = {
        "fingerprint": name,
        "source": "alertmanager",
        "labels": {"alertname": name},
        "title": name,
        "status": "firing",
        "starts_at": NOW,
        "first_seen": NOW,
        "last_seen": NOW,
        "severity": 2,
    }
    return msgspec.convert(given | fields, Alert)


def ended(one: Alert) -> Alert:
    return msgspec.structs.replace(one, status="resolved")


def group(**fields: object) -> Group:
    given = {
        "key": "k",
        "labels": {"system": "loan"},
        "opened_at": NOW,
        "updated_at": NOW,
        "firing": 1,
        "alerts": 1,
    }
    return msgspec.convert(given | fields, Group)


# --- what belongs together -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "by", "expected"),
    [
        ({"system": "loan", "category": "bias"}, None, {"system": "loan", "category": "bias"}),
        ({"system": "loan"}, None, {"system": "loan", "alertname": "Drift"}),
        ({"category": "bias"}, None, {"category": "bias", "alertname": "Drift"}),
        (
            {"labels": {"alertname": "A", "service": "s", "job": "j"}},
            None,
            {"alertname": "A", "service": "s"},
        ),
        (
            {"labels": {"alertname": "A", "model": "m", "service": "s"}},
            None,
            {"alertname": "A", "service": "s"},
        ),
        ({"labels": {"alertname": "A", "job": "j"}}, None, {"alertname": "A", "job": "j"}),
        ({"labels": {"instance": "i"}}, None, {"alertname": "Drift"}),
        ({"labels": {"a": "1", "b": "2"}}, ("b", "c"), {"b": "2"}),
        ({"labels": {"a": "1"}, "system": "loan"}, (), {}),
    ],
)
def test_alerts_are_grouped_by_what_they_are_about(
    fields: dict[str, object], by: tuple[str, ...] | None, expected: dict[str, str]
) -> None:
    assert group_labels(alert(**fields), by) == expected


def test_different_labels_have_different_keys_and_order_means_nothing() -> None:
    sets: list[dict[str, str]] = [
        {}, {"a": "1"}, {"a": "1,b=2"}, {"a": "1", "b": "2"}, {"a": "'1','b'='2'"}, {"a": "x" * 500}, {"a": "x" * 501},
        {"a": "é"}, {"a": "è"}, {"a": "?"},
    ]  # fmt: skip
    keys = [group_key(labels) for labels in sets]
    assert len(set(keys)) == len(sets)
    assert max(map(len, keys)) <= LONGEST_KEY
    assert group_key({"a": "1", "b": "2"}) == group_key({"b": "2", "a": "1"})


def test_why_grouped_is_a_sentence() -> None:
    assert why_grouped(group(alerts=3)) == "These 3 alerts are one group because they share system loan."
    assert why_grouped(group()) == "Alerts with system loan come together in this group."
    assert why_grouped(group(labels={})) == "All alerts are one group: grouping by no label was chosen."


# --- joining -------------------------------------------------------------------------------------


def test_the_first_firing_alert_opens_a_group() -> None:
    opened = join(None, None, alert(system="loan", category="bias", severity=0), NOW)
    assert opened == Group(
        key="category='bias',system='loan'", labels={"system": "loan", "category": "bias"}, system="loan", category="bias",
        opened_at=NOW, updated_at=NOW, firing=1, alerts=1, rank=0, fresh=1,
    )  # fmt: skip


def test_what_ended_unseen_opens_no_group() -> None:
    assert join(None, None, ended(alert()), NOW) is None
    closed = group(closed_at=NOW)
    assert join(closed, None, ended(alert()), NOW) == closed


BEFORE_AFTER: list[tuple[Alert | None, Alert, tuple[int, int, int, int]]] = [
    # before, after, and what changes: (firing, alerts, fresh, ended)
    (None, alert("B"), (1, 1, 1, 0)),
    (None, ended(alert("B")), (0, 0, 0, 0)),
    (alert("B"), alert("B"), (0, 0, 0, 0)),
    (alert("B"), ended(alert("B")), (-1, 0, 0, 1)),
    (ended(alert("B")), alert("B"), (1, 0, 1, 0)),
    (ended(alert("B")), alert("B", episode=2), (1, 1, 1, 0)),
    (ended(alert("B")), ended(alert("B")), (0, 0, 0, 0)),
    (alert("B"), alert("B", episode=2), (0, 1, 1, 0)),
]


@pytest.mark.parametrize(("before", "after", "difference"), BEFORE_AFTER)
def test_a_group_counts_what_begins_and_ends(
    before: Alert | None, after: Alert, difference: tuple[int, int, int, int]
) -> None:
    had = group(firing=3, alerts=5, fresh=1, ended=1)
    now = join(had, before, after, at(1))
    assert now is not None
    assert (now.firing - 3, now.alerts - 5, now.fresh - 1, now.ended - 1) == difference
    assert now.updated_at == (at(1) if any(difference) else NOW)


def test_a_closed_group_is_left_alone_and_a_new_episode_opens() -> None:
    opened = join(group(closed_at=at(1), rank=0, alerts=9), ended(alert()), alert(severity=3), at(2))
    assert opened is not None
    assert (opened.opened_at, opened.closed_at, opened.firing, opened.alerts, opened.rank) == (
        at(2),
        None,
        1,
        1,
        3,
    )


@pytest.mark.parametrize(("severity", "rank"), [(0, 0), (1, 1), (None, 1), (2, 2), (3, 2)])
def test_the_worst_rank_counts_and_unknown_counts_as_rank_1(severity: int | None, rank: int) -> None:
    joined = join(group(rank=2), None, alert("B", severity=severity), NOW)
    assert joined is not None
    assert joined.rank == rank


def test_an_alert_that_ends_makes_nothing_worse() -> None:
    joined = join(group(rank=2, firing=2), alert("B", severity=2), ended(alert("B", severity=0)), NOW)
    assert joined is not None
    assert joined.rank == 2


# --- telling -------------------------------------------------------------------------------------

DECISIONS: dict[str, tuple[Group, float, Reason | None]] = {
    "a new group is told at once": (group(fresh=1), 0, Reason.FIRST),
    "what ended before anyone was told is not told": (group(firing=0, ended=1), 60, None),
    "a told group is not told again at once": (group(told_at=NOW, told_firing=1, fresh=1, firing=2), 4.9, None),
    "more alerts are told after the interval": (
        group(told_at=NOW, told_firing=1, fresh=1, firing=2), 5, Reason.NEW_ALERTS,
    ),
    "fewer alerts are told after the interval": (
        group(told_at=NOW, told_firing=2, ended=1, firing=1), 5, Reason.SOME_RESOLVED,
    ),
    "one more and one less is told as more": (
        group(told_at=NOW, told_firing=1, ended=1, fresh=1, firing=1), 5, Reason.NEW_ALERTS,
    ),
    "the end of all is told": (group(told_at=NOW, told_firing=2, ended=2, firing=0), 5, Reason.ALL_RESOLVED),
    "the end of all waits for the interval": (group(told_at=NOW, told_firing=2, ended=2, firing=0), 4, None),
    "the end is told once": (group(told_at=NOW, told_firing=0, firing=0), 600, None),
    "firing again is told": (group(told_at=NOW, told_firing=0, firing=1, fresh=1), 5, Reason.FIRES_AGAIN),
    "worse is told at once": (
        group(told_at=NOW, told_firing=1, told_rank=2, rank=0, firing=2, fresh=1), 0.1, Reason.WORSE,
    ),
    "worse but ended is not told at once": (
        group(told_at=NOW, told_firing=1, told_rank=2, rank=0, firing=0, ended=1), 0.1, None,
    ),
    "better is not worse": (group(told_at=NOW, told_firing=1, told_rank=0, rank=2), 1, None),
    "nothing new is not told": (group(told_at=NOW, told_firing=1), 239, None),
    "nothing new is repeated after four hours": (group(told_at=NOW, told_firing=1), 240, Reason.REPEAT),
    "a closed group is never told": (group(closed_at=NOW, fresh=1), 600, None),
}  # fmt: skip


@pytest.mark.parametrize("case", sorted(DECISIONS))
def test_telling_is_decided_with_its_reason(case: str) -> None:
    one, minutes, reason = DECISIONS[case]
    assert needs_telling(one, at(minutes), Timing()) is reason


def test_every_reason_occurs_in_the_table_and_has_a_sentence() -> None:
    assert {reason for _, _, reason in DECISIONS.values()} == {*Reason, None}
    assert why_told(group(firing=5, fresh=2), Reason.NEW_ALERTS) == "2 more began, 5 firing in all."
    assert all(why_told(group(), reason).endswith(".") for reason in Reason)


def test_a_group_may_wait_for_company() -> None:
    timing = Timing(wait=dt.timedelta(seconds=30))
    assert needs_telling(group(), at(0.4), timing) is None
    assert needs_telling(group(), at(0.5), timing) is Reason.FIRST
    assert next_look(group(), timing) == at(0.5)


def test_what_was_told_is_no_news() -> None:
    one = told(group(firing=3, fresh=3, ended=1, rank=1), at(1))
    assert (one.told_at, one.told_firing, one.told_rank, one.fresh, one.ended) == (at(1), 3, 1, 0, 0)
    assert needs_telling(one, at(6)) is None


# --- looking again, closing ----------------------------------------------------------------------


@pytest.mark.parametrize("case", sorted(DECISIONS))
def test_the_next_look_comes_neither_too_early_nor_too_late(case: str) -> None:
    one, _, _ = DECISIONS[case]
    look = next_look(one)
    if look is None:
        assert not one.open
        return
    assert needs_telling(one, look) is not None or quiet(one, look)
    early = look - dt.timedelta(microseconds=1)
    if early > max(one.updated_at, one.told_at or NOW):
        assert needs_telling(one, early) is None
        assert not quiet(one, early)


def test_a_group_closes_when_it_has_been_quiet_for_an_interval() -> None:
    over = told(group(firing=0), at(1))
    assert close(over, at(4.9)) == over
    assert close(over, at(5)).closed_at == at(5)


@pytest.mark.parametrize(
    "fields",
    [{}, {"firing": 0, "told_at": NOW, "told_firing": 1, "ended": 1}, {"firing": 0, "closed_at": NOW}],
)
def test_a_group_with_something_left_to_do_or_closed_does_not_close(fields: dict[str, object]) -> None:
    one = group(**fields)
    assert close(one, at(600)) == one


def test_flapping_within_the_interval_stays_one_episode_and_two_words() -> None:
    one: Group | None = None
    before: Alert | None = None
    reasons: list[Reason | None] = []
    for minute in range(10):
        after = alert() if minute % 2 == 0 else ended(alert())
        one = join(one, before, after, at(minute))
        assert one is not None
        reasons.append(needs_telling(one, at(minute)))
        if reasons[-1]:
            one = told(one, at(minute))
        before = after
    assert [reason for reason in reasons if reason] == [Reason.FIRST, Reason.ALL_RESOLVED]
    assert reasons[5] is Reason.ALL_RESOLVED
    assert one.opened_at == NOW
