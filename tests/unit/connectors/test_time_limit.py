"""A call into a library without a time limit gets one."""

from __future__ import annotations

import threading

import pytest

from tocsin.connectors.time_limit import within
from tocsin.kernel.errors import Refused, Unavailable


def test_a_result_in_time_is_returned() -> None:
    assert within(5, "Counting", lambda: 7) == 7


def test_none_is_a_result_too() -> None:
    assert within(5, "Nothing", lambda: None) is None


def test_an_error_comes_through_as_it_is() -> None:
    def refuse() -> None:
        raise Refused("no")

    with pytest.raises(Refused):
        within(5, "Refusing", refuse)


def test_a_call_that_hangs_is_unavailable_and_says_that_its_effect_is_not_known() -> None:
    released = threading.Event()
    try:
        with pytest.raises(Unavailable) as late:
            within(0.01, "Moving the alias", released.wait)
        assert "Moving the alias took longer than 0.01 s." in str(late.value)
        assert "not known" in str(late.value)
    finally:
        released.set()
