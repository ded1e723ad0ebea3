"""Quantities are exact, have units, and refuse what cannot be compared."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.kernel import quantity
from tocsin.kernel.errors import Invalid


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0 s", 0), ("90 s", 90), ("15 min", 900), ("15min", 900), (" 15  min ", 900), ("1 m", 60), ("4 h", 14_400),
        ("1.5 h", 5_400), ("0.5 min", 30), ("1 d", 86_400), ("2 weeks", 1_209_600), ("1 week", 604_800),
    ],
)  # fmt: skip
def test_a_length_of_time_is_read_in_seconds(text: str, seconds: int) -> None:
    assert quantity.seconds(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "min", "15", "15 minutess", "1 month", "1 y", "-5 min", "0.3 s", "1e3 s", "nan s", "15 min 3 s", "١ min",
     "1 percent", "99999999999999 d"],
)  # fmt: skip
def test_what_is_no_length_of_time_is_refused_with_a_mend(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        quantity.seconds(text)
    assert refused.value.mend


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "sNaN", "1e400", "1e-400", "", "one", "0x10", "1,5"])
def test_what_cannot_be_compared_is_no_number(text: str) -> None:
    with pytest.raises(Invalid):
        quantity.number(text)


@pytest.mark.parametrize(
    ("value", "family", "unit", "base"),
    [
        ("15", "share", "percent", "0.15"),
        ("15", "share", "%", "0.15"),
        ("0.15", "share", "ratio", "0.15"),
        ("2", "duration", "hours", "7200"),
        ("1.5", "data_size", "GB", "1500000000"),
        ("500", "money_rate", "thousand_usd_per_hour", "500000"),
    ],
)
def test_a_figure_is_brought_to_the_base_unit_exactly(
    value: str, family: quantity.Family, unit: str, base: str
) -> None:
    assert quantity.base(Decimal(value), family, unit) == Decimal(base)


def test_a_unit_of_another_family_is_refused_with_the_choices() -> None:
    with pytest.raises(Invalid) as refused:
        quantity.unit_name("share", "minute")
    assert refused.value.mend == "Use one of ratio, percent."


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("500000", "500000"),
        ("5E+5", "500000"),
        ("0.250", "0.25"),
        ("-0.0", "-0"),
        ("10.00", "10"),
        ("100", "100"),
    ],
)
def test_a_figure_is_shown_without_exponent_and_idle_zeros(value: str, shown: str) -> None:
    assert quantity.plain(Decimal(value)) == shown


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=6, allow_nan=False))
def test_what_is_shown_reads_back_as_the_same_figure(value: Decimal) -> None:
    assert quantity.number(quantity.plain(value)) == value
