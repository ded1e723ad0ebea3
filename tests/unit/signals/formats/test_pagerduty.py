"""PagerDuty's Events API v2 as its clients speak it (SIG-1)."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from tocsin.kernel.clock import UTC
from tocsin.kernel.errors import TocsinError, TooLarge
from tocsin.signals.formats.pagerduty import Event, InvalidEvent, key_error, parse, refusal, reply_to
from tocsin.signals.reported import Reply

NOW = dt.datetime(2026, 11, 22, 11, 0, 10, tzinfo=UTC)
CHANCE = bytes(range(10))
DATA = Path(__file__).parents[3] / "data" / "payloads"
KEY = "R0123456789ABCDEF0123456789ABCDE"

PAYLOAD: dict[str, object] = {
    "summary": "Model accuracy below SLA",
    "source": "ml-monitor",
    "severity": "critical",
}
TRIGGER: dict[str, object] = {
    "routing_key": KEY,
    "event_action": "trigger",
    "dedup_key": "d1",
    "payload": PAYLOAD,
}


def read(event: object, scope: str = "acme") -> Event:
    return parse(json.dumps(event).encode(), NOW, chance=CHANCE, scope=scope)


def errors_of(event: object) -> tuple[str, ...]:
    with pytest.raises(InvalidEvent) as caught:
        read(event)
    return caught.value.errors


def answer(body: bytes) -> Reply:
    try:
        return reply_to(parse(body, NOW, chance=CHANCE))
    except TocsinError as error:
        return refusal(error)


def recorded(name: str) -> Any:
    return json.loads((DATA / "recorded" / name).read_text())["body"]


def with_payload(**fields: object) -> dict[str, object]:
    return TRIGGER | {"payload": PAYLOAD | fields}


def without(event: dict[str, object], *names: str) -> dict[str, object]:
    return {name: value for name, value in event.items() if name not in names}


# --- what is accepted ----------------------------------------------------------------------------


def test_a_trigger_becomes_a_report_without_an_end() -> None:
    event = read(TRIGGER)
    assert (event.routing_key, event.action, event.dedup_key) == (KEY, "trigger", "d1")
    report = event.report
    assert report.title == "Model accuracy below SLA"
    assert report.labels == {
        "alertname": "Model accuracy below SLA",
        "source": "ml-monitor",
        "severity": "critical",
    }
    assert (report.starts_at, report.starts_given, report.ends_at) == (NOW, False, None)
    assert (report.resolved, report.acknowledged, report.timeout) == (False, False, False)
    assert report.sender_severity == "critical"
    assert report.dedup == "acme/d1"


def test_the_routing_key_is_a_secret_and_never_in_the_report() -> None:
    assert KEY not in repr(read(TRIGGER).report)


def test_the_answer_is_202_with_the_dedup_key() -> None:
    reply = reply_to(read(TRIGGER))
    assert reply.status == 202
    assert json.loads(reply.body) == {"status": "success", "message": "Event processed", "dedup_key": "d1"}


def test_a_trigger_without_dedup_key_gets_one_made_from_the_chance_handed_in() -> None:
    event = read(without(TRIGGER, "dedup_key"))
    assert event.dedup_key == read(TRIGGER | {"dedup_key": None}).dedup_key
    assert len(event.dedup_key) == 36
    assert event.report.dedup == f"acme/{event.dedup_key}"
    body = json.dumps(without(TRIGGER, "dedup_key")).encode()
    assert parse(body, NOW, chance=b"0123456789").dedup_key != event.dedup_key
    later = parse(body, NOW + dt.timedelta(seconds=1), chance=CHANCE)
    assert later.dedup_key == event.dedup_key  # the stored body is read again later


@pytest.mark.parametrize(
    ("action", "resolved", "acknowledged"), [("resolve", True, False), ("acknowledge", False, True)]
)
@pytest.mark.parametrize("payload", [{}, None, [], "text", {"summary": 7}, {"severity": None}, PAYLOAD])
def test_other_actions_need_no_payload_and_may_carry_any(
    action: str, resolved: bool, acknowledged: bool, payload: object
) -> None:
    report = read({"event_action": action, "dedup_key": "d1", "payload": payload}).report
    assert (report.resolved, report.acknowledged) == (resolved, acknowledged)
    assert report.ends_at == (NOW if resolved else None)
    assert report.dedup == "acme/d1"


@pytest.mark.parametrize("word", ["SEV-1", "catastrophic", "Critical", "p0"])
def test_an_unknown_severity_is_accepted_as_it_came(word: str) -> None:
    event = read(with_payload(severity=word))
    assert reply_to(event).status == 202
    assert event.report.sender_severity == word


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2015-07-17T08:42:58.315+0000", dt.datetime(2015, 7, 17, 8, 42, 58, 315_000, tzinfo=UTC)),
        ("2015-07-17T10:42:58+02:00", dt.datetime(2015, 7, 17, 8, 42, 58, tzinfo=UTC)),
        ("2015-07-17T08:42:58Z", dt.datetime(2015, 7, 17, 8, 42, 58, tzinfo=UTC)),
    ],
)
def test_the_senders_time_is_read(text: str, moment: dt.datetime) -> None:
    report = read(with_payload(timestamp=text)).report
    assert (report.starts_at, report.starts_given) == (moment, True)


@pytest.mark.parametrize("text", ["last tuesday", "2015-99-99T00:00:00Z", ""])
def test_a_wrong_time_is_no_reason_to_lose_a_page(text: str) -> None:
    report = read(with_payload(timestamp=text)).report
    assert (report.starts_at, report.starts_given) == (NOW, False)


def test_details_become_annotations_and_what_the_alert_is_about_becomes_labels() -> None:
    details = {"model": "credit-risk", "value": 0.61, "window": {"from": 1, "to": 2}, "note": "x"}
    event = with_payload(
        custom_details=details, **{"class": "drift", "component": "scorer", "group": "loans"}
    )
    links = [{"href": "https://wiki/1", "text": "wiki"}]
    report = read(
        event | {"links": links, "client": "Monitor", "client_url": "https://mon/7", "images": None}
    ).report
    assert report.labels == {
        "alertname": "drift",
        "source": "ml-monitor",
        "severity": "critical",
        "component": "scorer",
        "group": "loans",
        "class": "drift",
        "model": "credit-risk",
    }
    assert report.annotations == {
        "summary": "Model accuracy below SLA",
        "client": "Monitor",
        "custom_details.model": "credit-risk",
        "custom_details.value": "0.61",
        "custom_details.window": '{"from": 1, "to": 2}',
        "custom_details.note": "x",
        "links": '[{"href": "https://wiki/1", "text": "wiki"}]',
    }
    assert report.generator_url == "https://mon/7"


@pytest.mark.parametrize("details", ["free text", 7, [1, 2]])
def test_details_of_any_shape_are_kept_as_text(details: object) -> None:
    text = read(with_payload(custom_details=details)).report.annotations["custom_details"]
    assert text == (details if isinstance(details, str) else json.dumps(details))


def test_a_summary_that_is_too_long_is_shortened_not_lost() -> None:
    report = read(with_payload(summary="x" * 1025)).report
    assert report.title == "x" * 1023 + "…"
    assert read(with_payload(summary="x" * 1024)).report.title == "x" * 1024


def test_a_dedup_key_may_have_255_characters() -> None:
    assert read(TRIGGER | {"dedup_key": "x" * 255}).dedup_key == "x" * 255


def test_details_keep_their_letters() -> None:
    report = read(with_payload(custom_details={"où": ["là"]})).report
    assert report.annotations["custom_details.où"] == '["là"]'


def test_the_scope_of_a_dedup_key_is_the_integration() -> None:
    assert read(TRIGGER, scope="one").report.dedup != read(TRIGGER, scope="two").report.dedup


# --- what is not ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "error"),
    [
        ([], "The body is not a JSON object"),
        ("x", "The body is not a JSON object"),
        (without(TRIGGER, "event_action"), "'event_action' is missing or blank"),
        (TRIGGER | {"event_action": None}, "'event_action' is missing or blank"),
        (TRIGGER | {"event_action": 5}, "'event_action' must be text"),
        (
            TRIGGER | {"event_action": "page"},
            "'event_action' is invalid (must be one of: 'trigger', 'acknowledge' or 'resolve')",
        ),
        (without(TRIGGER, "payload"), "'payload' is missing or blank"),
        (TRIGGER | {"payload": "x"}, "'payload' must be an object"),
        (with_payload(summary=None), "'payload.summary' is missing or blank"),
        (with_payload(summary=" "), "'payload.summary' is missing or blank"),
        (with_payload(source=""), "'payload.source' is missing or blank"),
        (with_payload(severity=None), "'payload.severity' is missing or blank"),
        (with_payload(severity=1), "'payload.severity' must be text"),
        (with_payload(component=[]), "'payload.component' must be text"),
        (TRIGGER | {"dedup_key": 5}, "'dedup_key' must be text"),
        (
            TRIGGER | {"dedup_key": "x" * 256},
            "Length of 'dedup_key' is incorrect (should be at most 255 characters)",
        ),
        ({"event_action": "resolve"}, "'dedup_key' is missing or blank"),
        ({"event_action": "acknowledge", "dedup_key": ""}, "'dedup_key' is missing or blank"),
        (TRIGGER | {"routing_key": 5}, "'routing_key' must be text"),
    ],
)
def test_an_event_that_cannot_be_used_is_answered_400_and_says_why(event: object, error: str) -> None:
    assert errors_of(event) == (error,)
    reply = answer(json.dumps(event).encode())
    assert reply.status == 400
    assert json.loads(reply.body) == {
        "status": "invalid event",
        "message": "Event object is invalid",
        "errors": [error],
    }


def test_everything_that_is_wrong_is_said_at_once() -> None:
    assert errors_of({"event_action": "trigger", "payload": {}, "dedup_key": 1}) == (
        "'dedup_key' must be text",
        "'payload.summary' is missing or blank",
        "'payload.source' is missing or blank",
        "'payload.severity' is missing or blank",
    )


@pytest.mark.parametrize("body", [b"", b"{", b"nul", b"\xff", b"[" * 100_000, b'{"a":NaN}', b"9" * 5000])
def test_what_is_not_json_is_answered_400(body: bytes) -> None:
    assert answer(body).status == 400
    assert json.loads(answer(body).body)["errors"]


def test_more_than_512_kb_is_refused() -> None:
    with pytest.raises(TooLarge):
        parse(b" " * (512 * 1024 + 1), NOW, chance=CHANCE)
    assert answer(b" " * (512 * 1024 + 1)).status == 413


def test_nul_characters_are_replaced() -> None:
    assert read(with_payload(summary="a\0b")).report.title == "a\ufffdb"


@pytest.mark.parametrize(("key", "good"), [(KEY, True), (KEY[:-1], False), ("", False), (None, False)])
def test_the_form_of_a_routing_key_is_checked_apart_so_that_open_intake_can_leave_it_out(
    key: str | None, good: bool
) -> None:
    error = key_error(key)
    assert (error is None) is good
    assert error is None or b"routing_key" in refusal(error).body
    assert read(TRIGGER | {"routing_key": None}).routing_key is None


# --- real senders --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "action", "dedup"),
    [
        ("pagerduty-7.2-001.json", "trigger", "model/credit-risk/auc"),
        ("pagerduty-7.2-002.json", "acknowledge", "model/credit-risk/auc"),
        ("pagerduty-7.2-003.json", "resolve", "model/credit-risk/auc"),
        ("pdpyras-5.4-005.json", "trigger", "d1"),
        ("pdpyras-5.4-006.json", "resolve", "d1"),
    ],
)
def test_the_python_clients_are_understood(name: str, action: str, dedup: str) -> None:
    event = read(recorded(name))
    assert (event.action, event.dedup_key, event.routing_key) == (action, dedup, KEY)


def test_alertmanager_0_25_is_understood_payload_on_resolve_included() -> None:
    sent = json.loads((DATA / "captured" / "alertmanager_pagerduty_v2_requests.json").read_text())
    trigger, resolve = (read(request["body"]) for request in sent)
    assert trigger.report.title == "[FIRING:1] pdx (credit-v3 critical pd)"
    assert trigger.report.annotations["custom_details.num_firing"] == "1"
    assert trigger.report.generator_url == "http://vm:19093/#/alerts?receiver=pd"
    assert resolve.report.resolved
    assert resolve.report.dedup == trigger.report.dedup
