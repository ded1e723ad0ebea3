"""A time limit for calls into libraries that have none of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from tocsin.kernel.errors import Unavailable

T = TypeVar("T")


def within(seconds: float, what: str, work: Callable[[], T]) -> T:
    """Return `work()`, or raise `Unavailable` after `seconds`.

    A late call cannot be stopped: it goes on in its own thread and its result is dropped. So its effect is
    unknown, and the error says so.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # handed to the caller, whatever it is
            errors.append(error)

    thread = threading.Thread(target=run, name=f"limit: {what}", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if results:
        return results[0]
    raise Unavailable(
        f"{what} took longer than {seconds:g} s.",
        mend="Whether it took effect is not known: look at the state before you try again.",
    )
