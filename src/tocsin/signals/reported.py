"""What a sender reported about one condition, in one shape whatever format it came in."""

from __future__ import annotations

import datetime as dt

import msgspec

Fact = bool | int | str
"""A fact's value. Figures are integers or decimal text: no floats."""


class ReportedAlert(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One report of one condition: that it holds, that it ended, or that a person has seen it.

    A report is not an alert yet: `tocsin.alerts` merges the reports of one condition into an alert.
    """

    source: str
    """The format it came in: `alertmanager`, `pagerduty`, `monitor`, ..."""
    labels: dict[str, str]
    """What the condition is about. Never holds an empty value."""
    annotations: dict[str, str] = {}
    """Text about the condition; plays no part in its identity."""
    title: str = ""
    starts_at: dt.datetime
    """When the condition began, aware, UTC; the time of receipt when the sender did not say."""
    starts_given: bool = False
    """Whether the sender itself named the start."""
    ends_at: dt.datetime | None = None
    """When the condition ended, or will count as ended when nobody reports it again. None: not before a resolve."""
    timeout: bool = False
    """Whether `ends_at` is a time-out set here, because the sender named no end."""
    resolved: bool = False
    """Whether the condition had ended at the time of receipt."""
    acknowledged: bool = False
    """Whether this report says only that a person has seen the condition."""
    generator_url: str = ""
    dedup: str = ""
    """The sender's own identity of the condition, scope included. Empty: the label set is the identity."""
    sender_severity: str = ""
    """The sender's word for the severity, unchecked. Empty: it said none."""
    facts: dict[str, Fact] = {}
    """Facts the sender asserts about the condition, by the names of the fact vocabulary."""
    evidence: tuple[str, ...] = ()
    """References to what the report rests on, such as a window's profile."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Why one item of a batch was not accepted; the other items of the batch were."""

    index: int
    """Place in the batch, counted from 0."""
    reason: str
    code: int = 400
    """The code that the format itself gives to this fault."""


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What one body held: the reports to keep and a verdict on each item that cannot be kept."""

    alerts: tuple[ReportedAlert, ...] = ()
    refused: tuple[Verdict, ...] = ()

    @property
    def size(self) -> int:
        """How many items the body held."""
        return len(self.alerts) + len(self.refused)


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What to answer, in the shape that senders of the format expect."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
