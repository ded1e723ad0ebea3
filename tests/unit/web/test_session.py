"""Coming in and going out: sign-in, cookies, forms of other sites, one-tap links (PLT-1, TEAM-4)."""

from __future__ import annotations

import datetime as dt
import inspect
import re
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from urllib.parse import quote, unquote

import pytest
from sqlalchemy import func, select

from tests.unit.web.conftest import PASSWORD, Make, Place, csrf_of, send
from tocsin.engine import access
from tocsin.incidents.incident import INCIDENT
from tocsin.kernel.errors import NotSignedIn, Unavailable
from tocsin.response.oncall.link import read_link, sign_link
from tocsin.response.oncall.page import PAGE
from tocsin.store import tables
from tocsin.web import operations
from tocsin.web.permissions import SESSION_COOKIE

ADA = {"email": "ada@example.org", "password": PASSWORD}


# --- sign-in --------------------------------------------------------------------------------------


def test_the_right_password_opens_a_session_and_leads_on(place: Place) -> None:
    browser = place.client()
    answer = browser.post("/sign-in", data={**ADA, "next": "/incidents?status=open"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/incidents?status=open")
    assert "ada@example.org" in browser.get("/").text


def test_an_address_is_read_without_regard_to_case_and_space(place: Place) -> None:
    answer = place.client().post("/sign-in", data={**ADA, "email": "  ADA@example.org "})
    assert answer.status_code == 303


@pytest.mark.parametrize("given", [{**ADA, "password": "wrong"}, {**ADA, "email": "nobody@example.org"}, {}])
def test_a_wrong_address_and_a_wrong_password_sound_the_same(place: Place, given: dict[str, str]) -> None:
    answer = place.client().post("/sign-in", data=given)
    assert answer.status_code == 401
    assert "The address or the password is wrong." in answer.text
    assert "set-cookie" not in answer.headers


def test_what_was_typed_is_kept_except_the_password(place: Place) -> None:
    html = place.client().post("/sign-in", data={**ADA, "password": "hunter2-hunter2"}).text
    assert 'value="ada@example.org"' in html
    assert "hunter2" not in html


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "evil",
        "",
    ],
)
def test_signing_in_leads_to_this_site_only(place: Place, target: str) -> None:
    answer = place.client().post("/sign-in", data={**ADA, "next": target})
    assert answer.headers["location"] == "/"
    assert 'name="next" value="/"' in place.client().get(f"/sign-in?next={quote(target)}").text


@pytest.mark.parametrize("target", ["/\t/evil.example", "/\n/evil.example"])
def test_a_tab_or_newline_in_the_target_does_not_become_another_site(place: Place, target: str) -> None:
    location = place.client().post("/sign-in", data={**ADA, "next": target}).headers["location"]
    assert location == "/" or re.fullmatch(r"/%0[9A]/evil\.example", location)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "null"},
    ],
)
def test_a_sign_in_sent_by_another_site_is_refused(place: Place, headers: dict[str, str]) -> None:
    answer = place.client().post("/sign-in", data=ADA, headers=headers)
    assert answer.status_code == 401
    assert "came from another site" in answer.text
    assert "set-cookie" not in answer.headers


def test_a_sign_in_that_names_this_site_is_taken(place: Place) -> None:
    headers = {"origin": "http://testserver", "sec-fetch-site": "same-origin"}
    assert place.client().post("/sign-in", data=ADA, headers=headers).status_code == 303


def test_ten_failures_close_an_address_for_ten_minutes(place: Place) -> None:
    browser = place.client()
    for _ in range(access.FAILURES_ALLOWED):
        assert browser.post("/sign-in", data={**ADA, "password": "wrong"}).status_code == 401
    refused = browser.post("/sign-in", data=ADA)
    assert (refused.status_code, "Too many failed attempts" in refused.text) == (503, True)
    place.clock.set(place.clock.now() + access.FAILURE_WINDOW + dt.timedelta(seconds=1))
    assert browser.post("/sign-in", data=ADA).status_code == 303


def test_a_stranger_who_guesses_does_not_lock_out_the_administrator(place: Place) -> None:
    for _ in range(access.FAILURES_ALLOWED + 1):
        with pytest.raises((NotSignedIn, Unavailable)):
            access.sign_in(place.world, ADA["email"], "wrong", source="203.0.113.9")
    assert access.sign_in(place.world, **ADA, source="198.51.100.1")[0].email == ADA["email"]


def test_many_addresses_of_one_ipv6_subscriber_are_one_source(place: Place) -> None:
    for last in range(access.FAILURES_ALLOWED):
        with pytest.raises(NotSignedIn):
            access.sign_in(place.world, ADA["email"], "wrong", source=f"2001:db8::{last:x}")
    with pytest.raises(Unavailable):
        access.sign_in(place.world, **ADA, source="2001:db8::ffff")
    assert access.sign_in(place.world, **ADA, source="2001:db8:0:1::1")[1]


def test_guesses_sent_at_once_are_not_more_than_guesses_in_turn(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each attempt is counted before its password is looked at, and few passwords are looked at together."""
    place.world.store.writer.start()
    guard, inside, most, looked = threading.Lock(), [0], [0], [0]
    verify = access._hasher.verify

    def counted(*given: str) -> bool:
        with guard:
            looked[0] += 1
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        try:
            return verify(*given)
        finally:
            with guard:
                inside[0] -= 1

    monkeypatch.setattr(access, "_hasher", SimpleNamespace(verify=counted))

    def guess(number: int) -> type[Exception]:
        with pytest.raises((NotSignedIn, Unavailable)) as found:
            access.sign_in(place.world, ADA["email"], f"guess {number}", source="203.0.113.9")
        return found.type

    with ThreadPoolExecutor(40) as pool:
        told = Counter(pool.map(guess, range(40)))
    assert told == {NotSignedIn: access.FAILURES_ALLOWED, Unavailable: 40 - access.FAILURES_ALLOWED}
    assert looked == [access.FAILURES_ALLOWED]
    assert most[0] <= access.HASHES_AT_ONCE


def test_a_right_password_is_not_counted_as_a_failure(place: Place) -> None:
    for _ in range(access.FAILURES_ALLOWED + 1):
        access.sign_in(place.world, **ADA, source="203.0.113.9")
    count = select(func.count()).select_from(tables.sign_in_failure)
    assert place.world.store.read(lambda connection: connection.execute(count).scalar_one()) == 0


def test_the_sign_of_life_needs_no_worker_thread() -> None:
    assert inspect.iscoroutinefunction(operations.alive)


def test_failures_of_one_address_do_not_close_another(place: Place) -> None:
    browser = place.client()
    for _ in range(access.FAILURES_ALLOWED + 1):
        browser.post("/sign-in", data={"email": "bo@example.org", "password": "wrong"})
    assert browser.post("/sign-in", data=ADA).status_code == 303


def test_an_unknown_address_is_closed_as_well(place: Place) -> None:
    browser = place.client()
    for _ in range(access.FAILURES_ALLOWED):
        browser.post("/sign-in", data={"email": "nobody@example.org", "password": "x"})
    assert browser.post("/sign-in", data={"email": "nobody@example.org", "password": "x"}).status_code == 503


# --- sessions -------------------------------------------------------------------------------------


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(place: Place) -> None:
    cookie = place.client().post("/sign-in", data=ADA).headers["set-cookie"]
    flags = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=lax", "path=/", f"max-age={access.SESSION_HOURS * 3600}"} <= flags
    assert "secure" not in flags  # this installation is served over http on the loopback


def test_the_cookie_is_for_https_only_where_the_site_is(make_place: Make) -> None:
    place = make_place(base_url="https://tocsin.example")
    cookie = place.client().post("/sign-in", data=ADA).headers["set-cookie"]
    assert "secure" in cookie.lower().replace(" ", "").split(";")


def test_the_database_keeps_the_digest_of_a_session_and_not_its_token(place: Place) -> None:
    browser = place.signed_in()
    token = browser.cookies[SESSION_COOKIE]
    kept = place.world.store.read(lambda c: c.execute(select(tables.session.c.digest)).scalars().all())
    assert kept == [access.digest(token)]
    assert token not in kept


def test_each_sign_in_has_its_own_session(place: Place) -> None:
    assert place.signed_in().cookies[SESSION_COOKIE] != place.signed_in().cookies[SESSION_COOKIE]


def test_a_session_ends_by_itself(place: Place) -> None:
    browser = place.signed_in()
    assert browser.get("/").status_code == 200
    place.clock.set(place.clock.now() + dt.timedelta(hours=access.SESSION_HOURS, seconds=1))
    assert browser.get("/").headers["location"] == "/sign-in?next=%2F"


def test_signing_out_ends_the_session_itself_and_not_only_the_cookie(place: Place) -> None:
    browser = place.signed_in()
    token = browser.cookies[SESSION_COOKIE]
    assert send(browser, "/sign-out").headers["location"] == "/sign-in"
    thief = place.client()
    thief.cookies.set(SESSION_COOKIE, token)
    assert thief.get("/").status_code == 303


def test_a_made_up_cookie_opens_nothing(place: Place) -> None:
    browser = place.client()
    browser.cookies.set(SESSION_COOKIE, "a" * 43)
    assert browser.get("/").status_code == 303


def test_a_page_is_asked_for_again_after_the_sign_in_it_needed(place: Place) -> None:
    answer = place.client().get("/incidents?status=open&q=loan")
    assert unquote(answer.headers["location"]) == "/sign-in?next=/incidents?status=open&q=loan"


# --- forms ----------------------------------------------------------------------------------------


def notes(place: Place, number: int) -> list[str]:
    """Return the texts of the notes of an incident."""
    told = place.client(**place.bearer("viewer")).get(f"/api/v1/incidents/{number}/timeline").json()
    return [one["text"] for one in told["timeline"] if one["type"] == "incident.note_added"]


def test_a_form_with_its_sessions_token_is_taken(place: Place) -> None:
    number = place.declare()
    answer = send(place.signed_in(), f"/incidents/{number}/notes", text="We called the branch.")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/incidents/{number}")
    assert notes(place, number) == ["We called the branch."]


@pytest.mark.parametrize("token", [None, "", "0" * 64, "é"])
def test_a_form_without_its_token_changes_nothing(place: Place, token: str | None) -> None:
    number = place.declare()
    given = {"text": "Forged."} if token is None else {"text": "Forged.", "csrf": token}
    answer = place.signed_in().post(f"/incidents/{number}/notes", data=given)
    assert (answer.status_code, notes(place, number)) == (403, [])


def test_the_token_of_another_session_does_not_do(place: Place) -> None:
    number = place.declare()
    other = csrf_of(place.signed_in("responder").get("/").text)
    answer = place.signed_in("lead").post(
        f"/incidents/{number}/notes", data={"text": "Forged.", "csrf": other}
    )
    assert (answer.status_code, notes(place, number)) == (403, [])


def test_another_site_cannot_send_json_with_a_cookie(place: Place) -> None:
    browser = place.signed_in()
    answer = browser.post(
        "/api/v1/incidents", json={"title": "Forged"}, headers={"origin": "https://evil.example"}
    )
    assert answer.status_code == 403
    found = place.world.store.read(
        lambda c: c.execute(select(func.count()).select_from(tables.incident)).scalar_one()
    )
    assert found == 0


def test_a_script_of_this_site_sends_the_token_as_a_header(place: Place) -> None:
    browser = place.signed_in()
    token = csrf_of(browser.get("/").text)
    answer = browser.post("/api/v1/incidents", json={"title": "Slow"}, headers={"x-csrf-token": token})
    assert answer.status_code == 201


# --- one tap --------------------------------------------------------------------------------------


def link(place: Place, number: int) -> str:
    """Return the path of the link that Ada was sent about an incident."""
    asked = (
        one for one in place.sender.sent if one.address == "ada@example.org" and f"INC-{number} " in one.title
    )
    found = re.search(r"/acknowledge/\S+", next(asked).body)
    assert found
    return found[0]


def answered(place: Place, number: int) -> tuple[str, ...]:
    """Return who acknowledged."""
    query = select(tables.incident.c.id).where(tables.incident.c.number == number)
    id = place.world.store.read(lambda connection: connection.execute(query).scalar_one())
    return place.world.store.state(PAGE, id).acknowledged_by


def test_opening_the_link_changes_nothing(place: Place) -> None:
    number = place.declare()
    for _ in range(3):
        answer = place.client().get(link(place, number))
        assert (answer.status_code, "Acknowledge: I am on it" in answer.text) == (200, True)
    place.program.runner.settle()
    assert answered(place, number) == ()


def test_the_button_acknowledges_without_a_sign_in_and_a_second_time_changes_nothing(place: Place) -> None:
    number = place.declare()
    path, browser = link(place, number), place.client()
    answer = browser.post(path)
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    browser.post(path)
    place.program.runner.settle()
    assert answered(place, number) == ("ada",)
    shown = browser.get(path).text
    assert "You acknowledged this page." in shown
    assert "Ada Reyes is in command." in shown
    assert "I am on it" not in shown


def test_whoever_holds_the_link_sees_the_incident_and_nothing_of_the_rest(place: Place) -> None:
    first, _ = place.declare("The first one"), place.declare("The second one")
    html = place.client().get(link(place, first)).text
    assert "The first one" in html
    assert "The second one" not in html
    assert "<nav" not in html


def test_an_expired_link_acknowledges_nothing(place: Place) -> None:
    number = place.declare()
    path = link(place, number)
    place.clock.set(place.clock.now() + dt.timedelta(hours=25))
    for answer in (place.client().get(path), place.client().post(path)):
        assert (answer.status_code, "This link has expired." in answer.text) == (401, True)
    assert answered(place, number) == ()


def altered(path: str) -> list[str]:
    body, _, seal = path.removeprefix("/acknowledge/").partition(".")
    return [
        f"/acknowledge/{one}"
        for one in (f"{body}A.{seal}", f"{body}.{seal[:-2]}AA", f"{body}.", body, "x.y", f"{body}.é")
    ]


def test_a_forged_link_acknowledges_nothing(place: Place) -> None:
    number = place.declare()
    for path in altered(link(place, number)):
        for answer in (place.client().get(path), place.client().post(path)):
            assert (answer.status_code, "This link is not genuine." in answer.text) == (401, True)
    assert answered(place, number) == ()


def test_a_link_signed_with_another_secret_or_for_another_purpose_is_not_genuine(place: Place) -> None:
    number = place.declare()
    world, expires = place.world, place.clock.now() + dt.timedelta(hours=1)
    payload = read_link(
        world.link_secret, link(place, number).removeprefix("/acknowledge/"), place.clock.now()
    )
    other = sign_link(b"o" * 32, payload, expires)
    purpose = sign_link(world.link_secret, payload, expires, purpose="subscribe")
    assert [place.client().post(f"/acknowledge/{one}").status_code for one in (other, purpose)] == [401, 401]
    assert answered(place, number) == ()
    own = sign_link(world.link_secret, payload, expires)
    assert place.client().post(f"/acknowledge/{own}").status_code == 303


def test_the_page_of_a_resolved_incident_offers_nothing_to_press(place: Place) -> None:
    number = place.declare()
    path = link(place, number)
    send(place.signed_in("lead"), f"/incidents/{number}/resolve", text="The alias was moved back.")
    html = place.client().get(path).text
    assert "Nothing is left to acknowledge." in html
    assert "<button" not in html


def test_the_link_names_no_secret_in_the_record(place: Place) -> None:
    number = place.declare()
    token = link(place, number).removeprefix("/acknowledge/")
    query = select(tables.incident.c.id).where(tables.incident.c.number == number)
    id = place.world.store.read(lambda connection: connection.execute(query).scalar_one())
    assert all(token not in one.payload.decode() for _, one in place.world.store.events(scope=id))
    assert place.world.store.state(INCIDENT, id).number == number
