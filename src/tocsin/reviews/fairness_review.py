"""The fairness and safety section that every review has, whatever the cause or rank (REV-3)."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from tocsin.kernel.severity import Severity, paging_rank

Form = Literal["short", "long"]

SHORTEST_TEXT = 20


class GroupGap(msgspec.Struct, frozen=True, kw_only=True):
    """How far one group fared from the reference group, before, during and after the incident.

    The three figures are decimal text in the unit of `measure`; a share lies between 0 and 1.
    A figure that nobody knows is None, and `note` says why.
    """

    attribute: str
    group: str
    reference: str
    measure: str
    before: Decimal | None = None
    during: Decimal | None = None
    after: Decimal | None = None
    note: str = ""

    def widened(self) -> Decimal | None:
        """Return by how much the gap grew during the incident (in its own unit), or None when not known."""
        return None if self.before is None or self.during is None else abs(self.during) - abs(self.before)

    def sentence(self) -> str:
        """Return the gap as one sentence for a reader."""
        told = [
            f"{figure} {when}"
            for when, figure in (("before", self.before), ("during", self.during), ("after", self.after))
            if figure is not None
        ]
        figures = ", ".join(told) or "not known"
        text = f"{self.measure} of {self.group} against {self.reference} ({self.attribute}): {figures}."
        return f"{text} {self.note}".strip()


class FairnessReview(msgspec.Struct, frozen=True, kw_only=True):
    """The section itself. When it is not assessable, `text` is the reason why."""

    assessable: bool
    text: str
    gaps: tuple[GroupGap, ...] = ()
    redress: str = ""
    """What is done for the people already harmed, 'nobody was harmed' included. Long form only."""
    safety: str = ""
    """Whether anybody's health, safety or rights were at risk. Long form only."""


def form(severity: Severity) -> Form:
    """Return which form a review takes: long for ranks 0 and 1 and while unknown, short for 2 and 3."""
    return "long" if paging_rank(severity) <= 1 else "short"


def faults(review: FairnessReview, kind: Form) -> tuple[str, ...]:
    """Return what the section lacks, a sentence each; empty when it is complete."""
    if not review.assessable:
        return _reason_faults(review)
    found: list[str] = []
    if not review.gaps:
        found.append(
            "Give the figures of at least one group, or say why they cannot be had (not assessable)."
        )
    if len(review.text.strip()) < SHORTEST_TEXT:
        found.append("Say in a sentence what the figures mean for the groups.")
    if kind == "long":
        found += _long_faults(review)
    return tuple(found)


def _reason_faults(review: FairnessReview) -> tuple[str, ...]:
    found: list[str] = []
    if len(review.text.strip()) < SHORTEST_TEXT:
        found.append(
            "Say in a sentence why differential impact cannot be assessed, and what would make it so."
        )
    if review.gaps:
        found.append("The section has figures and is called not assessable. Drop one of the two.")
    return tuple(found)


def _long_faults(review: FairnessReview) -> list[str]:
    found: list[str] = []
    for gap in review.gaps:
        told = (("before", gap.before), ("during", gap.during), ("after", gap.after))
        absent = [when for when, figure in told if figure is None]
        if absent and not gap.note.strip():
            found.append(
                f"The gap of {gap.group} in {gap.measure} has no figure {' or '.join(absent)}. "
                "Give it, or note why it is not known."
            )
    if not review.redress.strip():
        found.append("Say what is done for the people already harmed, or that nobody was.")
    if not review.safety.strip():
        found.append("Say whether anybody's health, safety or rights were at risk.")
    return found
