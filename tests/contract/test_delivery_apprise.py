"""What the real sender must also do, because networks are unkind and a URL may lead anywhere."""

from __future__ import annotations

import base64
import logging
import time

import pytest

from tests.contract.receivers import dripping_server, free_port, http_server, smtp_server
from tocsin.connectors import apprise as connector
from tocsin.connectors.apprise import AppriseSender, MailServer

LOOPBACK = ("127.0.0.1",)
KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"


def mail(port: int, **more: object) -> MailServer:
    return MailServer(host="127.0.0.1", port=port, sender="tocsin@example.org", security="none", **more)


def test_a_refused_recipient_is_told_by_the_codes_of_the_mail_server() -> None:
    with smtp_server() as (_, port):
        outcome = AppriseSender(mail=mail(port)).send("nobody@example.org", "Page", "Body", KEY, 5)
    assert outcome.detail == "Refused by the mail server: 550 5.1.1."


def test_a_refused_post_is_told_by_its_status() -> None:
    with http_server() as (_, port):
        outcome = AppriseSender(allowed=LOOPBACK).send(
            f"http://127.0.0.1:{port}/refuse", "Page", "Body", KEY, 5
        )
    assert outcome.detail == "Refused by the receiver: HTTP 500."


def test_nobody_listening_is_told_as_such() -> None:
    with free_port() as port:
        by_mail = AppriseSender(mail=mail(port)).send("ana@example.org", "Page", "Body", KEY, 5)
        by_post = AppriseSender(allowed=LOOPBACK).send(f"http://127.0.0.1:{port}/", "Page", "Body", KEY, 5)
    assert by_mail.detail == by_post.detail == "Nothing listens at the address."


def test_the_limit_holds_although_every_single_read_is_answered() -> None:
    with dripping_server() as port:
        begun = time.monotonic()
        outcome = AppriseSender(mail=mail(port)).send("ana@example.org", "Page", "Body", KEY, 0.3)
        assert time.monotonic() - begun < 2.0
    assert outcome.detail == "No answer within 0.3 s; it may still arrive."


def test_deliveries_that_hang_are_bounded_and_give_their_places_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connector, "MOST_AT_ONCE", 1)
    with http_server() as (server, port):
        with dripping_server() as dripping:
            sender = AppriseSender(mail=mail(dripping), allowed=LOOPBACK)
            hanging = sender.send("ana@example.org", "Page", "Body", KEY, 0.1)
            full = sender.send(f"http://127.0.0.1:{port}/", "Page", "Body", KEY, 5)
        again, deadline = full, time.monotonic() + 5
        while not again.accepted and time.monotonic() < deadline:
            again = sender.send(f"http://127.0.0.1:{port}/", "Page", "Body", KEY, 5)
    assert "may still arrive" in hanging.detail
    assert full.detail == "Too many deliveries hang at once."
    assert again.accepted
    assert len(server.received) == 1


def test_three_messages_in_a_row_are_not_slowed_down() -> None:
    with smtp_server() as (mailbox, port):
        sender, begun = AppriseSender(mail=mail(port)), time.monotonic()
        for number in range(3):
            assert sender.send("ana@example.org", f"Page {number}", "Body", KEY, 5).accepted
        assert time.monotonic() - begun < 2.0
    assert [each.title for each in mailbox.received] == ["Page 0", "Page 1", "Page 2"]


def test_an_e_mail_says_that_no_person_wrote_it_and_goes_to_one_recipient() -> None:
    with smtp_server() as (mailbox, port):
        assert AppriseSender(mail=mail(port)).send("ana@example.org", "Page", "Body", KEY, 5).accepted
    (received,) = mailbox.received
    assert received.headers["Auto-Submitted"] == "auto-generated"  # RFC 3834 section 5
    assert received.headers["From"] == "tocsin@example.org"
    assert received.headers["Content-Type"].startswith("text/plain")
    assert mailbox.recipients == ["ana@example.org"]


@pytest.mark.parametrize(
    "address",
    ["ana@example.org, eve@example.org", "ana@example.org;eve@example.org", "Ana <eve@example.org>"],
)
def test_an_e_mail_address_is_one_address(address: str) -> None:
    with smtp_server() as (mailbox, port):
        outcome = AppriseSender(mail=mail(port)).send(address, "Page", "Body", KEY, 5)
    assert outcome.detail.startswith("This is not one e-mail address.")
    assert mailbox.received == []


def test_without_a_mail_server_the_outcome_says_so() -> None:
    outcome = AppriseSender().send("ana@example.org", "Page", "Body", KEY, 5)
    assert outcome.detail.startswith("No mail server is configured.")


def test_a_web_address_keeps_its_path_its_query_and_its_sign_in() -> None:
    with http_server() as (server, port):
        url = f"http://ana:pass%40word@127.0.0.1:{port}/a%20b/c?room=7&room=8&q=x%26y"
        assert AppriseSender(allowed=LOOPBACK).send(url, "Page", "Body", KEY, 5).accepted
    (received,) = server.received
    assert received.path == "/a%20b/c?room=7&room=8&q=x%26y"
    assert base64.b64decode(received.headers["Authorization"].removeprefix("Basic ")) == b"ana:pass@word"


def test_a_redirect_is_not_followed() -> None:
    with http_server() as (server, port):
        outcome = AppriseSender(allowed=LOOPBACK).send(f"http://127.0.0.1:{port}/elsewhere", "P", "B", KEY, 5)
    assert outcome.detail == "Refused by the receiver: HTTP 307."
    assert server.received == []


@pytest.mark.parametrize("scheme", ["http", "json", "xml", "form"])
def test_loopback_is_out_of_reach_unless_listed(scheme: str) -> None:
    with http_server() as (server, port):
        outcome = AppriseSender().send(f"{scheme}://127.0.0.1:{port}/hook", "Page", "Body", KEY, 5)
    assert not outcome.accepted
    assert "a loopback address" in outcome.detail
    assert server.received == []


def test_any_service_that_apprise_knows_can_be_used_and_carries_the_key() -> None:
    with http_server() as (server, port):
        outcome = AppriseSender(allowed=LOOPBACK).send(
            f"json://127.0.0.1:{port}/hook", "Page", "Body", KEY, 5
        )
    assert outcome.accepted
    (received,) = server.received
    assert received.headers["X-Tocsin-Key"] == KEY


@pytest.mark.parametrize(
    "address", ["nosuchservice://x/y", "http://", "http://exa mple/", "slack://secret-word"]
)
def test_a_useless_address_fails_with_a_sentence(address: str) -> None:
    outcome = AppriseSender().send(address, "Page", "Body", KEY, 5)
    assert not outcome.accepted
    assert outcome.detail.endswith(".")
    assert "secret-word" not in outcome.detail


class Listener(logging.Handler):
    """Hears what the program's own log would."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name} {record.getMessage()}")


def test_nothing_of_the_message_or_the_address_gets_into_the_log(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    root, listener = logging.getLogger(), Listener()
    monkeypatch.setattr(root, "handlers", [listener])
    before = root.level
    root.setLevel(logging.DEBUG)  # not monkeypatched: setLevel also forgets what other loggers remember
    request.addfinalizer(lambda: root.setLevel(before))
    with http_server() as (_, port), smtp_server() as (_, smtp):
        sender = AppriseSender(mail=mail(smtp), allowed=LOOPBACK)
        url = f"http://ana:secret-word@127.0.0.1:{port}/refuse?token=secret-word"
        assert not sender.send(url, "secret-title", "secret-body", KEY, 5).accepted
        assert sender.send("secret-person@example.org", "secret-title", "secret-body", KEY, 5).accepted
    ours = [line for line in listener.lines if not line.startswith("mail.log")]  # the receiver's own log
    assert [line for line in ours if "secret" in line] == []


def test_the_password_of_the_mail_server_is_not_shown() -> None:
    assert "secret-word" not in repr(mail(25, user="tocsin", password="secret-word"))
