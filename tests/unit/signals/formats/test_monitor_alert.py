"""What our monitors write into the inbox comes back whole, and nothing else is taken for it (DET-8)."""

from __future__ import annotations

import datetime as dt
import json

import msgspec
import pytest

from tocsin.kernel import canonical
from tocsin.kernel.clock import UTC
from tocsin.kernel.errors import Malformed, TooLarge
from tocsin.signals.formats.monitor_alert import MonitorAlert, decode, encode, parse, report

NOW = dt.datetime(2026, 11, 22, 11, 0, 10, tzinfo=UTC)
AT = NOW - dt.timedelta(seconds=2)
SINCE = NOW - dt.timedelta(minutes=10)
GAP = MonitorAlert(
    monitor="loan-approval-fairness",
    system="loan-approval",
    category="bias",
    dimension="fairness",
    title="Approval gap between groups",
    state="firing",
    at=AT,
    since=SINCE,
    reading="The gap grew by at least 0.21 since the reference; 0.10 is tolerated.",
    figures={"gap": "0.48", "gap.reference": "0.22", "change.lower": "0.21"},
    facts={"harm.systematic_group": True, "fairness.gap_change": "0.26"},
    threshold="0.10",
    unit="ratio",
    why="A good model differs by 0.25 to 0.35, so the change counts, not the gap.",
    model_version="2",
    evidence=("profile:loan-approval/2026-11-22T10:50:00Z",),
)


def test_a_monitors_alert_comes_back_from_its_canonical_bytes() -> None:
    body = encode(GAP)
    assert decode(body) == GAP
    assert canonical.encode(json.loads(body)) == body


def test_it_becomes_a_report_with_facts_and_without_a_time_out() -> None:
    alert = parse(encode(GAP), NOW)
    assert alert.labels == {
        "alertname": "loan-approval-fairness",
        "system": "loan-approval",
        "category": "bias",
        "dimension": "fairness",
    }
    assert alert.annotations == {
        "summary": "The gap grew by at least 0.21 since the reference; 0.10 is tolerated.",
        "threshold": "0.10 ratio",
        "why": "A good model differs by 0.25 to 0.35, so the change counts, not the gap.",
        "model_version": "2",
        "figure.gap": "0.48",
        "figure.gap.reference": "0.22",
        "figure.change.lower": "0.21",
    }
    assert alert.facts == {"harm.systematic_group": True, "fairness.gap_change": "0.26"}
    assert (alert.source, alert.title, alert.evidence) == ("monitor", GAP.title, GAP.evidence)
    assert (alert.starts_at, alert.starts_given, alert.ends_at, alert.resolved) == (SINCE, True, None, False)


def test_its_end_is_an_explicit_end_and_asserts_no_facts() -> None:
    alert = report(msgspec.structs.replace(GAP, state="ended"), NOW)
    assert (alert.resolved, alert.ends_at, alert.timeout, alert.facts) == (True, AT, False, {})


def test_the_segment_is_part_of_the_identity_and_the_model_version_is_not() -> None:
    segment = msgspec.structs.replace(GAP, segment="region=north")
    version = msgspec.structs.replace(GAP, model_version="1")
    assert report(segment, NOW).labels == report(GAP, NOW).labels | {"segment": "region=north"}
    assert report(version, NOW).labels == report(GAP, NOW).labels


def test_without_a_start_it_starts_when_the_monitor_decided() -> None:
    alert = report(msgspec.structs.replace(GAP, since=None), NOW)
    assert (alert.starts_at, alert.starts_given) == (AT, False)


@pytest.mark.parametrize(
    "change",
    [
        {"state": "perhaps"},
        {"at": "yesterday"},
        {"at": "2026-11-22T11:00:08"},
        {"since": "2026-11-22T11:00:08"},
        {"at": "0001-01-01T00:00:00+14:00"},
        {"monitor": ""},
        {"monitor": None},
        {"facts": {"share": 0.25}},
        {"figures": {"gap": 0.25}},
        {"surprise": 1},
    ],
)
def test_anything_else_is_a_named_error(change: dict[str, object]) -> None:
    body = json.dumps(json.loads(encode(GAP)) | change).encode()
    with pytest.raises(Malformed):
        parse(body, NOW)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"monitor":"\xff"}', b"[" * 100_000, b'{"figures":' + b"[" * 5000]
)
def test_what_is_no_object_is_a_named_error(body: bytes) -> None:
    with pytest.raises(Malformed):
        parse(body, NOW)


def test_a_nul_character_is_refused() -> None:
    with pytest.raises(Malformed, match="NUL"):
        parse(encode(GAP).replace(b"Approval gap", b"Approval\\u0000gap"), NOW)


def test_a_body_over_the_limit_is_refused() -> None:
    with pytest.raises(TooLarge):
        parse(b" " * (256 * 1024 + 1), NOW)
