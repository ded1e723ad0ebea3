"""The demonstration's mail server and webhook receiver: real SMTP, real HTTP, everything kept as files.

python -m tocsin_demo.mailroom --smtp-port 8725 --http-port 8726 --dir /tmp/mailroom

GET  /              the mailbox, for people
GET  /mail          the mails as JSON, oldest first
GET  /mail/{id}     one mail as it came (message/rfc822)
POST /hook/{name}   anything; it is kept
GET  /hook          the requests kept, oldest first
GET  /healthz       200
"""

from __future__ import annotations

import argparse
import datetime as dt
import email
import email.policy
import html
import json
import re
import sys
import threading
from dataclasses import asdict, dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller

from tocsin_demo.json_http import JsonServer, Reply, Request

HOST = "127.0.0.1"
LARGEST_MAIL = 10_000_000
MOST_TEXT = 20_000
LINK = re.compile(r"https?://[^\s<>\"']+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One mail: who sent it to whom (by envelope), when it came, and what it says."""

    id: str
    received_at: str
    sender: str
    recipients: tuple[str, ...]
    subject: str
    text: str
    headers: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """One request to the webhook receiver."""

    id: str
    received_at: str
    name: str
    headers: dict[str, str]
    body: str


class Mailbox:
    """Mails and webhook requests as files in one directory. Files appear whole: written aside, then renamed."""

    def __init__(self, directory: Path) -> None:
        self._mails, self._hooks = directory / "mails", directory / "hooks"
        self._lock = threading.Lock()
        for place in (self._mails, self._hooks):
            place.mkdir(parents=True, exist_ok=True)

    def keep_mail(self, sender: str, recipients: list[str], data: bytes) -> str:
        """Keep one mail; return its id."""
        envelope = {"received_at": _now(), "sender": sender, "recipients": recipients}
        with self._lock:
            id = _next_id(self._mails, "*.eml")
            _write(self._mails / f"{id}.json", json.dumps(envelope).encode())
            _write(self._mails / f"{id}.eml", data)
        return id

    def keep_hook(self, name: str, headers: dict[str, str], body: bytes) -> str:
        """Keep one request; return its id."""
        kept = {
            "received_at": _now(),
            "name": name,
            "headers": headers,
            "body": body.decode(errors="replace"),
        }
        with self._lock:
            id = _next_id(self._hooks, "*.json")
            _write(self._hooks / f"{id}.json", json.dumps(kept).encode())
        return id

    def mails(self) -> list[Mail]:
        """Return every mail, oldest first."""
        return [self._mail(path) for path in sorted(self._mails.glob("*.eml"))]

    def raw_mail(self, id: str) -> bytes | None:
        """Return one mail as it came, or None."""
        path = self._mails / f"{id}.eml"
        return path.read_bytes() if re.fullmatch(r"[0-9]{6}", id) and path.is_file() else None

    def hooks(self) -> list[Hook]:
        """Return every request, oldest first."""
        return [
            Hook(id=path.stem, **json.loads(path.read_bytes())) for path in sorted(self._hooks.glob("*.json"))
        ]

    def _mail(self, path: Path) -> Mail:
        envelope = json.loads(path.with_suffix(".json").read_bytes())
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        return Mail(
            id=path.stem,
            received_at=envelope["received_at"],
            sender=envelope["sender"],
            recipients=tuple(envelope["recipients"]),
            subject=str(message["Subject"] or ""),
            text=_text(message),
            headers={name: str(value) for name, value in message.items()},
        )


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat()


def _next_id(place: Path, pattern: str) -> str:
    last = max((int(path.stem) for path in place.glob(pattern)), default=0)
    return f"{last + 1:06d}"


def _write(path: Path, data: bytes) -> None:
    aside = path.with_name(path.name + ".part")
    aside.write_bytes(data)
    aside.rename(path)


def _text(message: EmailMessage) -> str:
    """Return the plain text of a mail; of a mail in HTML only, its text without the marks."""
    body = message.get_body(preferencelist=("plain", "html"))
    if body is None:
        return ""
    content = body.get_content()
    if not isinstance(content, str):
        return ""
    if body.get_content_subtype() == "html":
        content = html.unescape(re.sub(r"<[^>]*>", " ", content))
    return content[:MOST_TEXT]


class Receiver:
    """aiosmtpd calls this for every mail."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep the mail before saying that it was accepted."""
        id = self._mailbox.keep_mail(
            str(envelope.mail_from), list(envelope.rcpt_tos), bytes(envelope.content)
        )
        return f"250 OK kept as {id}"


def answer(mailbox: Mailbox, request: Request) -> Reply:
    """Return the answer to one request."""
    parts = request.path.strip("/").split("/")
    match request.method, parts:
        case "GET", [""]:
            return Reply(page(mailbox.mails()), media_type="text/html; charset=utf-8")
        case "GET", ["healthz"]:
            return Reply({"status": "ok"})
        case "GET", ["mail"]:
            return Reply([asdict(mail) for mail in mailbox.mails()])
        case "GET", ["mail", id]:
            raw = mailbox.raw_mail(id)
            return (
                Reply({"error": "no such mail"}, 404)
                if raw is None
                else Reply(raw, media_type="message/rfc822")
            )
        case "GET", ["hook"]:
            return Reply([asdict(hook) for hook in mailbox.hooks()])
        case "POST" | "PUT", ["hook", name]:
            return Reply({"kept": mailbox.keep_hook(name, request.headers, request.body)})
        case _:
            return Reply({"error": "no such address"}, 404)


def page(mails: list[Mail]) -> str:
    """Return the mailbox as a page, newest first. Everything from a mail is escaped; links become links."""
    items = "".join(
        f"<article><h2>{html.escape(mail.subject)}</h2>"
        f"<p>to {html.escape(', '.join(mail.recipients))}, {html.escape(mail.received_at)}</p>"
        f"<pre>{_linked(mail.text)}</pre></article>"
        for mail in reversed(mails)
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Mailbox of the demonstration</title>'
        '<meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="5">'
        "<style>body{font:16px system-ui;max-width:48rem;margin:2rem auto;padding:0 1rem}"
        "pre{white-space:pre-wrap;overflow-wrap:anywhere}article{border-top:1px solid}</style>"
        f"<main><h1>Mailbox of the demonstration</h1>{items or '<p>No mail yet.</p>'}</main></html>"
    )


def _linked(text: str) -> str:
    parts, last = [], 0
    for link in LINK.finditer(text):
        target = html.escape(link[0])
        parts += [html.escape(text[last : link.start()]), f'<a href="{target}">{target}</a>']
        last = link.end()
    return "".join([*parts, html.escape(text[last:])])


def main(argv: list[str] | None = None) -> int:
    """Receive mails and webhooks until SIGTERM."""
    parser = argparse.ArgumentParser(description="Mail server and webhook receiver of the demonstration.")
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--http-port", type=int, required=True)
    parser.add_argument("--dir", type=Path, required=True, help="where mails and requests are kept")
    asked = parser.parse_args(argv)
    mailbox = Mailbox(asked.dir)
    smtp = Controller(
        Receiver(mailbox),
        hostname=HOST,
        port=asked.smtp_port,
        data_size_limit=LARGEST_MAIL,
        enable_SMTPUTF8=True,
    )
    server = JsonServer(lambda request: answer(mailbox, request), asked.http_port)
    server.stop_on_signals()
    smtp.start()
    print(f"mailroom: SMTP on port {asked.smtp_port}, HTTP on port {server.port}", file=sys.stderr)
    try:
        server.run()
    finally:
        smtp.stop()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
