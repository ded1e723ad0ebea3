"""What the parsers share: JSON from strangers, times in the spellings that senders use, limits.

Two lanes. The quick lane decodes straight into a typed struct. A body that it refuses goes through the
careful lane here, which repairs what can be repaired (broken UTF-8, lone surrogates, NUL characters that
PostgreSQL cannot hold) and otherwise says what is wrong.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import cast

from tocsin.kernel.clock import UTC
from tocsin.kernel.errors import Malformed, TooLarge

MAX_BODY_BYTES = 10 * 1024 * 1024
MAX_DEPTH = 32
"""Deepest nesting accepted; the formats here need five levels, free-form details a few more."""

NUL_ESCAPE = b"\\u0000"
REPLACEMENT = "\ufffd"

_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d")
_ZERO = dt.datetime(1, 1, 1, tzinfo=UTC)
"""The zero time of Go, which senders written in it use for 'not set'."""


def within_limit(body: bytes, limit: int = MAX_BODY_BYTES) -> None:
    """Raise `TooLarge` when `body` has more than `limit` bytes."""
    if len(body) > limit:
        raise TooLarge(
            f"The body has {len(body)} bytes; at most {limit} are read.", mend="Send smaller batches."
        )


def read_carefully(body: bytes) -> object:
    """Return the JSON value in `body`, its text repaired; raise `Malformed` when it is no JSON or too deep."""
    return repaired(load(body))


def load(body: bytes) -> object:
    """Return the JSON value in `body`, its text not yet repaired; raise `Malformed` when it is no JSON."""
    try:
        return cast("object", json.loads(body.decode("utf-8", "replace"), parse_constant=_no_constant))
    except RecursionError as error:
        raise Malformed(f"nested deeper than {MAX_DEPTH} levels") from error
    except ValueError as error:
        raise Malformed(str(error)) from error


def repaired(value: object) -> object:
    """Return a loaded value with all its text repaired; raise `Malformed` when it is nested too deep."""
    return _repaired(value, 0)


def _no_constant(text: str) -> object:
    raise ValueError(f"{text} is not JSON")


def _repaired(value: object, depth: int) -> object:
    if depth > MAX_DEPTH:
        raise Malformed(f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        return repaired_text(value)
    if isinstance(value, list):
        return [_repaired(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {repaired_text(name): _repaired(item, depth + 1) for name, item in value.items()}
    return value


def repaired_text(text: str) -> str:
    """Return `text` with NUL and lone surrogates replaced by U+FFFD, as no database can hold them."""
    if text.isascii():
        return text.replace("\0", REPLACEMENT) if "\0" in text else text
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.replace("\0", REPLACEMENT)


def read_time(text: str) -> dt.datetime | None:
    """Return the time that `text` spells, in UTC; None for an empty text or Go's zero time.

    Accepts RFC 3339 and the looser ISO 8601 forms seen in practice: an offset without colon, a space for
    the T, no seconds, no zone (taken as UTC).

    Raises:
        Malformed: it is no such time, or lies outside the years 1 to 9999.
    """
    if not text:
        return None
    if not _TIME.match(text):
        raise Malformed(f'"{text[:64]}" is not a time such as 2026-11-23T03:04:05Z')
    try:
        return set_time(dt.datetime.fromisoformat(text))
    except ValueError as error:
        raise Malformed(f'"{text[:64]}" is not a time such as 2026-11-23T03:04:05Z') from error


def set_time(moment: dt.datetime | None) -> dt.datetime | None:
    """Return `moment` in UTC, None when it is absent or Go's zero time; raise `Malformed` out of range."""
    if moment is None:
        return None
    zone = moment.tzinfo
    if zone is None:
        moment = moment.replace(tzinfo=UTC)
    elif zone is not UTC:
        try:
            moment = moment.astimezone(UTC)
        except OverflowError as error:
            raise Malformed(f"{moment.isoformat()} lies outside the years 1 to 9999") from error
    return None if moment == _ZERO else moment
