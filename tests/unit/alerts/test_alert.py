"""The reports of one condition become one alert, whatever order they come in (COR-1)."""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools

import msgspec
import pytest

from tocsin.alerts.alert import Alert, Change, Placement, acknowledge, expire, expired, fingerprint, merge
from tocsin.kernel.clock import UTC
from tocsin.signals.reported import ReportedAlert

NOW = dt.datetime(2026, 11, 22, 11, 0, tzinfo=UTC)


def at(minutes: float) -> dt.datetime:
    return NOW + dt.timedelta(minutes=minutes)


def report(**fields: object) -> ReportedAlert:
    """A report from Alertmanager that fires without saying since when, unless fields say otherwise."""
    given = {"source": "alertmanager", "labels": {"alertname": "Drift"}, "starts_at": NOW, "title": "Drift"}
    return msgspec.convert(given | fields, ReportedAlert)


def alert(**fields: object) -> Alert:
    """An alert that has fired for twenty minutes and times out in two, unless fields say otherwise."""
    given = {
        "fingerprint": fingerprint(report()),
        "source": "alertmanager",
        "labels": {"alertname": "Drift"},
        "title": "Drift",
        "status": "firing",
        "starts_at": at(-20),
        "ends_at": at(2),
        "timeout": True,
        "first_seen": at(-19),
        "last_seen": at(-3),
        "count": 4,
    }
    return msgspec.convert(given | fields, Alert)


# --- every state x every report ------------------------------------------------------------------

STATES: dict[str, Alert | None] = {
    "none": None,
    "firing, times out later": alert(),
    "firing, ends later": alert(timeout=False),
    "firing, no end": alert(ends_at=None, timeout=False),
    "firing, overdue": alert(ends_at=at(-1)),
    "resolved": alert(status="resolved", ends_at=at(-10), timeout=False),
    "expired": alert(status="expired", ends_at=at(-10)),
}
REPORTS: dict[str, ReportedAlert] = {
    "fires": report(ends_at=at(5), timeout=True),
    "fires, same start": report(starts_at=at(-20), starts_given=True, ends_at=at(5), timeout=True),
    "fires, began just now": report(starts_at=at(-0.5), starts_given=True, ends_at=at(4)),
    "fires, no end": report(),
    "ended": report(ends_at=NOW, resolved=True),
    "ended, same start": report(starts_at=at(-20), starts_given=True, ends_at=at(-5), resolved=True),
    "ended long ago": report(starts_at=at(-60), starts_given=True, ends_at=at(-40), resolved=True),
    "ended, began just now": report(starts_at=at(-0.5), starts_given=True, ends_at=at(-0.1), resolved=True),
    "seen": report(acknowledged=True),
}

T = Change
TABLE: dict[str, tuple[Change, ...]] = {
    #                                none            times out    ends later   no end       overdue      resolved        expired
    "fires":                        (T.OPENED,       T.REPEATED,  T.REPEATED,  T.REPEATED,  T.REFIRED,   T.REFIRED,      T.REFIRED),
    "fires, same start":            (T.OPENED,       T.REPEATED,  T.REPEATED,  T.REPEATED,  T.REPEATED,  T.REOPENED,     T.REOPENED),
    "fires, began just now":        (T.OPENED,       T.REPEATED,  T.REPEATED,  T.REPEATED,  T.REFIRED,   T.REFIRED,      T.REFIRED),
    "fires, no end":                (T.OPENED,       T.REPEATED,  T.REPEATED,  T.REPEATED,  T.REFIRED,   T.REFIRED,      T.REFIRED),
    "ended":                        (T.ENDED_UNSEEN, T.RESOLVED,  T.RESOLVED,  T.RESOLVED,  T.RESOLVED,  T.REPEATED,     T.UPDATED),
    "ended, same start":            (T.ENDED_UNSEEN, T.RESOLVED,  T.RESOLVED,  T.RESOLVED,  T.RESOLVED,  T.REPEATED,     T.UPDATED),
    "ended long ago":               (T.ENDED_UNSEEN, T.STALE,     T.STALE,     T.STALE,     T.STALE,     T.REPEATED,     T.UPDATED),
    "ended, began just now":        (T.ENDED_UNSEEN, T.RESOLVED,  T.RESOLVED,  T.RESOLVED,  T.RESOLVED,  T.ENDED_UNSEEN, T.ENDED_UNSEEN),
    "seen":                         (T.DROPPED,      T.ACKNOWLEDGED, T.ACKNOWLEDGED, T.ACKNOWLEDGED, T.ACKNOWLEDGED, T.DROPPED, T.DROPPED),
}  # fmt: skip


def test_the_table_covers_every_cell() -> None:
    assert set(TABLE) == set(REPORTS)
    assert {len(row) for row in TABLE.values()} == {len(STATES)}


@pytest.mark.parametrize(("state", "said"), list(itertools.product(STATES, REPORTS)))
def test_every_state_meets_every_report(state: str, said: str) -> None:
    before = STATES[state]
    after, change = merge(before, REPORTS[said], NOW)
    assert change is TABLE[said][list(STATES).index(state)]
    if change in (Change.DROPPED, Change.STALE):
        assert after == before
        return
    assert after is not None
    fires = not REPORTS[said].resolved
    assert after.status == ("firing" if fires else "resolved")
    assert after.fingerprint == fingerprint(report())
    assert after.episode == (2 if before and change in (Change.REFIRED, Change.ENDED_UNSEEN) else 1)
    assert change.starts_firing is (
        after.firing and change in (Change.OPENED, Change.REFIRED, Change.REOPENED)
    )
    assert change.stops_firing is (change is Change.RESOLVED)
    if change is Change.ACKNOWLEDGED:
        assert (after.acknowledged_by, after.acknowledged_at) == ("alertmanager", NOW)


# --- times ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("had", "said", "expected"),
    [
        # (ends_at, timeout) of the alert, of the report, and afterwards
        ((2, True), (5, True), (5, True)),
        ((2, True), (1, False), (1, False)),
        ((9, True), (5, True), (5, True)),
        ((9, False), (5, True), (9, False)),
        ((5, False), (5, True), (5, True)),
        ((9, False), (5, False), (9, False)),
        ((9, False), (12, False), (12, False)),
        ((9, False), (12, True), (12, True)),
        ((None, False), (5, True), (None, False)),
        ((5, True), (None, False), (None, False)),
    ],
)
def test_an_explicit_end_beats_a_time_out_when_it_is_the_later_one(
    had: tuple[float | None, bool], said: tuple[float | None, bool], expected: tuple[float | None, bool]
) -> None:
    def moment(minutes: float | None) -> dt.datetime | None:
        return None if minutes is None else at(minutes)

    before = alert(ends_at=moment(had[0]), timeout=had[1])
    after, _ = merge(before, report(ends_at=moment(said[0]), timeout=said[1]), NOW)
    assert after is not None
    assert (after.ends_at, after.timeout) == (moment(expected[0]), expected[1])


@pytest.mark.parametrize(("had", "said", "expected"), [(-20, -25, -25), (-20, -1, -20), (-20, -20, -20)])
def test_the_earliest_start_counts(had: float, said: float, expected: float) -> None:
    after, _ = merge(
        alert(starts_at=at(had)), report(starts_at=at(said), starts_given=True, ends_at=at(5)), NOW
    )
    assert after is not None
    assert after.starts_at == at(expected)


def test_the_later_of_two_explicit_ends_counts() -> None:
    before = alert(status="resolved", ends_at=at(-10), timeout=False)
    for said, expected in ((-12, -10), (-5, -5)):
        after, _ = merge(
            before, report(starts_at=at(-20), starts_given=True, ends_at=at(said), resolved=True), NOW
        )
        assert after is not None
        assert after.ends_at == at(expected)


def test_a_second_resolve_by_dedup_key_is_dropped_as_pagerduty_does() -> None:
    before = alert(status="resolved", ends_at=at(-10), timeout=False)
    said = report(dedup="one/k", ends_at=NOW, resolved=True)
    assert merge(before, said, NOW) == (before, Change.DROPPED)


def test_an_explicit_end_beats_the_time_out_of_an_expired_alert_even_when_earlier() -> None:
    before = alert(status="expired", ends_at=at(-1))
    after, _ = merge(before, report(starts_at=at(-20), starts_given=True, ends_at=at(-9), resolved=True), NOW)
    assert after is not None
    assert (after.ends_at, after.status) == (at(-9), "resolved")


def test_a_sender_without_a_start_whose_clock_is_behind_still_resolves() -> None:
    young = alert(starts_at=at(-0.1))
    after, change = merge(young, report(starts_at=at(-1), ends_at=at(-1), resolved=True), NOW)
    assert change is Change.RESOLVED
    assert after is not None
    assert after.ends_at is not None
    assert after.ends_at >= after.starts_at


def test_a_start_in_the_future_is_not_when_it_began() -> None:
    opened, _ = merge(None, report(starts_at=at(600), ends_at=at(600)), NOW)
    assert opened is not None
    assert (opened.starts_at, opened.began_at) == (at(600), NOW)
    assert alert().began_at == at(-20)


# --- what is kept, what is the last word ------------------------------------------------------------


def test_annotations_title_severity_and_facts_are_the_last_word() -> None:
    said = report(
        title="Drift grew", annotations={"summary": "0.4"}, facts={"accuracy_drop": "16"}, ends_at=at(5)
    )
    after, change = merge(alert(annotations={"summary": "0.2", "x": "y"}), said, NOW, Placement(severity=1))
    assert change is Change.UPDATED
    assert after is not None
    assert (after.title, after.annotations, after.severity) == ("Drift grew", {"summary": "0.4"}, 1)
    assert after.facts == {"accuracy_drop": "16"}


@pytest.mark.parametrize(
    "field", [{"annotations": {"a": "b"}}, {"title": "Other"}, {"facts": {"accuracy_drop": "16"}}]
)
def test_a_changed_word_is_an_update_and_the_same_word_a_repeat(field: dict[str, object]) -> None:
    said = report(ends_at=at(5), timeout=True)
    changed = msgspec.structs.replace(said, **field)
    first, _ = merge(alert(), changed, NOW)
    assert merge(alert(), changed, NOW)[1] is Change.UPDATED
    assert merge(first, changed, NOW)[1] is Change.REPEATED
    assert merge(alert(), said, NOW, Placement(severity=0))[1] is Change.UPDATED


def test_what_an_alert_is_about_stays_while_it_fires_so_that_its_group_stays() -> None:
    first, _ = merge(None, report(dedup="k"), NOW, Placement(system="loan", category="bias"))
    later = report(dedup="k", labels={"alertname": "Other"}, title="Other")
    second, change = merge(first, later, at(1), Placement(system="other", category="drift"))
    assert second is not None
    assert (second.labels, second.system, second.category) == ({"alertname": "Drift"}, "loan", "bias")
    assert (second.title, change) == ("Other", Change.UPDATED)


def test_a_new_episode_starts_afresh() -> None:
    before = alert(
        status="resolved", ends_at=at(-10), acknowledged_by="ana", acknowledged_at=at(-15), system="old",
        facts={"accuracy_drop": "16"},
    )  # fmt: skip
    after, change = merge(
        before, report(starts_at=at(-1), starts_given=True, ends_at=at(4)), NOW, Placement(system="loan")
    )
    assert change is Change.REFIRED
    assert after is not None
    assert (after.episode, after.count, after.first_seen, after.starts_at) == (2, 1, NOW, at(-1))
    assert (after.acknowledged_by, after.acknowledged_at, after.facts, after.system) == (
        None,
        None,
        {},
        "loan",
    )


def test_a_reopened_episode_remembers_who_has_seen_it() -> None:
    before = alert(status="expired", ends_at=at(-10), acknowledged_by="ana", acknowledged_at=at(-15))
    after, change = merge(before, REPORTS["fires, same start"], NOW)
    assert change is Change.REOPENED
    assert after is not None
    assert (after.episode, after.count, after.acknowledged_by, after.ends_at) == (1, 5, "ana", at(5))


def test_reports_are_counted() -> None:
    after: Alert | None = None
    for minute in range(4):
        after, _ = merge(after, report(ends_at=at(minute + 5), timeout=True), at(minute))
    assert after is not None
    assert (after.count, after.first_seen, after.last_seen) == (4, NOW, at(3))
    unseen, _ = merge(None, REPORTS["ended"], NOW)
    assert unseen is not None
    assert unseen.count == 0


def test_acknowledging_twice_keeps_the_first_name() -> None:
    once, change = acknowledge(alert(), "ana", NOW)
    assert change is Change.ACKNOWLEDGED
    assert acknowledge(once, "ben", at(1)) == (once, Change.REPEATED)


def test_a_trigger_after_an_acknowledgement_leaves_it_acknowledged() -> None:
    seen, _ = merge(alert(), REPORTS["seen"], NOW)
    after, change = merge(seen, report(ends_at=at(5), timeout=True), NOW)
    assert after is not None
    assert (after.acknowledged_by, change) == ("alertmanager", Change.REPEATED)


# --- expiry --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "is_expired"),
    [
        ({"ends_at": at(2)}, False),
        ({"ends_at": NOW}, True),
        ({"ends_at": at(-1)}, True),
        ({"ends_at": None}, False),
        ({"ends_at": at(-1), "status": "resolved"}, False),
        ({"ends_at": at(-1), "status": "expired"}, False),
    ],
)
def test_an_alert_expires_once_when_its_end_has_passed(fields: dict[str, object], is_expired: bool) -> None:
    one = alert(**fields)
    assert expired(one, NOW) is is_expired
    after, change = expire(one, NOW)
    if is_expired:
        assert (after.status, change, change.stops_firing) == ("expired", Change.EXPIRED, True)
    else:
        assert (after, change) == (one, Change.REPEATED)
    assert expire(after, NOW) == (after, Change.REPEATED)


# --- identity ------------------------------------------------------------------------------------


def test_equal_label_sets_are_one_alert_from_whichever_format() -> None:
    one = report(labels={"a": "1", "b": "2"})
    other = report(labels={"b": "2", "a": "1"}, source="grafana", title="x", annotations={"c": "d"})
    assert fingerprint(one) == fingerprint(other)


def test_identity_is_stable_for_years() -> None:
    labels = {"severity": "critical", "alertname": "Größe", "quote": '"\\\n'}
    text = '{"alertname":"Größe","quote":"\\"\\\\\\n","severity":"critical"}'
    assert fingerprint(report(labels=labels)) == hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    assert fingerprint(report()) == "baba2630e7e00173863213e6af1d6229"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"labels": {"a": "b"}}, {"labels": {"a": "c"}}),
        ({"labels": {"a": "b"}}, {"labels": {"b": "a"}}),
        ({"labels": {"a": "b,c"}}, {"labels": {"a": "b", "c": ""}}),
        ({"labels": {"a": "b"}}, {"labels": {"a": "b", "c": "d"}}),
        ({"dedup": "x/k"}, {"dedup": "y/k"}),
        ({"dedup": "x/k"}, {}),
        ({"dedup": "k", "source": "pagerduty"}, {"dedup": "k", "source": "opsgenie"}),
    ],
)
def test_different_conditions_are_different_alerts(one: dict[str, object], other: dict[str, object]) -> None:
    assert fingerprint(report(**one)) != fingerprint(report(**other))


def test_an_alert_survives_its_row() -> None:
    one = alert(facts={"accuracy_drop": "16", "x": True, "n": 3}, evidence=("profile:1",), severity=0)
    assert msgspec.json.decode(msgspec.json.encode(one), type=Alert) == one


# --- edges ---------------------------------------------------------------------------------------


def test_a_start_exactly_at_the_end_belongs_to_the_episode() -> None:
    before = alert(status="expired", ends_at=at(-10))
    fires = report(starts_at=at(-10), starts_given=True, ends_at=at(5))
    over = report(starts_at=at(-10), starts_given=True, ends_at=at(-8), resolved=True)
    assert merge(before, fires, NOW)[1] is Change.REOPENED
    assert merge(before, over, NOW)[1] is Change.UPDATED


def test_an_end_exactly_at_the_start_is_no_word_about_an_earlier_episode() -> None:
    said = report(starts_at=at(-30), starts_given=True, ends_at=at(-20), resolved=True)
    after, change = merge(alert(), said, NOW)
    assert change is Change.RESOLVED
    assert after is not None
    assert (after.starts_at, after.ends_at, after.timeout) == (at(-30), at(-20), False)


def test_an_end_before_the_known_start_does_not_end_it_before_it_began() -> None:
    after, _ = merge(alert(starts_at=at(-1)), report(starts_at=at(-5), ends_at=at(-5), resolved=True), NOW)
    assert after is not None
    assert (after.starts_at, after.ends_at) == (at(-5), at(-5))
    after, _ = merge(alert(starts_at=at(5)), report(starts_at=at(9), ends_at=at(-5), resolved=True), NOW)
    assert after is not None
    assert (after.starts_at, after.ends_at) == (at(5), at(5))


def test_what_a_report_leaves_out_is_kept() -> None:
    full = {
        "sender_severity": "warning",
        "generator_url": "http://x/",
        "evidence": ("profile:1",),
        "facts": {"x": True},
    }
    before = alert(**full)
    kept, _ = merge(before, report(title="", ends_at=at(5)), NOW)
    assert kept is not None
    assert {name: getattr(kept, name) for name in full} == full
    assert kept.title == "Drift"
    new = {
        "sender_severity": "critical",
        "generator_url": "http://y/",
        "evidence": ("profile:2",),
        "facts": {"y": 1},
    }
    changed, _ = merge(before, report(ends_at=at(5), **new), NOW)
    assert changed is not None
    assert {name: getattr(changed, name) for name in new} == new


def test_the_last_words_of_a_resolve_are_kept_when_it_has_any() -> None:
    before = alert(annotations={"summary": "0.4"})
    silent, _ = merge(before, report(ends_at=NOW, resolved=True), NOW)
    speaking, _ = merge(before, report(ends_at=NOW, resolved=True, annotations={"summary": "over"}), NOW)
    assert silent is not None
    assert speaking is not None
    assert (silent.annotations, speaking.annotations) == ({"summary": "0.4"}, {"summary": "over"})


def test_an_alert_first_known_by_a_bare_resolve_gets_its_name_later() -> None:
    bare = report(source="pagerduty", dedup="one/k", labels={}, title="", ends_at=NOW, resolved=True)
    first, change = merge(None, bare, NOW)
    assert change is Change.ENDED_UNSEEN
    assert first is not None
    assert (first.title, first.labels) == ("one/k", {})
    again, change = merge(first, report(source="pagerduty", dedup="one/k"), at(1))
    assert change is Change.REFIRED
    assert again is not None
    assert (again.title, again.labels, again.episode) == ("Drift", {"alertname": "Drift"}, 2)
    over = msgspec.structs.replace(again, status="resolved", ends_at=at(2))
    nameless, _ = merge(over, report(source="pagerduty", dedup="one/k", labels={}, title=""), at(3))
    assert nameless is not None
    assert (nameless.title, nameless.labels) == ("Drift", {"alertname": "Drift"})


def test_placements_and_alerts_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Placement().system = "x"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        alert().title = "x"  # type: ignore[misc]
