"""Whatever a stranger sends, it is either read or refused by name; nothing else ever comes out of a parser (SIG-1)."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tocsin.kernel.clock import UTC
from tocsin.kernel.errors import TocsinError
from tocsin.signals.formats import alertmanager, monitor_alert, pagerduty
from tocsin.signals.reported import Batch, ReportedAlert

NOW = dt.datetime(2026, 11, 22, 11, 0, 10, tzinfo=UTC)
RECORDED = Path(__file__).parents[1] / "data" / "payloads" / "recorded"


def recorded(*names: str) -> list[bytes]:
    return [json.dumps(json.loads((RECORDED / name).read_text())["body"]).encode() for name in names]


ALERTS = recorded("prometheus-2.42-post-alerts.json", "amtool-0.25-post-alerts.json")
EVENTS = recorded("pagerduty-7.2-001.json", "pagerduty-7.2-002.json", "pdpyras-5.4-005.json")
MONITORS = [
    monitor_alert.encode(
        monitor_alert.MonitorAlert(
            monitor="m",
            system="s",
            category="c",
            dimension="d",
            title="t",
            state="firing",
            at=NOW,
            since=NOW,
            reading="r",
            figures={"gap": "0.48"},
            facts={"harm.systematic_group": True},
        )
    )
]

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
    | st.sampled_from(["", "trigger", "resolve", "2026-11-22T10:00:00Z", "0001-01-01T00:00:00+14:00", "::"])
)  # fmt: skip
names = st.text(max_size=4) | st.sampled_from(
    ["labels", "annotations", "startsAt", "endsAt", "generatorURL", "alertname", "event_action", "dedup_key",
     "payload", "summary", "source", "severity", "custom_details", "timestamp", "monitor", "state", "at", "facts"]
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=6),
    max_leaves=20,
)


@st.composite
def mangled(draw: st.DrawFn, bodies: list[bytes]) -> bytes:
    """A real body with a few bytes changed, removed or doubled."""
    data = bytearray(draw(st.sampled_from(bodies)))
    for _ in range(draw(st.integers(1, 4))):
        if not data:
            break
        at = draw(st.integers(0, len(data) - 1))
        match draw(st.integers(0, 3)):
            case 0:
                data[at] = draw(st.integers(0, 255))
            case 1:
                del data[at : at + draw(st.integers(1, 20))]
            case 2:
                data[at:at] = data[at : at + draw(st.integers(1, 20))]
            case _:
                data[at:at] = draw(
                    st.sampled_from([b"\\u0000", b"\\ud800", b"\xff", b"null", b"[", b"{", b'"', b"1e9"])
                )
    return bytes(data)


@st.composite
def swapped(draw: st.DrawFn, bodies: list[bytes]) -> bytes:
    """A real body in which one value, anywhere, is another."""
    document = json.loads(draw(st.sampled_from(bodies)))
    holder, key = draw(st.sampled_from(list(places(document))))
    holder[key] = draw(values)
    return json.dumps(document).encode()


def places(value: object) -> list[tuple[dict[object, object] | list[object], object]]:
    keys = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found: list[tuple[dict[object, object] | list[object], object]] = []
    for key, inner in keys:
        found += [(value, key), *places(inner)]
    return found


def bodies(real: list[bytes]) -> st.SearchStrategy[bytes]:
    return st.one_of(
        mangled(real),
        swapped(real),
        values.map(lambda value: json.dumps(value).encode()),
        st.binary(max_size=60),
    )


def read_or_refused(read: Callable[[], object], refusal: Callable[[TocsinError], object]) -> object | None:
    """Return what was read, or None after a named error whose answer can be written."""
    try:
        return read()
    except TocsinError as error:
        refused = error
    assert refused.why
    refusal(refused)
    return None


def check(alert: ReportedAlert) -> None:
    """Every report keeps what the rest of the program relies on, and can be stored as it is."""
    assert alert.starts_at.tzinfo is UTC
    assert alert.ends_at is None or alert.ends_at.tzinfo is UTC
    assert all(alert.labels.values())
    assert "" not in alert.labels
    texts = [alert.title, alert.dedup, alert.generator_url, *alert.labels, *alert.labels.values()]
    assert not any("\0" in text for text in texts + list(alert.annotations.values()))
    assert msgspec.json.decode(msgspec.json.encode(alert), type=ReportedAlert) == alert


@given(bodies(ALERTS))
def test_a_body_of_alerts_is_read_or_refused_by_name(body: bytes) -> None:
    batch = read_or_refused(lambda: alertmanager.parse(body, NOW), alertmanager.refusal)
    if isinstance(batch, Batch):
        for alert in batch.alerts:
            check(alert)
            assert alert.labels
            assert alert.ends_at is not None
            assert alert.ends_at >= alert.starts_at
        assert all(verdict.reason for verdict in batch.refused)
        assert (alertmanager.reply_to(batch).status == 200) is (not batch.refused)
        assert alertmanager.parse(body, NOW) == batch  # a stored body reads the same again


@given(st.lists(swapped(ALERTS).map(json.loads), min_size=1, max_size=4))
def test_every_item_of_a_batch_is_either_kept_or_has_a_verdict(batches: list[object]) -> None:
    items = [item for batch in batches for item in (batch if isinstance(batch, list) else [batch])]
    good = {"labels": {"alertname": "a good one"}}
    batch = alertmanager.parse(json.dumps([*items, good]).encode(), NOW)
    assert batch.size == len(items) + 1
    assert batch.alerts[-1].labels == good["labels"]
    places = [verdict.index for verdict in batch.refused]
    assert places == sorted(set(places))


@given(bodies(EVENTS), st.binary(min_size=10, max_size=10))
def test_an_event_is_read_or_refused_by_name(body: bytes, chance: bytes) -> None:
    event = read_or_refused(lambda: pagerduty.parse(body, NOW, chance=chance), pagerduty.refusal)
    if isinstance(event, pagerduty.Event):
        check(event.report)
        assert 0 < len(event.dedup_key) <= pagerduty.MAX_DEDUP_KEY
        assert pagerduty.reply_to(event).status == 202


@given(bodies(MONITORS))
def test_a_monitors_alert_is_read_or_refused_by_name(body: bytes) -> None:
    alert = read_or_refused(lambda: monitor_alert.parse(body, NOW), str)
    if isinstance(alert, ReportedAlert):
        check(alert)


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8), min_size=1, max_size=6))
def test_quick_and_careful_lane_read_the_same(labels: dict[str, str]) -> None:
    item = {"labels": labels, "startsAt": "2026-11-22T10:00:00Z"}
    quick = json.dumps([item]).encode()
    careful = json.dumps([item | {"startsAt": "2026-11-22 10:00:00+0000"}]).encode()
    assert alertmanager.parse(quick, NOW) == alertmanager.parse(careful, NOW)
