"""Locking somebody out, and giving them another password (PLT-1)."""

from __future__ import annotations

import pytest

from tests.unit.web.conftest import PASSWORD, Place, send
from tocsin.catalog.access import ACCESS
from tocsin.engine import access
from tocsin.kernel.errors import NotSignedIn
from tocsin.store.transaction import INSTALLATION

NEW = "another long password"


def told(place: Place) -> list[str]:
    """Return the names of the events of the access stream."""
    events = place.world.store.events(stream=ACCESS.stream(INSTALLATION))
    return [type(one.event).__struct_config__.tag for _, one in events]


def post(place: Place, action: str, body: object = None) -> int:
    path = f"/api/v1/accounts/{place.account('lead')}/{action}"
    status: int = place.client(**place.bearer("administrator")).post(path, json=body).status_code
    return status


def test_a_disabled_account_has_no_session_no_token_and_no_sign_in(place: Place) -> None:
    browser, token = place.signed_in("lead"), place.bearer("lead")
    assert browser.get("/").status_code == 200
    assert post(place, "disable") == 200
    assert browser.get("/").status_code == 303
    assert place.client(**token).get("/api/v1/me").status_code == 401
    with pytest.raises(NotSignedIn):
        access.sign_in(place.world, "ada@example.org", PASSWORD)
    assert post(place, "disable") == 200
    assert told(place).count("access.account_disabled") == 1


def test_an_enabled_account_comes_in_again_and_its_old_session_does_not(place: Place) -> None:
    browser = place.signed_in("lead")
    assert (post(place, "disable"), post(place, "enable")) == (200, 200)
    assert browser.get("/").status_code == 303
    assert place.client(**place.bearer("lead")).get("/api/v1/me").status_code == 200
    assert access.sign_in(place.world, "ada@example.org", PASSWORD)[1]
    assert "access.account_enabled" in told(place)


def test_a_new_password_ends_the_sessions_of_the_old_one(place: Place) -> None:
    browser = place.signed_in("lead")
    assert post(place, "password", {"password": NEW}) == 200
    assert browser.get("/").status_code == 303
    with pytest.raises(NotSignedIn):
        access.sign_in(place.world, "ada@example.org", PASSWORD)
    assert access.sign_in(place.world, "ada@example.org", NEW)[1]
    assert told(place).count("access.password_set") == 1
    assert post(place, "password", {"password": "short"}) == 422


def test_the_last_administrator_who_may_sign_in_is_neither_disabled_nor_made_less(place: Place) -> None:
    world, mine = place.world, place.account("administrator")
    other = access.create_account(
        world, email="eve@example.org", name="Eve", password=NEW, role="administrator", actor="system:test"
    )
    browser = place.client(**place.bearer("administrator"))
    assert browser.post(f"/api/v1/accounts/{other.id}/disable").status_code == 200
    refused = browser.post(f"/api/v1/accounts/{mine}/disable")
    assert (refused.status_code, refused.json()["detail"]) == (409, "This is the last administrator.")
    assert browser.post(f"/api/v1/accounts/{mine}/role", json={"role": "viewer"}).status_code == 409
    assert browser.post(f"/api/v1/accounts/{other.id}/enable").status_code == 200
    assert browser.post(f"/api/v1/accounts/{mine}/disable").status_code == 200


def test_the_page_of_access_locks_out_lets_in_and_sets_passwords(place: Place) -> None:
    browser, lead = place.signed_in("administrator"), place.account("lead")
    assert send(browser, f"/access/accounts/{lead}/disable", seen_on="/access").status_code == 303
    assert f"/access/accounts/{lead}/enable" in browser.get("/access").text
    assert send(browser, f"/access/accounts/{lead}/enable", seen_on="/access").status_code == 303
    assert f"/access/accounts/{lead}/disable" in browser.get("/access").text
    answer = send(browser, f"/access/accounts/{lead}/password", seen_on="/access", password=NEW)
    assert answer.status_code == 303
    assert access.sign_in(place.world, "ada@example.org", NEW)[1]


@pytest.mark.parametrize("action", ["disable", "enable", "password"])
def test_an_account_that_is_not_there_is_refused(place: Place, action: str) -> None:
    browser = place.client(**place.bearer("administrator"))
    answer = browser.post(f"/api/v1/accounts/nobody/{action}", json={"password": NEW})
    assert answer.status_code == 409


def test_a_sign_in_on_its_way_while_the_account_is_disabled_opens_no_session(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    matches = access._matches

    def meanwhile(hashed: str | None, password: str) -> bool:
        access.disable(place.world, place.account("lead"), actor="system:test")
        return matches(hashed, password)

    monkeypatch.setattr(access, "_matches", meanwhile)
    with pytest.raises(NotSignedIn):
        access.sign_in(place.world, "ada@example.org", PASSWORD)
