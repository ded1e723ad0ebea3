"""Monitors: what is watched, the threshold, why that threshold, and who is told (DET-1..8)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from tocsin.catalog.document import DecimalText, Document, Id, Text, Title

MEASURED = "{measured}"
"""In a fact's value this stands for the figure that the monitor measured."""


class Monitor(Document, frozen=True, kw_only=True):
    """A configured watch on one system."""

    system: Id
    """The system it watches."""
    title: Title
    """What it watches, in one line."""
    dimension: Literal["performance", "data_quality", "fairness", "operations", "explainability", "security"]
    """The dimension of DET-1 to DET-6."""
    detector: Id
    """The function it applies."""
    params: dict[str, str] = {}
    """What the detector needs to know."""
    every_seconds: Annotated[int, msgspec.Meta(ge=1, le=604_800)] = 60
    """How often it looks."""
    window_seconds: Annotated[int, msgspec.Meta(ge=1, le=31_622_400)] = 300
    """How much it looks at."""
    minimum_sample: Annotated[int, msgspec.Meta(ge=0)] = 0
    """With fewer observations it says 'insufficient', never 'fine'."""
    threshold: DecimalText
    """The figure beyond which it fires."""
    unit: str = ""
    """The unit of threshold and measurement."""
    why: Text
    """Why this threshold and no other; an auditor will ask (DET-8)."""
    tells: tuple[Id, ...] = ()
    """The teams that are told (DET-8)."""
    enter_k: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1
    """It fires when `enter_k` of the last `enter_n` windows were beyond the threshold."""
    enter_n: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1
    """See `enter_k`."""
    exit_threshold: DecimalText | None = None
    """It ends below this figure; without it, below the threshold."""
    category: Id = "unexpected_behaviour"
    """The category of an incident that it causes."""
    facts: dict[str, str] = {}
    """Facts that hold when it fires, as text; `{measured}` stands for the figure, in the monitor's unit."""

    def asserted_facts(self, measured: str) -> dict[str, str]:
        """Return the facts that hold when this monitor fires at `measured` (decimal text)."""
        return {name: value.replace(MEASURED, measured) for name, value in self.facts.items()}
