"""Bad input to one live server, on both databases: the precise answer, nothing changed, the server well (PLT-3, SIG-1)."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.contract.receivers import free_port
from tests.integration.harness.database import empty_database
from tests.integration.harness.server import TOKEN, Caller, Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

JSON = {"content-type": "application/json"}
INCIDENTS = "/api/v1/incidents"
ALERTS = "/api/v2/alerts"
NOBODY = {"authorization": ""}
LISTS = b"[" * 100_000 + b"]" * 100_000
OBJECTS = b'{"title":"x","facts":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001
UNREADABLE = "it is not UTF-8, it is nested too deeply, or a number in it is too long"


def body(data: bytes, **headers: str) -> dict[str, Any]:
    return {"content": data, "headers": {**JSON, **headers}}


def piecewise(size: int) -> Iterator[bytes]:
    for _ in range(size // 65536):
        yield b" " * 65536


@dataclass(frozen=True)
class Case:
    """One bad request, and what must be said about it. `where` is the field, `said` a part of the text."""

    name: str
    method: str
    path: str
    status: int
    slug: str
    said: str
    where: str = ""
    more: dict[str, Any] = field(default_factory=dict)


def bad(name: str, status: int, slug: str, said: str, *, where: str = "", method: str = "POST",
        path: str = INCIDENTS, **more: Any) -> Any:  # fmt: skip
    return pytest.param(Case(name, method, path, status, slug, said, where, more), id=name)


def get(name: str, path: str, status: int, slug: str, said: str, *, where: str = "") -> Any:
    return bad(name, status, slug, said, where=where, method="GET", path=path)


API = [
    # --- the body ---
    bad("json that ends early", 400, "malformed", "The body is not JSON", **body(b"{")),
    bad("no body", 400, "malformed", "There is no body", **body(b"")),
    bad("a list", 422, "invalid", "not an object", where="body", **body(b"[]")),
    bad("null", 422, "invalid", "not an object", where="body", **body(b"null")),
    bad("text", 400, "malformed", "'text/plain'", content=b'{"title":"x"}', headers={"content-type": "text/plain"}),
    bad("no type", 400, "malformed", "does not say that it is JSON", content=b'{"title":"x"}'),
    bad("too large", 413, "too-large", "1,048,576 bytes", **body(b'{"title":"' + b"x" * 10_000_000 + b'"}')),
    bad("too large in pieces", 413, "too-large", "1,048,576 bytes", content="pieces", headers=JSON),
    bad("lists in lists", 400, "malformed", UNREADABLE, **body(LISTS)),
    bad("objects in objects", 400, "malformed", UNREADABLE, **body(OBJECTS)),
    bad("a number of 5000 digits", 400, "malformed", UNREADABLE, **body(b'{"title":' + b"9" * 5000 + b"}")),
    bad("half a character", 400, "malformed", UNREADABLE, **body(b'{"title":"\xff\xfe"}')),
    bad("half a surrogate", 422, "invalid", "unicode", where="title", **body(b'{"title":"a\\ud800b"}')),
    bad("a raw control character", 400, "malformed", "control character", **body(b'{"title":"a\x00b"}')),
    bad("NUL", 422, "invalid", "the character NUL", where="title", **body(b'{"title":"a\\u0000b"}')),
    bad("NUL deep inside", 422, "invalid", "the character NUL", where="facts",
        **body(b'{"title":"x","facts":{"a\\u0000b":1}}')),
    # --- the fields ---
    bad("a number for a text", 422, "invalid", "valid string", where="title", json={"title": 7}),
    bad("a text for a number", 422, "invalid", "valid integer", where="expected", path=f"{INCIDENTS}/1/severity",
        json={"severity": "P1", "reason": "x", "expected": "2"}),
    bad("an unknown field", 422, "invalid", "not permitted", where="colour", json={"title": "x", "colour": "red"}),
    bad("a field too few", 422, "invalid", "required", where="title", json={}),
    bad("a title too long", 422, "invalid", "300", where="title", json={"title": "x" * 301}),
    bad("a title of spaces", 409, "refused", "A title needs words", json={"title": "   "}),
    bad("NaN", 422, "invalid", "valid", where="facts.accuracy_drop.bool",
        **body(b'{"title":"x","facts":{"accuracy_drop":NaN}}')),
    bad("infinity", 422, "invalid", "valid string", where="title", **body(b'{"title":-Infinity}')),
    bad("a time without a zone", 422, "invalid", "timezone", where="began_at",
        json={"title": "x", "began_at": "2026-01-01T00:00:00"}),
    bad("an unknown fact", 422, "invalid", "no fact called 'zzz'", json={"title": "x", "facts": {"zzz": 1}}),
    bad("an unknown severity", 422, "invalid", "'P9' is not a severity", json={"title": "x", "severity": "P9"}),
    bad("an unknown system", 422, "invalid", "no system called 'nope'", where="system",
        json={"title": "x", "system": "nope"}),
    bad("an unknown role", 422, "invalid", "'king' is not a role", where="role", path="/api/v1/accounts",
        json={"email": "a@example.org", "name": "a", "password": "x" * 20, "role": "king"}),
    # --- what is not there ---
    bad("an unknown incident", 404, "not-found", "no incident INC-999", path=f"{INCIDENTS}/INC-999/notes",
        json={"text": "x"}),
    bad("an unknown run", 404, "not-found", "no such playbook run", path="/api/v1/runs/nope/answers",
        json={"step": "x", "answer": "y"}),
    bad("an unknown containment", 404, "not-found", "no such containment", path="/api/v1/containments/nope/approve",
        json={}),
    bad("an unknown template", 404, "not-found", "no template called 'nope'", path=f"{INCIDENTS}/1/updates",
        json={"template": "nope"}),
    get("a review before its time", f"{INCIDENTS}/1/review", 404, "not-found", "no review yet"),
    get("an unknown address", "/api/v1/nothing", 404, "not-found", "/api/v1/nothing"),
    get("a huge number", f"{INCIDENTS}/{'9' * 40}", 404, "not-found", "no incident 999"),
    get("a superscript two", f"{INCIDENTS}/%C2%B2", 404, "not-found", "no incident ²"),
    get("NUL in the path", f"{INCIDENTS}/a%00b", 404, "not-found", "no incident"),
    get("half a character in the path", f"{INCIDENTS}/%ff%fe", 404, "not-found", "no incident"),
    get("a way out of a folder", "/static/%2e%2e/%2e%2e/app.py", 404, "not-found", "app.py"),
    get("a way into the keys", "/api/v1/evidence/..%2f..%2fkeys%2flog.key/content?purpose=x", 404, "not-found", ""),
    get("a page beyond all", f"{INCIDENTS}?before={'9' * 30}", 422, "invalid", "less than", where="before"),
    get("too many at once", f"{INCIDENTS}?limit=100000", 422, "invalid", "less than or equal to 500", where="limit"),
    get("a proof beyond all", f"{INCIDENTS}/1/proofs/{'9' * 30}", 422, "invalid", "less than", where="index"),
    # --- who and when ---
    bad("no token", 401, "not-signed-in", "needs a sign-in or a token", json={"title": "x"}, headers=NOBODY),
    bad("a wrong token", 401, "not-signed-in", "needs a sign-in or a token", json={"title": "x"},
        headers={"authorization": "Bearer nope"}),
    bad("a token of strange bytes", 401, "not-signed-in", "needs a sign-in", json={"title": "x"},
        headers={"authorization": b"Bearer \xff\xfe"}),
    bad("a key where a person is needed", 403, "forbidden", "'integration' does not have the permission 'respond'",
        json={"title": "x"}, headers={"authorization": "Bearer KEY"}),
    bad("a viewer who declares", 403, "forbidden", "'viewer' does not have the permission 'respond'",
        json={"title": "x"}, headers={"authorization": "Bearer VIEWER"}),
    bad("a stale position", 409, "stale-position", "You saw entry 1; the record is now at entry",
        path=f"{INCIDENTS}/1/severity", json={"severity": "P1", "reason": "x", "expected": 1}),
    bad("a position beyond all", 409, "stale-position", "You saw entry 999", path=f"{INCIDENTS}/1/severity",
        **body(b'{"severity":"P1","reason":"x","expected":' + b"9" * 40 + b"}")),
    bad("closed before it is resolved", 409, "refused", "closes after it is resolved", path=f"{INCIDENTS}/1/close",
        json={}),
    bad("a wrong method", 405, "method-not-allowed", "PUT", method="PUT", json={"title": "x"}),
    # --- configuration and telemetry ---
    bad("a configuration with a gap", 422, "configuration-invalid", "'name' is missing", where="a.yaml:1",
        path="/api/v1/configuration/apply", json={"files": {"a.yaml": "kind: system\nid: x\n"}}),
    bad("a configuration that multiplies", 422, "configuration-invalid", "anchor", where="a.yaml:1",
        path="/api/v1/configuration/apply", json={"files": {"a.yaml": "a: &a [x]\nb: [*a,*a]\n"}}),
    bad("profiles of the wrong type", 422, "invalid", "$.profiles[0].system", path="/api/v1/profiles",
        **body(b'{"profiles":[{"system":1}]}')),
    bad("profiles that end early", 400, "malformed", "truncated", path="/api/v1/profiles", **body(b'{"profiles":')),
    bad("predictions of nobody", 404, "not-found", "no system called 'nope'", path="/api/v1/predictions",
        json={"system": "nope", "predictions": []}),
]  # fmt: skip

EVENT = {"event_action": "trigger", "payload": {"summary": "x", "source": "s", "severity": "critical"}}
INTAKE = [
    bad("json that ends early", 400, "", "Expecting property name", path=ALERTS, **body(b"{")),
    bad("an object", 400, "", "not an array of alerts", path=ALERTS, **body(b"{}")),
    bad("no body", 422, "", "alerts in body is required", path=ALERTS, **body(b"")),
    bad("text", 415, "", "unsupported media type", path=ALERTS, content=b"[]", headers={"content-type": "text/plain"}),
    bad("lists in lists", 400, "", "nested deeper than 32", path=ALERTS, **body(LISTS)),
    bad("NaN", 400, "", "NaN is not JSON", path=ALERTS, **body(b'[{"labels":{"a":"b"},"annotations":{"c":NaN}}]')),
    bad("no labels", 400, "", "at least one label", path=ALERTS, json=[{"labels": {}}]),
    bad("a number for a label", 400, "", "got `int`", path=ALERTS, json=[{"labels": {"alertname": 1}}]),
    bad("a label too long", 400, "", "4096", path=ALERTS, json=[{"labels": {"alertname": "N" * 2_000_000}}]),
    bad("a year beyond all", 400, "", "years 1 to 9999", path=ALERTS,
        json=[{"labels": {"a": "b"}, "startsAt": "0001-01-01T00:00:00+14:00"}]),
    bad("too large", 413, "too-large", "4,194,304", path=ALERTS, **body(b"[" + b" " * 10_000_000 + b"]")),
    bad("too large in pieces", 413, "too-large", "4,194,304", path=ALERTS, content="pieces", headers=JSON),
    bad("no key", 401, "", "needs an integration key", path=ALERTS, json=[], headers=NOBODY),
    bad("a wrong key in the path", 401, "", "integration key", path=f"/k/nope{ALERTS}", json=[], headers=NOBODY),
    bad("a viewer's token", 403, "", "may not send alerts", path=ALERTS, json=[],
        headers={"authorization": "Bearer VIEWER"}),
    bad("a wrong method", 405, "method-not-allowed", "PUT", method="PUT", path=ALERTS, json=[]),
    bad("an event that ends early", 400, "", "not JSON", path="/v2/enqueue", **body(b"{")),
    bad("an event without a key", 400, "", "routing_key", path="/v2/enqueue", json=EVENT, headers={"authorization": None}),
    bad("an event with a wrong key", 400, "", "'routing_key' is not known", path="/v2/enqueue",
        json={**EVENT, "routing_key": "a" * 32}, headers={"authorization": None}),
    bad("an event with a number of 5000 digits", 400, "", "not JSON", path="/v2/enqueue",
        **body(b'{"event_action":"trigger","payload":' + b"9" * 5000 + b"}")),
]  # fmt: skip


@dataclass
class Live:
    """A server with one incident, and the secrets that cases name."""

    server: Server
    admin: Caller
    secrets: dict[str, str]

    def settled(self) -> int:
        """Return the size of the log once everything that follows from the past has happened."""
        sizes: list[int] = []

        def still() -> bool:
            sizes.append(self.admin.get("/api/v1/log")["size"])
            figures = self.admin.ask("GET", "/metrics").text
            busy = any(f'tocsin_jobs{{state="{state}"}}' in figures for state in ("leased",))
            return len(sizes) > 2 and sizes[-1] == sizes[-3] and not busy and "tocsin_inbox_lag 0" in figures

        self.server.until("the log stands still", still, tend=False)
        return sizes[-1]


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def live(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    directory = tmp_path_factory.mktemp("bad-input")
    if request.param == "sqlite":
        yield from _live(directory, {})
        return
    with empty_database(request.getfixturevalue("postgres_server")) as url:
        yield from _live(directory, {"TOCSIN_DATABASE_URL": url})


def _live(directory: Path, settings: dict[str, str]) -> Iterator[Live]:
    with free_port() as port:
        pass
    server = Server(directory, port, settings)
    try:
        server.start()
        admin = Caller(server)
        assert admin.post(INCIDENTS, {"title": "The one that is there", "severity": "P3"})["number"] == 1
        viewer = {"email": "v@example.org", "name": "V", "password": "a long password", "role": "viewer"}
        account = admin.post("/api/v1/accounts", viewer)["id"]
        secrets = {
            "VIEWER": admin.post("/api/v1/tokens", {"name": "v", "account": account})["token"],
            "KEY": admin.post("/api/v1/integration-keys", {"name": "k"})["key"],
        }
        yield Live(server, admin, secrets)
    finally:
        server.stop()


def ask(live: Live, case: Case) -> Any:
    more = {**case.more}
    headers = {"authorization": f"Bearer {TOKEN}", **more.pop("headers", {})}
    for name, secret in live.secrets.items():
        if headers["authorization"] == f"Bearer {name}":
            headers["authorization"] = f"Bearer {secret}"
    headers = {name: text for name, text in headers.items() if text is not None}
    if more.get("content") == "pieces":
        more["content"] = piecewise(10_000_000)
    return live.server.client.request(case.method, live.server.url + case.path, headers=headers, **more)


def check_unharmed(live: Live, before: int) -> None:
    """Nothing was added to the log, the server is well, and a good request works."""
    assert live.settled() == before
    assert live.server.status("/healthz") == 200
    assert live.server.status("/readyz") == 200
    assert live.admin.get(f"{INCIDENTS}/1")["incident"]["title"] == "The one that is there"
    assert '"level": "error"' not in live.server.tail(10**9)


@pytest.mark.parametrize("case", API)
def test_a_bad_request_to_the_api_hears_precisely_what_is_wrong_and_changes_nothing(
    live: Live, case: Case
) -> None:
    before = live.settled()
    answer = ask(live, case)
    assert (answer.status_code, answer.headers["content-type"]) == (
        case.status,
        "application/problem+json",
    ), answer.text
    told = answer.json()
    assert told["type"] == f"https://tocsin.invalid/problems/{case.slug}"
    assert told["status"] == case.status
    assert told["title"]
    assert case.said.lower() in told["detail"].lower()
    assert told.get("where", "") == case.where
    check_unharmed(live, before)


@pytest.mark.parametrize("case", INTAKE)
def test_a_bad_report_is_told_in_its_senders_words_and_leads_to_nothing(live: Live, case: Case) -> None:
    before = live.settled()
    answer = ask(live, case)
    assert answer.status_code == case.status, answer.text
    assert case.said.lower() in answer.text.lower()
    if case.slug:
        assert answer.json()["type"].endswith(case.slug)
    check_unharmed(live, before)


STRANGE_ALERTS = (
    b'[{"labels":{"alertname":"strange-1\\u0000","x":"\\u0000"},"annotations":{"summary":"\\u0000"}}]',
    b'[{"labels":{"alertname":"strange-2","x":"\\ud800"},"annotations":{"x":"\\udfff"}}]',
    b'[{"labels":{"alertname":"strange-3","x":"\xff\xfe"}}]',
)
STRANGE_EVENTS = (
    b'{"event_action":"trigger","dedup_key":"a\\u0000","payload":{"summary":"x\\u0000","source":"strange-4",%s}}'
    % (b'"severity":"critical","custom_details":{"a":1e400,"b":' + b"9" * 400 + b"}"),
    b'{"event_action":"trigger","dedup_key":"a\\ud800","payload":{"summary":"x\\ud800","source":"strange-5",%s}}'
    % b'"severity":"critical","custom_details":{"\\udfff":"\\ud800"}',
)


def test_strange_characters_that_a_sender_may_send_are_taken_and_hold_nothing_up(live: Live) -> None:
    """What Alertmanager and PagerDuty take is taken: repaired, listed, and what comes behind it is not held up."""
    for data in STRANGE_ALERTS:
        live.admin.ask("POST", ALERTS, **body(data))
    for data in STRANGE_EVENTS:
        live.admin.ask("POST", "/v2/enqueue", **body(data))
    live.admin.ask("POST", ALERTS, json=[{"labels": {"alertname": "behind-it"}}])

    def names() -> set[str]:
        return {one["title"] for one in live.admin.get("/api/v1/alerts", limit=1000)["alerts"]}

    live.server.until("the alert behind", lambda: "behind-it" in names(), tend=False)
    reasons = [one["reason"] for one in live.admin.get("/api/v1/quarantine")["quarantine"]]
    assert not [reason for reason in reasons if "could not be derived" in reason]
    listed = [one["labels"]["alertname"] for one in live.admin.get(ALERTS)]
    assert {"strange-2", "strange-3", "behind-it"} <= set(listed)
    assert live.server.status("/readyz") == 200


@pytest.mark.parametrize(
    "head",
    [b"GET / HTTP/1.1\r\nhost: x\r\nx-long: ", b"GET /", b"GET / HTTP/1.1\r\nhost: x\r\n" + b"x: y\r\n" * 5],
    ids=["a header", "a path", "many headers"],
)
def test_a_head_without_an_end_is_cut_off(live: Live, head: bytes) -> None:
    before = live.settled()
    filler = b"x: y\r\n" * 5000 if head.endswith(b"\r\n") else b"a" * 30_000
    with socket.create_connection(("127.0.0.1", live.server.port), timeout=20) as connection:
        connection.sendall(head)
        answered = b""
        try:
            for _ in range(100):
                connection.sendall(filler)
            answered = connection.recv(1000)
        except (BrokenPipeError, ConnectionResetError):
            answered = answered or b"HTTP/1.1 400"  # the answer was lost with the connection, as TCP allows
    assert answered.startswith(b"HTTP/1.1 400"), answered[:200]
    check_unharmed(live, before)


@pytest.mark.parametrize(
    "data", [b"\x16\x03\x01\x02\x00\x01", b"FOO / HTTP/1.1\r\n\r\n", b"\0" * 100], ids=["tls", "foo", "nul"]
)
def test_what_is_no_http_is_turned_away(live: Live, data: bytes) -> None:
    before = live.settled()
    with socket.create_connection(("127.0.0.1", live.server.port), timeout=20) as connection:
        connection.sendall(data)
        assert connection.recv(1000).startswith(b"HTTP/1.1 400")
    check_unharmed(live, before)
