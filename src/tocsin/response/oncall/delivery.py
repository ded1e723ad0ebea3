"""Which delivery of a page comes next: by which contact method, with which key, when."""

from __future__ import annotations

import datetime as dt

import msgspec

from tocsin.response.oncall.page import Escalation, delivery_key

ATTEMPTS_PER_METHOD = 3
RETRY_AFTER = (dt.timedelta(seconds=5), dt.timedelta(seconds=20))
"""Pause before the second and the third attempt on one method; then the next method is tried."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery that should be made: to whom, how, with which key, not before `due`."""

    page: str
    person: str
    method: str
    attempt: int
    key: str
    due: dt.datetime


def next_delivery(state: Escalation, page: str) -> Delivery | None:
    """Return the next delivery of a page, or None when none is wanted any more.

    Methods are used in the person's own order (TEAM-4). They share the time of the level evenly, so each
    has its chance before the next level is called; a method that fails three times gives way at once.
    """
    asked = state.page(page)
    if asked is None or not wanted(state, page) or asked.reached_at is None:
        return None
    window = (asked.acknowledge_by or asked.reached_at) - asked.reached_at
    not_before = asked.reached_at
    for index, method in enumerate(asked.methods):
        tries = [each for each in state.attempts if each.page == page and each.method == method]
        last = tries[-1] if tries else None
        if last is not None and last.outcome == "accepted":
            not_before = asked.reached_at + window * (index + 1) / len(asked.methods)
            continue
        number = last.attempt + 1 if last else 1
        if last is not None and number > ATTEMPTS_PER_METHOD:
            not_before = last.at or not_before
            continue
        if last is not None:
            not_before = (last.at or asked.reached_at) + RETRY_AFTER[number - 2]
        return Delivery(
            page=page,
            person=asked.person,
            method=method,
            attempt=number,
            key=delivery_key(state.incident, asked.level, asked.round, asked.person, method, number),
            due=not_before,
        )
    return None


def wanted(state: Escalation, page: str) -> bool:
    """Return whether a delivery for this page should still go out: an answer or a stop ends them all."""
    return state.status in ("escalating", "exhausted") and state.page(page) is not None
