"""Quantities: an exact number with a unit, in one of a few families. No floats.

`15 min` and `900 s` are the same length of time; `15 percent` and `0.15 ratio` the same share.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Literal

from tocsin.kernel.errors import Invalid

Family = Literal["duration", "share", "data_size", "money_rate"]

UNITS: dict[Family, dict[str, Decimal]] = {
    "duration": {
        "second": Decimal(1),
        "minute": Decimal(60),
        "hour": Decimal(3600),
        "day": Decimal(86_400),
        "week": Decimal(604_800),
    },
    "share": {"ratio": Decimal(1), "percent": Decimal("0.01")},
    "data_size": {
        "byte": Decimal(1),
        "kB": Decimal(10**3),
        "MB": Decimal(10**6),
        "GB": Decimal(10**9),
        "TB": Decimal(10**12),
    },
    "money_rate": {
        "usd_per_hour": Decimal(1),
        "thousand_usd_per_hour": Decimal(10**3),
        "million_usd_per_hour": Decimal(10**6),
    },
}
"""Family to unit to its size in the family's smallest or plain unit."""

ALIASES: dict[str, str] = {
    "s": "second", "sec": "second", "seconds": "second",
    "m": "minute", "min": "minute", "minutes": "minute",
    "h": "hour", "hours": "hour",
    "d": "day", "days": "day",
    "w": "week", "weeks": "week",
    "%": "percent",
    "bytes": "byte",
}  # fmt: skip
"""Other spellings of a unit. There is none for months and years, because their length differs."""

_QUANTITY = re.compile(r"\s*([+-]?[0-9]{1,30}(?:\.[0-9]{1,30})?)\s*([A-Za-z_%]{0,40})\s*\Z", re.ASCII)


def number(text: str) -> Decimal:
    """Return the exact number that `text` writes; raise `Invalid` when it is none or not finite."""
    try:
        value = Decimal(text.strip())
    except InvalidOperation as error:
        raise Invalid(f"{text!r} is not a number.", mend="Write it like 12 or 0.25.") from error
    if not value.is_finite() or abs(value.adjusted()) > 30:
        raise Invalid(f"{text!r} is not a number that can be compared.", mend="Write it like 12 or 0.25.")
    return value


def split(text: str) -> tuple[Decimal, str]:
    """Return number and unit of `15 min`; the unit is empty when there is none. Raise `Invalid` otherwise."""
    match = _QUANTITY.match(text)
    if match is None:
        raise Invalid(
            f"{text!r} is not a number with a unit.", mend="Write it like 15 min, 4 h or 12 percent."
        )
    return number(match[1]), match[2]


def unit_name(family: Family, unit: str) -> str:
    """Return the one name of `unit` in `family`; raise `Invalid` with the choices when there is no such unit."""
    name = ALIASES.get(unit, unit)
    if name not in UNITS[family]:
        raise Invalid(
            f"{unit!r} is not a unit of {words(family)}.", mend=f"Use one of {', '.join(UNITS[family])}."
        )
    return name


def base(value: Decimal, family: Family, unit: str) -> Decimal:
    """Return `value` in the base unit of `family`: seconds, ratio, bytes, US dollars per hour."""
    return value * UNITS[family][unit_name(family, unit)]


def seconds(text: str) -> int:
    """Return a length of time such as `15 min`, `4 h` or `1 d` in whole seconds.

    Raises:
        Invalid: no number, no unit of time, negative, or not a whole number of seconds.
    """
    value, unit = split(text)
    if not unit:
        raise Invalid(f"{text!r} has no unit of time.", mend="Write it like 15 min, 4 h or 1 d.")
    length = base(value, "duration", unit)
    if length < 0 or length != length.to_integral_value() or length > 10**11:
        raise Invalid(
            f"{text!r} is not a whole number of seconds, zero or more.", mend="Write it like 15 min."
        )
    return int(length)


def plain(value: Decimal) -> str:
    """Return `value` without exponent and without zeros that say nothing: 500000, 0.25."""
    text = format(value, "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def words(name: str) -> str:
    """Return a name of ours for people: `money_rate` becomes `money rate`."""
    return name.replace("_", " ")
