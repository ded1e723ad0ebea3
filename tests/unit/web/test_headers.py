"""What every page promises a browser, and that nothing from outside becomes markup (PLT-1)."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest

from tests.unit.web.conftest import Place, csrf_of, send
from tocsin.engine import access

HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'"
CSP = {
    "default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "img-src": "'self' data:",
    "font-src": "'self'", "connect-src": "'self'", "form-action": "'self'", "base-uri": "'none'",
    "frame-ancestors": "'none'",
}  # fmt: skip
PAGES = ("/", "/incidents", "/incidents/1", "/incidents/1/proofs/{entry}", "/incidents/1/containment", "/declare",
         "/alerts", "/catalog", "/catalog/loan-approval", "/access", "/nowhere", "/incidents/999", "/incidents/one")  # fmt: skip


def entry_of(place: Place) -> int:
    """Return a leaf of incident 1."""
    told = place.client(**place.bearer("viewer")).get("/api/v1/incidents/1/timeline").json()
    return int(told["timeline"][0]["index"])


def policy(answer: Any) -> dict[str, str]:
    parts = (part.strip().partition(" ") for part in answer.headers["content-security-policy"].split(";"))
    return {name: value for name, _, value in parts}


class Markup(HTMLParser):
    """Collects what a browser would run or load."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[dict[str, str | None]] = []
        self.handlers: list[str] = []
        self.inline: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        if tag == "script":
            self.scripts.append(given)
        self.handlers += [name for name in given if name.startswith("on")]
        if "style" in given or tag == "style":
            self.inline.append(tag)
        for name in ("src", "href", "action", "formaction"):
            if given.get(name):
                self.addresses.append(str(given[name]))


def read(html: str) -> Markup:
    markup = Markup()
    markup.feed(html)
    return markup


@pytest.fixture(scope="module")
def seeded(shared_place: Place) -> Place:
    """An installation with an incident, an alert and a note, each as hostile as an outsider can make it."""
    shared_place.declare(HOSTILE, description=HOSTILE)
    browser = shared_place.signed_in("lead")
    send(browser, "/incidents/1/notes", seen_on="/incidents/1", text=HOSTILE)
    send(browser, "/incidents/1/hypotheses", seen_on="/incidents/1", text=HOSTILE)
    send(browser, "/incidents/1/severity", seen_on="/incidents/1", severity="P0", reason=HOSTILE)
    _, key = access.create_integration_key(shared_place.world, HOSTILE, actor="system:test")
    alert = {
        "labels": {"alertname": HOSTILE, "instance": HOSTILE, "severity": "critical"},
        "annotations": {"summary": HOSTILE, "description": HOSTILE},
        "generatorURL": "javascript:alert(1)",
    }
    taken = shared_place.client().post(f"/k/{key}/api/v2/alerts", json=[alert])
    assert taken.status_code == 200, taken.text
    shared_place.program.runner.settle()
    return shared_place


@pytest.mark.parametrize(
    "path", [*PAGES, "/sign-in", "/acknowledge/forged", "/healthz", "/openapi.json", "/static/app.js"]
)
def test_every_answer_keeps_the_browser_strict(seeded: Place, path: str) -> None:
    answer = seeded.signed_in("administrator").get(path.format(entry=entry_of(seeded)))
    assert policy(answer) == CSP
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert "camera=()" in answer.headers["permissions-policy"]


@pytest.mark.parametrize("path", [*PAGES, "/sign-in", "/acknowledge/forged"])
def test_no_page_holds_what_its_policy_forbids(seeded: Place, path: str) -> None:
    answer = seeded.signed_in("administrator").get(path.format(entry=entry_of(seeded)))
    assert answer.headers["content-type"].startswith("text/html")
    markup = read(answer.text)
    assert markup.handlers == []
    assert markup.inline == []
    assert all(str(one.get("src", "")).startswith("/static/") for one in markup.scripts)
    assert markup.scripts, "the page's own scripts are missing"


@pytest.mark.parametrize("path", [*PAGES, "/sign-in"])
def test_pages_are_not_kept_by_caches(seeded: Place, path: str) -> None:
    answer = seeded.signed_in("administrator").get(path.format(entry=entry_of(seeded)))
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", [*PAGES, f"/incidents?q={HOSTILE}&system={HOSTILE}&status={HOSTILE}&severity={HOSTILE}",
                                  f"/sign-in?next=/{HOSTILE}", f"/incidents/1?sort={HOSTILE}&order={HOSTILE}"])  # fmt: skip
def test_what_outsiders_write_is_text_and_never_markup(seeded: Place, path: str) -> None:
    html = seeded.signed_in("administrator").get(path.format(entry=entry_of(seeded))).text
    assert "<script>alert" not in html
    assert "<img" not in html
    assert "img" not in read(html).tags
    assert not [one for one in read(html).addresses if one.lower().startswith(("javascript:", "data:"))]


def test_the_hostile_text_is_there_as_it_was_written(seeded: Place) -> None:
    """Otherwise the test above would pass on pages that show nothing."""
    browser = seeded.signed_in("lead")
    shown = "&lt;script&gt;alert(1)&lt;/script&gt;"
    for path in ("/", "/incidents", "/incidents/1", "/alerts", f"/incidents?q={HOSTILE}"):
        assert shown in browser.get(path).text, path


def test_an_error_page_repeats_nothing_as_markup(seeded: Place) -> None:
    html = seeded.signed_in().get("/<script>alert(1)</script>").text
    assert "<script>alert" not in html
    assert "There is no page at" in html


def test_a_refused_form_shows_what_was_typed_as_text(seeded: Place) -> None:
    browser = seeded.signed_in()
    data = {
        "csrf": csrf_of(browser.get("/incidents/1").text),
        "fact": "protected_group_harmed",
        "value": HOSTILE,
        "reason": HOSTILE,
    }
    answer = browser.post("/incidents/1/facts", data=data)
    assert answer.status_code == 422
    assert "<script>alert" not in answer.text
    assert answer.text.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 1


def test_no_session_page_tells_how_much_is_going_on(seeded: Place) -> None:
    html = seeded.client().get("/sign-in").text
    assert "<nav" not in html
    assert "Incidents" not in html


def test_evidence_is_given_out_as_a_file_and_never_as_a_page(seeded: Place) -> None:
    headers = {**seeded.bearer("administrator"), "content-type": "text/html"}
    kept = seeded.client(**headers).post(
        "/api/v1/incidents/1/evidence?what=page&reason=test", content=b"<script>alert(1)</script>"
    )
    assert kept.status_code == 201, kept.text
    answer = seeded.signed_in("lead").get(f"/evidence/{kept.json()['evidence']['id']}")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment;")


@pytest.mark.parametrize(
    ("path", "method", "status", "said"),
    [
        ("/incidents/one", "GET", 404, "There is no page at"),
        ("/incidents/999", "GET", 404, "There is no incident 999"),
        ("/incidents/1/notes", "GET", 405, "takes a form"),
        ("/nowhere", "GET", 404, "There is no page at"),
        ("/runs/none", "GET", 404, "run"),
    ],
)
def test_an_error_is_told_as_a_page_to_whoever_reads_pages(
    seeded: Place, path: str, method: str, status: int, said: str
) -> None:
    answer = seeded.signed_in().request(method, path)
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (status, "text/html")
    assert said in answer.text


def test_an_error_is_told_as_a_problem_to_a_program(seeded: Place) -> None:
    answer = seeded.client(**{**seeded.bearer("lead"), "accept": "application/json"}).get(
        "/api/v1/incidents/999"
    )
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
