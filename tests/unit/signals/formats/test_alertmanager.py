"""Alertmanager's API v2 as its senders and readers know it (SIG-1). Cases captured from Alertmanager 0.25.0."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import msgspec
import pytest

from tocsin.kernel.clock import UTC
from tocsin.kernel.errors import TocsinError, TooLarge
from tocsin.signals.formats import alertmanager, decoding
from tocsin.signals.formats.alertmanager import (
    NoBody,
    NotAlerts,
    WrongMediaType,
    check_media_type,
    fingerprint,
    gettable,
    parse,
    refusal,
    reply_to,
)
from tocsin.signals.reported import Batch, Reply

NOW = dt.datetime(2026, 11, 22, 11, 0, 10, tzinfo=UTC)
DATA = Path(__file__).parents[3] / "data" / "payloads"
CAPTURED = json.loads((DATA / "captured" / "alertmanager_post_alerts_responses.json").read_text())
GOOD = {"labels": {"alertname": "v1"}}


def body_of(*alerts: object) -> bytes:
    return json.dumps(alerts).encode()


def answer(body: bytes) -> Reply:
    try:
        return reply_to(parse(body, NOW))
    except TocsinError as error:
        return refusal(error)


def recorded(name: str) -> bytes:
    return json.dumps(json.loads((DATA / "recorded" / name).read_text())["body"]).encode()


BODIES: dict[str, bytes] = {
    "ok_minimal": body_of(GOOD),
    "empty_list": b"[]",
    "not_array": b'{"labels": {"alertname": "v1"}}',
    "no_labels": body_of({}),
    "empty_labels": body_of({"labels": {}}),
    "empty_label_value_only": body_of({"labels": {"alertname": ""}}),
    "utf8_label_value": body_of({"labels": {"alertname": "Modèle défaillant ⚠"}}),
    "ends_before_starts": body_of(
        GOOD | {"startsAt": "2026-11-22T10:00:00Z", "endsAt": "2026-11-22T09:00:00Z"}
    ),
    "non_string_label": body_of({"labels": {"alertname": 1}}),
    "unknown_field": body_of(GOOD | {"shape": {"of": ["things", 2]}}),
    "bad_time": body_of(GOOD | {"startsAt": "yesterday"}),
    "bad_generator_url": body_of(GOOD | {"generatorURL": "::not a url"}),
    "bad_json": b'[{"labels": {"alertname": "v1"',
    "resolved_never_fired": body_of(
        GOOD | {"startsAt": "2026-11-22T09:00:00Z", "endsAt": "2026-11-22T10:00:00Z"}
    ),
}
UTF8_MODE = {"bad_label_name", "partial_valid"}
"""Cases that 0.25 refused and Alertmanager takes since 0.27, where any label name may be used."""

NOT_A_BODY = {"wrong_ct", "gettable_example"}


def test_every_captured_case_is_tried() -> None:
    assert set(BODIES) | UTF8_MODE | NOT_A_BODY == set(CAPTURED)


@pytest.mark.parametrize("case", sorted(BODIES))
def test_the_answer_has_the_status_and_shape_that_alertmanager_gave(case: str) -> None:
    status, text = CAPTURED[case]
    reply = answer(BODIES[case])
    assert reply.status == status
    if not text:
        assert reply.body == b""
    elif isinstance(json.loads(text), str) or status == 422:
        assert reply.body.decode() == text  # its own words, to the byte
    else:
        mine, theirs = json.loads(reply.body), json.loads(text)
        assert mine["code"] == theirs["code"]
        assert mine["message"].startswith('parsing alerts body from "" failed, because ')


def test_the_wrong_media_type_is_answered_as_alertmanager_does() -> None:
    with pytest.raises(WrongMediaType) as caught:
        check_media_type("text/plain")
    status, text = CAPTURED["wrong_ct"]
    assert (refusal(caught.value).status, refusal(caught.value).body.decode()) == (status, text)


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_json_is_taken_in_every_spelling(kind: str) -> None:
    check_media_type(kind)


@pytest.mark.parametrize("kind", [None, "", "application/x-www-form-urlencoded", "text/json"])
def test_a_body_that_does_not_call_itself_json_is_refused(kind: str | None) -> None:
    with pytest.raises(WrongMediaType):
        check_media_type(kind)


@pytest.mark.parametrize("name", ["bad-name", "model.version", "größe", "0", " "])
def test_any_label_name_is_good_as_since_alertmanager_0_27(name: str) -> None:
    assert parse(body_of({"labels": {name: "x"}}), NOW).alerts[0].labels == {name: "x"}


def test_an_empty_label_or_annotation_name_is_refused() -> None:
    assert answer(body_of({"labels": {"": "x"}})).body == b'"invalid label set: invalid name \\"\\""\n'
    assert (
        answer(body_of(GOOD | {"annotations": {"": "x"}})).body
        == b'"invalid annotations: invalid name \\"\\""\n'
    )


# --- times ---------------------------------------------------------------------------------------

T10, T12 = dt.datetime(2026, 11, 22, 10, tzinfo=UTC), dt.datetime(2026, 11, 22, 12, tzinfo=UTC)
FIVE = NOW + dt.timedelta(minutes=5)
ZERO = "0001-01-01T00:00:00.000Z"
A10, A12 = "2026-11-22T10:00:00Z", "2026-11-22T12:00:00Z"


@pytest.mark.parametrize(
    ("starts", "ends", "expected"),
    [
        # (starts_at, ends_at, starts_given, timeout, resolved)
        (None, None, (NOW, FIVE, False, True, False)),
        (A10, None, (T10, FIVE, True, True, False)),
        (None, A12, (T12, T12, False, False, False)),
        (None, A10, (T10, T10, False, False, True)),
        (A10, A12, (T10, T12, True, False, False)),
        (A10, A10, (T10, T10, True, False, True)),
        (ZERO, ZERO, (NOW, FIVE, False, True, False)),
        (ZERO, A12, (T12, T12, False, False, False)),
        ("", "", (NOW, FIVE, False, True, False)),
        (A10, NOW.isoformat(), (T10, NOW, True, False, True)),
    ],
)
def test_start_and_end_default_as_in_alertmanager(
    starts: str | None, ends: str | None, expected: tuple[object, ...]
) -> None:
    (alert,) = parse(body_of(GOOD | {"startsAt": starts, "endsAt": ends}), NOW).alerts
    assert (alert.starts_at, alert.ends_at, alert.starts_given, alert.timeout, alert.resolved) == expected


def test_the_time_out_is_handed_in() -> None:
    (alert,) = parse(body_of(GOOD), NOW, resolve_timeout=dt.timedelta(hours=1)).alerts
    assert alert.ends_at == NOW + dt.timedelta(hours=1)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T10:00:00Z",
        "2026-11-22T10:00:00.000000000Z",
        "2026-11-22T11:00:00+01:00",
        "2026-11-22T11:00:00+0100",
        "2026-11-22T10:00:00",
        "2026-11-22 10:00:00",
        "2026-11-22T10:00Z",
    ],
)
def test_one_moment_is_read_from_every_spelling_that_senders_use(text: str) -> None:
    (alert,) = parse(body_of(GOOD | {"startsAt": text}), NOW).alerts
    assert alert.starts_at == T10
    assert alert.starts_at.tzinfo is UTC


@pytest.mark.parametrize(
    "text", ["2026-13-01T00:00:00Z", "2026-11-22", "10:00", "0001-01-01T00:00:00+14:00", "1"]
)
def test_a_text_that_is_no_time_is_a_verdict(text: str) -> None:
    (verdict,) = parse(body_of(GOOD | {"startsAt": text}), NOW).refused
    assert verdict.code == alertmanager.NOT_READABLE
    assert verdict.reason


# --- a batch -------------------------------------------------------------------------------------

BAD: dict[str, tuple[object, int, str]] = {
    "not an object": (7, 400, "object"),
    "null": (None, 400, "object"),
    "labels of the wrong type": ({"labels": {"a": 1}}, 400, "labels"),
    "start of the wrong type": (GOOD | {"startsAt": 5}, 400, "startsAt"),
    "no labels": ({"annotations": {"a": "b"}}, 602, "labels"),
    "labels null": ({"labels": None}, 602, "labels"),
    "url that is none": (GOOD | {"generatorURL": "not a url"}, 601, "generatorURL"),
    "no label with a value": ({"labels": {"a": "", "b": None}}, 0, "at least one label"),
    "ends before it starts": (GOOD | {"startsAt": A12, "endsAt": A10}, 0, "before end"),
    "too many labels": ({"labels": {str(n): "x" for n in range(129)}}, 400, "labels"),
    "a label value too long": ({"labels": {"a": "x" * 4097}}, 400, "4096"),
    "a label name too long": ({"labels": {"a" * 1025: "x"}}, 400, "1024"),
    "an annotation too long": (GOOD | {"annotations": {"a": "x" * 65_537}}, 400, "65536"),
}


@pytest.mark.parametrize("case", sorted(BAD))
def test_one_bad_alert_gets_a_verdict_and_its_neighbours_are_kept(case: str) -> None:
    item, code, words = BAD[case]
    other = {"labels": {"alertname": "v2"}}
    batch = parse(body_of(GOOD, item, other), NOW)
    assert [alert.labels["alertname"] for alert in batch.alerts] == ["v1", "v2"]
    (verdict,) = batch.refused
    assert (verdict.index, verdict.code) == (1, code)
    assert words in verdict.reason
    reply = reply_to(batch)
    assert reply.status == (422 if code in (601, 602) else 400)
    assert b"1" in reply.body


def test_the_answer_to_several_faults_names_each_index() -> None:
    batch = parse(body_of({"labels": {"a": ""}}, GOOD, GOOD | {"startsAt": A12, "endsAt": A10}), NOW)
    assert json.loads(reply_to(batch).body) == (
        "alert 0: at least one label pair required\nalert 2: start time must be before end time"
    )


def test_an_answer_names_twenty_faults_and_counts_the_rest() -> None:
    batch = parse(body_of(*[{"labels": {"a": ""}}] * 23), NOW)
    lines = json.loads(reply_to(batch).body).split("\n")
    assert (len(batch.refused), len(lines)) == (23, 21)
    assert lines[-2:] == ["alert 19: at least one label pair required", "and 3 more"]
    batch = parse(body_of(*[{}] * 20), NOW)
    assert json.loads(reply_to(batch).body)["message"].endswith("\n19.labels in body is required")


def test_an_unreadable_alert_is_answered_before_a_forbidden_one() -> None:
    batch = parse(body_of({}, {"labels": {"a": ""}}, {"labels": {"a": 1}}), NOW)
    assert reply_to(batch).status == 400
    assert b"alert 2" in reply_to(batch).body
    assert reply_to(msgspec.structs.replace(batch, refused=batch.refused[:2])).status == 422


def test_nulls_count_as_absent() -> None:
    nothing = {"annotations": None, "startsAt": None, "endsAt": None, "generatorURL": None}
    item = {"labels": {"alertname": "v1", "team": None}} | nothing
    assert parse(body_of(item), NOW) == parse(body_of(GOOD), NOW)
    assert parse(b"null", NOW) == Batch()
    assert parse(b"null ", NOW) == Batch()
    (alert,) = parse(body_of(GOOD | {"annotations": {"summary": None}}), NOW).alerts
    assert alert.annotations == {"summary": ""}


def test_labels_without_a_value_are_no_labels() -> None:
    (alert,) = parse(body_of({"labels": {"alertname": "v1", "team": ""}}), NOW).alerts
    assert alert.labels == {"alertname": "v1"}


@pytest.mark.parametrize(
    "url", ["http://prom:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1", "/graph", "mailto:x", ""]
)
def test_a_generator_url_is_taken_as_go_takes_it(url: str) -> None:
    (alert,) = parse(body_of(GOOD | {"generatorURL": url}), NOW).alerts
    assert alert.generator_url == url


# --- bodies that are none ------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b" \n"])
def test_no_body_is_said_to_be_required(body: bytes) -> None:
    with pytest.raises(NoBody):
        parse(body, NOW)
    assert json.loads(answer(body).body) == {"code": 602, "message": "alerts in body is required"}
    assert answer(body).status == 422


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'"x"',
        b"7",
        b"[",
        b"[NaN]",
        b"[,]",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"[1e999999",
        b"9" * 5000,
    ],
)
def test_what_is_no_array_of_alerts_is_a_named_error(body: bytes) -> None:
    with pytest.raises(NotAlerts):
        parse(body, NOW)
    assert answer(body).status == 400


def test_nesting_is_limited_and_costs_only_the_alert_that_nests_while_it_can_be_read() -> None:
    def nested(depth: int) -> bytes:
        return (
            b'[{"labels":{"a":"b"},"startsAt":"?","x":'
            + b"[" * depth
            + b"]" * depth
            + b'},{"labels":{"a":"c"}}]'
        )

    batch = parse(nested(100), NOW)
    assert [alert.labels for alert in batch.alerts] == [{"a": "c"}]
    assert batch.refused[0].reason == "nested deeper than 32 levels"
    with pytest.raises(NotAlerts, match="nested deeper"):
        parse(nested(5000), NOW)


def test_a_body_over_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(TooLarge):
        parse(b" " * (decoding.MAX_BODY_BYTES + 1), NOW)
    assert answer(b" " * (decoding.MAX_BODY_BYTES + 1)).status == 413


def test_a_body_with_too_many_alerts_is_refused() -> None:
    one = json.dumps(GOOD).encode()
    assert parse(b"[" + b",".join([one] * 10_000) + b"]", NOW).size == 10_000
    for last in (one, b"7"):  # the bad ones count too
        with pytest.raises(NotAlerts, match="10000"):
            parse(b"[" + b",".join([one] * 10_000 + [last]) + b"]", NOW)


def test_a_refused_url_is_named_in_its_own_letters_and_shortened() -> None:
    (verdict,) = parse(body_of(GOOD | {"generatorURL": "größe " + "x" * 1000}), NOW).refused
    assert verdict.reason == 'generatorURL in body must be of type uri: "größe ' + "x" * 194 + '"'


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (rb"a\u0000b", "a\ufffdb"),
        (rb"a\ud800b", "a\ufffdb"),
        (b"a\xffb", "a\ufffdb"),
        (rb"a\\u0000b", r"a\u0000b"),
        (rb"\ud83d\udd14", "🔔"),
    ],
)
def test_text_that_no_database_can_hold_is_repaired_and_the_alert_kept(raw: bytes, text: str) -> None:
    batch = parse(b'[{"labels":{"alertname":"' + raw + b'"}},{"labels":{"alertname":"v2"}}]', NOW)
    assert [alert.labels["alertname"] for alert in batch.alerts] == [text, "v2"]
    assert not batch.refused


# --- real senders --------------------------------------------------------------------------------


def test_prometheus_2_42_is_understood() -> None:
    (alert,) = parse(recorded("prometheus-2.42-post-alerts.json"), NOW).alerts
    assert alert.labels == {
        "alertname": "ModelServerDown",
        "cluster": "lab",
        "instance": "127.0.0.1:1",
        "job": "down_model_server",
        "severity": "critical",
    }
    assert alert.title == "127.0.0.1:1 down"
    assert alert.sender_severity == "critical"
    assert alert.starts_at == dt.datetime(2026, 11, 22, 11, 0, 8, 24_000, tzinfo=UTC)
    assert alert.ends_at == dt.datetime(2026, 11, 22, 11, 4, 8, 24_000, tzinfo=UTC)
    assert alert.generator_url == "http://vm:19190/graph?g0.expr=up+%3D%3D+0&g0.tab=1"
    assert (alert.timeout, alert.resolved, alert.dedup) == (False, False, "")


def test_amtool_0_25_is_understood() -> None:
    (alert,) = parse(recorded("amtool-0.25-post-alerts.json"), NOW).alerts
    assert alert.starts_at == alert.ends_at == dt.datetime(2030, 1, 1, tzinfo=UTC)
    assert not alert.starts_given
    assert alert.title == "PSI0.4"


# --- what dashboards read ------------------------------------------------------------------------

SHOWN = json.loads((DATA / "recorded" / "alertmanager-0.25-get-alerts.json").read_text())


@pytest.mark.parametrize("shown", [*SHOWN, CAPTURED["gettable_example"]])
def test_an_alert_is_shown_as_alertmanager_shows_it(shown: dict[str, object]) -> None:
    alert = json.loads(
        msgspec.json.encode(
            gettable(
                labels=shown["labels"],
                annotations=shown["annotations"],
                starts_at=dt.datetime.fromisoformat(shown["startsAt"]),
                ends_at=dt.datetime.fromisoformat(shown["endsAt"]),
                updated_at=dt.datetime.fromisoformat(shown["updatedAt"]),
                receivers=[receiver["name"] for receiver in shown["receivers"]],
            )
        )
    )
    assert alert["status"].pop("mutedBy") == []  # 0.28 added it
    assert alert == shown


def test_a_silenced_alert_is_shown_as_suppressed_and_its_lists_are_never_null() -> None:
    alert = gettable(
        labels={"a": "b"}, annotations={}, starts_at=NOW, ends_at=NOW, updated_at=NOW, receivers=(), silenced_by=("s1",),
        generator_url="http://x/",
    )  # fmt: skip
    shown = json.loads(msgspec.json.encode(alert))
    assert shown["status"] == {"state": "suppressed", "silencedBy": ["s1"], "inhibitedBy": [], "mutedBy": []}
    assert shown["receivers"] == []
    assert shown["generatorURL"] == "http://x/"


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"alertname": "v1"}, "39b3c44240048afb"),
        (
            {"severity": "critical", "model": "credit", "instance": "a", "alertname": "LatencyHigh"},
            "0fe11f122e59a6e2",
        ),
        (
            {"alertname": "LatencyHigh", "instance": "b", "model": "credit", "severity": "critical"},
            "f7a83f8583ec8cbf",
        ),
        ({}, "cbf29ce484222325"),  # the offset basis of FNV-1a
    ],
)
def test_the_fingerprint_shown_is_the_one_that_alertmanager_shows(
    labels: dict[str, str], expected: str
) -> None:
    assert fingerprint(labels) == expected
