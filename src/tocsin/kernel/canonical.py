"""One byte form for one value (RFC 8785), so that a hash means the same on every machine.

Floats are refused: two programs may print one float in two ways, and a log cannot be re-made.
Figures travel as integers or as decimal text.
"""

from __future__ import annotations

import json
from json.encoder import encode_basestring
from typing import cast

from tocsin.kernel.errors import Malformed

LARGEST = 2**53 - 1  # RFC 8785 section 3.2.2.3: beyond it a JSON number is not exact everywhere

quote = encode_basestring
"""text -> that text as canonical JSON, quotes included (RFC 8785 section 3.2.2.2)."""


def encode(value: object) -> bytes:
    """Return the canonical bytes of `value`: JSON data made of dict, list, tuple, str, int, bool and None.

    Raises:
        TypeError: a float, bytes, or any other type, or a key that is not text.
        ValueError: an integer beyond 2**53 - 1, or text with a lone surrogate.
        RecursionError: nested a thousand deep.
    """
    return _text(value).encode("utf-8")


def _text(value: object) -> str:
    if isinstance(value, str):
        return quote(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        if abs(value) > LARGEST:
            raise ValueError(f"{value} is beyond the exact integers of JSON")
        return int.__repr__(value)  # an enum of integers has a str() of its own
    if isinstance(value, dict):
        return "{" + ",".join([f"{quote(name)}:{_text(value[name])}" for name in _sorted(value)]) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join([_text(item) for item in value]) + "]"
    raise TypeError(f"{type(value).__name__} has no canonical form")


def _sorted(names: dict[str, object]) -> list[str]:
    # RFC 8785 section 3.2.3 sorts by UTF-16 code units. For ASCII that is Python's own order, and faster.
    try:
        ascii_only = "".join(names).isascii()
    except TypeError as error:
        raise TypeError("a key must be text") from error
    return sorted(names) if ascii_only else sorted(names, key=lambda name: name.encode("utf-16-be"))


def decode(data: bytes) -> object:
    """Read canonical bytes back; raise `Malformed` unless encoding the result gives `data` again."""
    try:
        value = cast("object", json.loads(data, parse_float=_no_float, parse_constant=_no_float))
        again = encode(value)
    except (ValueError, TypeError, RecursionError) as error:
        raise Malformed(f"Not canonical JSON: {error}.") from error
    if again != data:
        raise Malformed("Not canonical JSON: the same value has another encoding.")
    return value


def _no_float(text: str) -> float:
    raise ValueError(f"{text[:40]} is a float")
