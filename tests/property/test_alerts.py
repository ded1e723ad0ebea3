"""However reports come in, alerts and groups keep their promises: nothing is lost, nobody is told too often (COR-1, COR-7)."""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import dataclass, field

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tocsin.alerts.alert import Alert, Change, Placement, expire, expired, fingerprint, merge
from tocsin.alerts.grouping import Group, Reason, Timing, close, join, needs_telling, next_look, quiet, told
from tocsin.alerts.routing import decide
from tocsin.catalog.declare_policy import DeclarePolicy, DeclareRule
from tocsin.kernel.clock import UTC
from tocsin.kernel.predicate import FactType, Predicate, Vocabulary
from tocsin.signals.reported import ReportedAlert

NOW = dt.datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
TIMING = Timing()
SECOND = dt.timedelta(seconds=1)
severities = st.sampled_from([0, 1, 2, 3, None])


@dataclass
class World:
    """Alerts by fingerprint in one group, driven the way the engine drives them."""

    now: dt.datetime = NOW
    alerts: dict[str, Alert] = field(default_factory=dict)
    group: Group | None = None
    words: list[tuple[dt.datetime, Reason]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)

    def receive(self, reported: ReportedAlert, severity: int | None) -> None:
        key = fingerprint(reported)
        placement = msgspec.convert({"system": "loan", "category": "bias", "severity": severity}, Placement)
        before = self.alerts.get(key)
        after, change = merge(before, reported, self.now, placement)
        self.changes.append(change)
        if after is not None:
            self.put(before, after)

    def put(self, before: Alert | None, after: Alert) -> None:
        self.alerts[after.fingerprint] = after
        self.group = join(self.group, before, after, self.now)
        self.look()

    def pass_time(self, length: dt.timedelta) -> None:
        """Let time pass, expiring and telling at the moments that were announced."""
        end = self.now + length
        while True:
            due = [
                alert.ends_at for alert in self.alerts.values() if alert.firing and alert.ends_at is not None
            ]
            look = next_look(self.group) if self.group is not None else None
            moment = min([*due, *([look] if look else [])], default=end)
            if moment >= end:
                break
            self.now = max(self.now, moment)
            for alert in list(self.alerts.values()):
                if expired(alert, self.now):
                    self.put(alert, expire(alert, self.now)[0])
            self.look()
        self.now = end
        self.look()

    def look(self) -> None:
        if self.group is None:
            return
        reason = needs_telling(self.group, self.now)
        if reason is not None:
            self.words.append((self.now, reason))
            self.group = told(self.group, self.now)
        self.group = close(self.group, self.now)


@st.composite
def reports(draw: st.DrawFn, now: dt.datetime) -> ReportedAlert:
    name = draw(st.sampled_from("abc"))
    kind = draw(
        st.sampled_from(["fires", "fires since", "fires until", "ended", "key fires", "key ended", "seen"])
    )
    ago = dt.timedelta(minutes=draw(st.integers(0, 30)))
    said = ReportedAlert(source="alertmanager", labels={"alertname": name}, starts_at=now, title=name)
    change: dict[str, object] = {
        "fires": {"ends_at": now + 5 * 60 * SECOND, "timeout": True},
        "fires since": {"starts_at": now - ago, "starts_given": True, "ends_at": now + 4 * 60 * SECOND},
        "fires until": {"ends_at": now + ago + SECOND},
        "ended": {"starts_at": now - ago, "starts_given": True, "ends_at": now - ago / 2, "resolved": True},
        "key fires": {"dedup": name},
        "key ended": {"dedup": name, "ends_at": now, "resolved": True},
        "seen": {"dedup": name, "acknowledged": True},
    }[kind]  # type: ignore[assignment]
    return msgspec.structs.replace(said, **change)


@given(st.data())
def test_a_life_of_reports_keeps_every_promise(data: st.DataObject) -> None:
    world = World()
    for _ in range(data.draw(st.integers(1, 25))):
        world.receive(data.draw(reports(world.now)), data.draw(severities))
        check(world)
        world.pass_time(dt.timedelta(seconds=data.draw(st.sampled_from([0, 1, 30, 240, 301, 3600, 20_000]))))
        check(world)
    assert_no_nagging(world.words)


def check(world: World) -> None:
    firing = [alert for alert in world.alerts.values() if alert.firing]
    assert (world.group.firing if world.group else 0) == len(firing)
    for alert in world.alerts.values():
        assert alert.ends_at is None or alert.firing or alert.ends_at <= world.now
        assert alert.first_seen <= alert.last_seen <= world.now
        assert alert.starts_at <= (alert.ends_at or dt.datetime.max.replace(tzinfo=UTC))
    if firing:
        assert world.group is not None
        assert world.group.open
        assert world.words, "something fires and nobody was ever told"
    if world.group is not None and world.group.open:
        look = next_look(world.group)
        assert look is not None
        # nothing is left undone: the next look lies ahead, and something is to be done then
        assert look > world.now
        assert needs_telling(world.group, look) is not None or quiet(world.group, look)


def assert_no_nagging(words: list[tuple[dt.datetime, Reason]]) -> None:
    """Between two words lies an interval, unless the later one says worse or belongs to a new group."""
    for (earlier, _), (later, reason) in itertools.pairwise(words):
        if reason not in (Reason.WORSE, Reason.FIRST):
            assert later - earlier >= TIMING.interval


@given(st.data())
def test_saying_the_same_twice_changes_nothing_that_people_see(data: st.DataObject) -> None:
    world = World()
    for _ in range(data.draw(st.integers(1, 10))):
        said, severity = data.draw(reports(world.now)), data.draw(severities)
        world.receive(said, severity)
        words = len(world.words)
        statuses = {key: alert.status for key, alert in world.alerts.items()}
        world.receive(said, severity)
        assert len(world.words) == words
        assert {key: alert.status for key, alert in world.alerts.items()} == statuses
        quiet_changes = (Change.REPEATED, Change.STALE, Change.DROPPED, Change.ENDED_UNSEEN)
        assert world.changes[-1] in quiet_changes
        world.pass_time(dt.timedelta(minutes=data.draw(st.integers(0, 20))))


rules = st.builds(
    DeclareRule,
    id=st.just("r"),
    when=st.builds(
        Predicate,
        fact=st.just("alert.rank"),
        op=st.sampled_from(["==", "<=", ">="]),
        value=st.integers(0, 3),
    ),
    declare=st.booleans(),
    why=st.just("Because."),
    severity=severities,
    review=st.sampled_from(["", "daily", "weekly"]),
)


@given(st.lists(rules, max_size=4), severities)
def test_no_policy_can_put_a_severe_alert_into_a_digest(
    declared: list[DeclareRule], severity: int | None
) -> None:
    alert = msgspec.convert(
        {"fingerprint": "f", "source": "s", "labels": {"a": "b"}, "status": "firing", "starts_at": NOW,
         "first_seen": NOW, "last_seen": NOW, "severity": severity},
        Alert,
    )  # fmt: skip
    vocabulary = Vocabulary({"alert.rank": FactType(kind="number", text="Rank")})
    routing = decide(alert, DeclarePolicy(id="p", title="p", rules=tuple(declared)), vocabulary)
    assert routing.why
    if severity in (0, 1) or routing.declare:
        assert routing.digest is None
        assert routing.to in ("commander", "on_call")
    assert (routing.digest is not None) is (routing.to == "owner")
    assert routing.whole_team is (routing.declare and routing.severity == 0)
