"""Delivers messages through Apprise: e-mail by SMTP, JSON to a web address, and every service Apprise knows.

Apprise 2.2 tells only yes or no, sleeps between two sends of one object, follows redirects and writes
addresses into its log. So each send builds a fresh object, redirects are off, connections are guarded, and
its log is read here for known words and goes no further.

The key travels as the header `X-Tocsin-Key` and a last line of an e-mail; as the header `Idempotency-Key`
and the field `key` of JSON; and as a last line elsewhere. (Apprise makes its own Message-ID.)
"""

from __future__ import annotations

import logging
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar
from urllib.parse import unquote, urlsplit

import apprise
from apprise.exception import AppriseImproperlyConfigured
from apprise.plugins.custom_json import NotifyJSON

from tocsin.connectors.outgoing import Allowed, Destination, check_destination, check_host, guarded
from tocsin.connectors.sender import DeliveryOutcome, check_key
from tocsin.connectors.time_limit import within
from tocsin.kernel.errors import TocsinError, Unavailable

with warnings.catch_warnings():
    # It looks for `imghdr`, which Python 3.11 announces the end of.
    warnings.simplefilter("ignore", DeprecationWarning)
    from apprise.plugins.email import NotifyEmail

P = TypeVar("P", NotifyEmail, NotifyJSON)

MOST_AT_ONCE = 32
"""Deliveries under way, those that hang beyond their limit included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """The SMTP server that takes our e-mail."""

    host: str
    port: int
    sender: str
    """The address that e-mail comes from."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password: str = field(default="", repr=False)
    verify_certificate: bool = True


class AppriseSender:
    """A `Sender` that really sends. Safe to use from several threads.

    `mail` is None when the installation sends no e-mail. `allowed` lists destinations that are not public.
    """

    def __init__(self, *, mail: MailServer | None = None, allowed: Allowed = False) -> None:
        self._mail = mail
        self._allowed = allowed
        self._places = threading.BoundedSemaphore(MOST_AT_ONCE)
        _listen()

    def send(self, address: str, title: str, body: str, key: str, timeout: float) -> DeliveryOutcome:
        """Deliver one message, as `Sender` says. The time limit holds whatever the other side does."""
        check_key(key)
        if not self._places.acquire(blocking=False):
            return _failed("Too many deliveries hang at once.")
        try:
            return within(timeout, "The delivery", lambda: self._deliver(address, title, body, key, timeout))
        except Unavailable:
            return _failed(f"No answer within {timeout:g} s; it may still arrive.")

    def _deliver(self, address: str, title: str, body: str, key: str, timeout: float) -> DeliveryOutcome:
        """Run in its own thread, which may outlive the time limit, so it gives its place back itself."""
        try:
            plugin, *destinations = self._plugin(address, key)
            plugin.socket_connect_timeout = plugin.socket_read_timeout = timeout
            text = body if isinstance(plugin, NotifyJSON) else f"{body.rstrip()}\n\n-- \nDelivery {key}\n"
            with _heard() as lines, guarded(self._allowed, *destinations) as stopped:
                accepted = plugin.notify(body=text, title=title, body_format=apprise.NotifyFormat.TEXT)
            if accepted:
                by = "mail server" if isinstance(plugin, NotifyEmail) else "receiver"
                return DeliveryOutcome(outcome="accepted", detail=f"Accepted by the {by}.")
            return _failed(stopped[0] if stopped else _reason(lines))
        except TocsinError as error:
            return _failed(str(error))
        except Exception as error:  # a plugin's defect must not stop the next contact method
            return _failed(f"The sender failed ({type(error).__name__}).")
        finally:
            self._places.release()

    def _plugin(self, address: str, key: str) -> tuple[Any, Destination] | tuple[Any]:
        scheme = address.partition("://")[0].lower() if "://" in address else ""
        if scheme in ("http", "https"):
            return _json(address, key), check_destination(address, self._allowed)
        if scheme:
            return (_native(address, key),)
        if self._mail is None:
            raise Unavailable(
                "No mail server is configured.", mend="Set the mail server, or use another method."
            )
        # The operator names the mail server in the settings of this very server: that is the permission.
        found = check_host(self._mail.host, self._mail.port, (self._mail.host.lower(),))
        return _email(self._mail, address, key), found


# --- one fresh object per send --------------------------------------------------------------------


def _asset() -> apprise.AppriseAsset:
    return apprise.AppriseAsset(
        app_id="tocsin", app_desc="tocsin", app_url="", http_redirects=False, storage_mode="memory"
    )


def _email(mail: MailServer, address: str, key: str) -> NotifyEmail:
    modes = {"none": "insecure", "starttls": "starttls", "tls": "ssl"}
    plugin = _made(
        NotifyEmail,
        smtp_host=mail.host,
        host=mail.host,
        port=mail.port,
        user=mail.user or None,
        password=mail.password or None,
        secure=mail.security != "none",
        secure_mode=modes[mail.security],
        verify=mail.verify_certificate,
        from_addr=mail.sender,
        targets=[address],
        headers={"X-Tocsin-Key": key, "Auto-Submitted": "auto-generated"},
    )
    if [target[1] for target in plugin.targets] != [address]:
        raise Unavailable("This is not one e-mail address.", mend="Correct the contact method.")
    return plugin


def _json(url: str, key: str) -> NotifyJSON:
    parts = urlsplit(url)
    host = parts.hostname or ""
    query = f"?{parts.query}" if parts.query else ""
    return _made(
        NotifyJSON,
        host=f"[{host}]" if ":" in host else host,
        port=parts.port,
        secure=parts.scheme == "https",
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        fullpath=(parts.path or "/") + query,
        headers={"Idempotency-Key": key},
        payload={"key": key, "attachments": ""},
    )


def _native(url: str, key: str) -> Any:
    with _heard():
        plugin: Any = apprise.Apprise.instantiate(url, asset=_asset(), suppress_exceptions=True)
    if plugin is None:
        raise Unavailable("This address cannot be used.", mend="Correct the contact method.")
    if isinstance(getattr(plugin, "headers", None), dict):
        plugin.headers["X-Tocsin-Key"] = key
    return plugin


def _made(plugin: type[P], **arguments: Any) -> P:
    try:
        with _heard():
            return plugin(asset=_asset(), **arguments)
    except (AppriseImproperlyConfigured, TypeError) as error:
        raise Unavailable("This address cannot be used.", mend="Correct the contact method.") from error


# --- why it failed --------------------------------------------------------------------------------

_KNOWN: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), sentence)
    for pattern, sentence in (
        (r"certificate|\bssl\b|\btls\b|starttls", "A secure connection could not be made."),
        (r"connection refused|errno 111", "Nothing listens at the address."),
        (r"timed out|timeout", "No answer in time."),
        (r"name or service not known|name resolution|getaddrinfo|nodename", "The host cannot be resolved."),
        (r"unreachable|no route", "The host cannot be reached."),
        (r"reset|closed|aborted|broken pipe|disconnected", "The connection was lost."),
    )
)
_HTTP = re.compile(r"error=(\d{3})\b")
_SMTP = re.compile(r"(?:^|\D)([45]\d\d)(?:,| )")
_ENHANCED = re.compile(r"\b([45]\.\d{1,3}\.\d{1,3})\b")


def _reason(lines: list[str]) -> str:
    """Return why, in our own words: what Apprise logs may hold addresses, so only codes are taken from it."""
    text = "\n".join(lines)
    if match := _HTTP.search(text):
        return f"Refused by the receiver: HTTP {match[1]}."
    refusals = "\n".join(
        line for line in lines if "refused:" in line or line.startswith("Socket Exception: ")
    )
    if match := _SMTP.search(refusals):
        enhanced = _ENHANCED.search(refusals)
        more = f" {enhanced[1]}" if enhanced else ""
        return f"Refused by the mail server: {match[1]}{more}."
    return next(
        (sentence for pattern, sentence in _KNOWN if pattern.search(text)), "It could not be delivered."
    )


def _failed(detail: str) -> DeliveryOutcome:
    return DeliveryOutcome(outcome="failed", detail=detail)


class _Ear(logging.Handler):
    """Keeps what Apprise logs in a thread that listens; everything else is dropped."""

    def __init__(self) -> None:
        super().__init__(level=logging.DEBUG)
        self.place = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        lines = getattr(self.place, "lines", None)
        if lines is not None and len(lines) < 100:
            lines.append(record.getMessage()[:500])


_ear = _Ear()


def _listen() -> None:
    """Take over Apprise's log: it writes addresses, URLs and bodies, none of which may leave."""
    log = logging.getLogger("apprise")
    if _ear not in log.handlers:
        log.addHandler(_ear)
    log.propagate = False
    log.setLevel(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.INFO)  # below that it writes paths and queries


@contextmanager
def _heard() -> Iterator[list[str]]:
    """Collect what Apprise logs in this thread meanwhile."""
    before, lines = getattr(_ear.place, "lines", None), list[str]()
    _ear.place.lines = lines
    try:
        yield lines
    finally:
        _ear.place.lines = before
