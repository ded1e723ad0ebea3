"""A one-tap link proves who was sent it, for a while, for one purpose."""

from __future__ import annotations

import base64
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.kernel.errors import Invalid, NotSignedIn
from tocsin.response.oncall.link import read_link, sign_link

SECRET = bytes(range(32))
NOW = dt.datetime(2026, 1, 5, 3, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(hours=1)
PAYLOAD = {"page": "019b8a00-0000-7000-8000-000000000001", "person": "ana"}
TOKEN = sign_link(SECRET, PAYLOAD, LATER)


def test_a_link_gives_back_what_was_signed() -> None:
    assert read_link(SECRET, TOKEN, NOW) == PAYLOAD


def test_a_link_works_until_it_expires() -> None:
    assert read_link(SECRET, TOKEN, LATER - dt.timedelta(seconds=1)) == PAYLOAD
    with pytest.raises(NotSignedIn, match="expired"):
        read_link(SECRET, TOKEN, LATER)


def test_a_link_is_for_one_purpose_and_from_one_secret() -> None:
    for secret, purpose in ((SECRET, "unsubscribe"), (SECRET[::-1], "acknowledge")):
        with pytest.raises(NotSignedIn, match="not genuine"):
            read_link(secret, TOKEN, NOW, purpose=purpose)
    other = sign_link(SECRET, PAYLOAD, LATER, purpose="unsubscribe")
    assert read_link(SECRET, other, NOW, purpose="unsubscribe") == PAYLOAD


def test_reading_a_link_changes_nothing_so_a_scanner_that_opens_it_does_no_harm() -> None:
    assert [read_link(SECRET, TOKEN, NOW) for _ in range(3)] == [PAYLOAD] * 3


def test_the_same_link_is_made_for_the_same_facts() -> None:
    assert sign_link(SECRET, dict(reversed(PAYLOAD.items())), LATER) == TOKEN


def test_a_token_needs_no_escaping_in_a_url() -> None:
    assert set(TOKEN) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


@pytest.mark.parametrize(
    "token", ["", ".", "a.b", "schlüssel.schlüssel", "a.b.c", "\ud800.x", TOKEN + "A", "=" * 50]
)
def test_what_is_no_token_is_not_genuine(token: str) -> None:
    with pytest.raises(NotSignedIn, match="not genuine"):
        read_link(SECRET, token, NOW)


def test_no_single_changed_character_goes_unnoticed() -> None:
    for place in range(len(TOKEN)):
        changed = TOKEN[:place] + ("A" if TOKEN[place] != "A" else "B") + TOKEN[place + 1 :]
        with pytest.raises(NotSignedIn):
            read_link(SECRET, changed, NOW)


def test_a_longer_life_cannot_be_written_into_a_link() -> None:
    body, _, seal = TOKEN.partition(".")
    text = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode()
    longer = text.replace(str(int(LATER.timestamp())), str(int(LATER.timestamp()) + 10**6))
    assert longer != text
    forged = base64.urlsafe_b64encode(longer.encode()).rstrip(b"=").decode()
    with pytest.raises(NotSignedIn, match="not genuine"):
        read_link(SECRET, f"{forged}.{seal}", NOW)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(Invalid, match="too short"):
        sign_link(b"short", PAYLOAD, LATER)


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=50), max_size=5))
def test_any_text_travels(payload: dict[str, str]) -> None:
    assert read_link(SECRET, sign_link(SECRET, payload, LATER), NOW) == payload
