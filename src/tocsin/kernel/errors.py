"""Errors a person can act on. Each says what was refused, why, and what to do next."""

from __future__ import annotations


class TocsinError(Exception):
    """Base of every error that tocsin raises on purpose.

    `slug` is the stable last part of the problem type (RFC 9457), `status` the HTTP status that fits.
    """

    slug = "error"
    status = 500
    title = "Something went wrong"

    def __init__(self, why: str, *, mend: str | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.why} {self.mend}" if self.mend else self.why


class Refused(TocsinError):
    """A command was understood and turned down by a rule of the domain."""

    slug, status, title = "refused", 409, "Refused by a rule"


class Invalid(TocsinError):
    """Outside text does not mean what it should. `where` is a file and line, a field, or an index."""

    slug, status, title = "invalid", 422, "Not valid"

    def __init__(self, why: str, *, where: str | None = None, mend: str | None = None) -> None:
        super().__init__(why, mend=mend)
        self.where = where

    def __str__(self) -> str:
        text = super().__str__()
        return f"{self.where}: {text}" if self.where else text


class Malformed(TocsinError):
    """A body is not what its format says: it cannot be parsed at all."""

    slug, status, title = "malformed", 400, "Cannot be parsed"


class NotFound(TocsinError):
    """The thing named does not exist, or the one who asks may not know that it does."""

    slug, status, title = "not-found", 404, "Not found"


class Stale(TocsinError):
    """The caller decided on an older state than the present one."""

    slug, status, title = "stale-position", 409, "Changed meanwhile"


class NotSignedIn(TocsinError):
    """No valid session, token or integration key came with the request."""

    slug, status, title = "not-signed-in", 401, "Sign in first"


class Forbidden(TocsinError):
    """The caller is known and lacks the permission."""

    slug, status, title = "forbidden", 403, "Not permitted"


class TooLarge(TocsinError):
    """A body, or a field in it, is over its limit."""

    slug, status, title = "too-large", 413, "Too large"


class Unavailable(TocsinError):
    """A passing fault: the same request may be sent again later."""

    slug, status, title = "unavailable", 503, "Not available now"


ERRORS: tuple[type[TocsinError], ...] = (
    Refused, Invalid, Malformed, NotFound, Stale, NotSignedIn, Forbidden, TooLarge, Unavailable,
)  # fmt: skip
"""Every kind of error that may reach a caller: the registry behind the problem types."""
