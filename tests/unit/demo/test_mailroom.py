"""The mail server and the webhook receiver: real SMTP, everything kept, nothing trusted."""

from __future__ import annotations

import json
import smtplib
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller

from tocsin_demo.json_http import Request
from tocsin_demo.mailroom import Mailbox, Receiver, answer, page
from tocsin_demo.processes import free_ports

# aiosmtpd's controller hands an event loop to a thread in a way that newer Pythons call deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def mailbox(tmp_path: Path) -> Mailbox:
    return Mailbox(tmp_path)


@pytest.fixture
def port(mailbox: Mailbox) -> Iterator[int]:
    (port,) = free_ports(1)
    controller = Controller(Receiver(mailbox), hostname="127.0.0.1", port=port, enable_SMTPUTF8=True)
    controller.start()
    yield port
    controller.stop()


def message(text: str, subject: str = "Page: gap grows", html: bool = False) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "tocsin@example.org", "ada@example.org", subject
    mail["X-Page-Key"] = "k1"
    mail.set_content(text, subtype="html" if html else "plain")
    return mail


def send(port: int, mail: EmailMessage) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=5) as smtp:
        smtp.send_message(mail)


def get(mailbox: Mailbox, path: str) -> object:
    return answer(mailbox, Request("GET", path, {}, b"")).data


def test_a_mail_over_real_smtp_is_kept_as_it_came(mailbox: Mailbox, port: int) -> None:
    send(port, message("Acknowledge: http://127.0.0.1:8700/a/abc"))
    (mail,) = mailbox.mails()
    assert mail.recipients == ("ada@example.org",)
    assert mail.subject == "Page: gap grows"
    assert mail.text.strip() == "Acknowledge: http://127.0.0.1:8700/a/abc"
    assert mail.headers["X-Page-Key"] == "k1"
    raw = mailbox.raw_mail(mail.id)
    assert raw is not None
    assert b"X-Page-Key: k1" in raw


def test_mails_are_listed_in_the_order_in_which_they_came(mailbox: Mailbox, port: int) -> None:
    for number in range(3):
        send(port, message("text", subject=f"mail {number}"))
    listed = get(mailbox, "/mail")
    assert isinstance(listed, list)
    assert [mail["subject"] for mail in listed] == ["mail 0", "mail 1", "mail 2"]


def test_a_mail_in_html_only_gives_its_text(mailbox: Mailbox, port: int) -> None:
    send(port, message("<p>gap &lt; <b>0.25</b></p>", html=True))
    assert mailbox.mails()[0].text.split() == ["gap", "<", "0.25"]


def test_mails_outlive_the_process(mailbox: Mailbox, port: int, tmp_path: Path) -> None:
    send(port, message("one"))
    again = Mailbox(tmp_path)
    assert again.keep_mail("a@example.org", ["b@example.org"], b"Subject: two\r\n\r\ntwo") == "000002"
    assert [mail.subject for mail in again.mails()] == ["Page: gap grows", "two"]


def test_the_page_shows_links_and_escapes_everything_else(mailbox: Mailbox, port: int) -> None:
    send(port, message("<script>x</script> http://127.0.0.1/a?b=1&c=2 end", subject="<img src=x>"))
    shown = page(mailbox.mails())
    assert "<script>" not in shown
    assert "<img" not in shown
    assert '<a href="http://127.0.0.1/a?b=1&amp;c=2">http://127.0.0.1/a?b=1&amp;c=2</a> end' in shown


def test_an_empty_mailbox_says_so() -> None:
    assert "No mail yet." in page([])


def test_a_webhook_is_kept_with_its_headers_and_body(mailbox: Mailbox) -> None:
    body = json.dumps({"incident": "INC-1"}).encode()
    reply = answer(mailbox, Request("POST", "/hook/on-call", {"x-key": "k1"}, body))
    assert reply.data == {"kept": "000001"}
    (hook,) = mailbox.hooks()
    assert (hook.name, hook.headers, json.loads(hook.body)) == (
        "on-call",
        {"x-key": "k1"},
        {"incident": "INC-1"},
    )


@pytest.mark.parametrize("path", ["/mail/000009", "/mail/..", "/mail/000001.json", "/nothing", "/hook/a/b"])
def test_what_is_not_there_is_not_found(mailbox: Mailbox, path: str) -> None:
    assert answer(mailbox, Request("GET", path, {}, b"")).status == 404
