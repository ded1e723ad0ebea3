"""Around every request: a limit on the body, and the headers that keep a browser strict."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tocsin.kernel.errors import TooLarge
from tocsin.web.problems import of_error

INTAKE_BYTES = 4 * 1024 * 1024
API_BYTES = 1024 * 1024
UPLOAD_BYTES = 64 * 1024 * 1024
CONFIGURATION_BYTES = 24 * 1024 * 1024

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)


def limit_of(path: str) -> int:
    """Return how many bytes a body sent to `path` may have."""
    if path.startswith("/api/v1/configuration"):
        return CONFIGURATION_BYTES
    if path.endswith("/evidence"):
        return UPLOAD_BYTES
    if path.startswith(
        ("/api/v2/", "/v2/", "/k/", "/intake/", "/generic/", "/api/v1/profiles", "/api/v1/predictions")
    ):
        return INTAKE_BYTES
    return API_BYTES


class Limits:
    """ASGI middleware: refuses a body over its limit without reading it whole, and adds the headers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        most = limit_of(scope["path"])
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        over = False
        started = False

        async def add_headers(message: Message) -> None:
            nonlocal started
            if over and not started:
                return  # whatever the app makes of the cut body, the caller hears why it was cut
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message["headers"], *HEADERS]
            await send(message)

        refusal = of_error(TooLarge(f"A body here has at most {most:,} bytes.", mend="Send it in parts."))
        if length.isdigit() and int(length) > most:
            await refusal(scope, receive, add_headers)
            return
        read = 0

        async def counted() -> Message:
            nonlocal read, over
            message = await receive()
            if message["type"] == "http.request":
                read += len(message.get("body", b""))
                if read > most:
                    over = True
                    return {"type": "http.disconnect"}
            return message

        try:
            await self.app(scope, counted, add_headers)
        except Exception:
            if not over:
                raise
        if over and not started:
            over = False
            await refusal(scope, receive, add_headers)
