"""One-tap links: a token that proves who was sent a link, so that answering needs no sign-in.

The token is not an answer. A GET must show a page with a button and change nothing, since mail scanners
open links; only the POST of that button acknowledges. `Acknowledge` is idempotent, so a second POST
changes nothing either.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json

from tocsin.kernel.clock import aware
from tocsin.kernel.errors import Invalid, NotSignedIn


def sign_link(
    secret: bytes, payload: dict[str, str], expires: dt.datetime, *, purpose: str = "acknowledge"
) -> str:
    """Return a token for a one-tap link: URL-safe text that only the holder of `secret` can make.

    HMAC-SHA256 (RFC 2104) over the purpose and the body; the payload can be read by anyone, so no secrets in it.

    Raises:
        Invalid: the secret is shorter than 32 bytes.
    """
    body = _b64(
        json.dumps(
            {"x": int(aware(expires).timestamp()), "p": dict(sorted(payload.items()))},
            separators=(",", ":"),
        ).encode()
    )
    return f"{body}.{_b64(_seal(secret, purpose, body))}"


def read_link(secret: bytes, token: str, now: dt.datetime, *, purpose: str = "acknowledge") -> dict[str, str]:
    """Return the payload of a token made by `sign_link` with the same secret and purpose.

    Raises:
        NotSignedIn: the token was altered, made for another purpose, or has expired.
    """
    body, dot, seal = token.partition(".")
    if (
        not dot
        or not token.isascii()
        or not hmac.compare_digest(_b64(_seal(secret, purpose, body)).encode(), seal.encode())
    ):
        raise NotSignedIn("This link is not genuine.", mend="Sign in and open the incident instead.")
    data = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    if aware(now).timestamp() >= data["x"]:
        raise NotSignedIn("This link has expired.", mend="Sign in and open the incident instead.")
    return dict(data["p"])


def _seal(secret: bytes, purpose: str, body: str) -> bytes:
    if len(secret) < 32:
        raise Invalid("The secret for links is too short.", mend="Use 32 random bytes or more.")
    return hmac.new(secret, f"tocsin link\n{purpose}\n{body}".encode(), hashlib.sha256).digest()


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
