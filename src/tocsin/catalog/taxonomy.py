"""The taxonomy: what kinds of AI incident there are (CLS-1, CLS-2)."""

from __future__ import annotations

from typing import Literal

from tocsin.catalog.document import Document, Id, Part, Text, Title
from tocsin.kernel.predicate import Predicate


class Category(Part, frozen=True, kw_only=True):
    """One kind of incident."""

    id: Id
    """Its name; incidents and monitors refer to it."""
    group: Literal["model", "data", "infrastructure", "security", "compliance", "behaviour", "none"]
    """The family it belongs to."""
    title: Title
    """What people call it."""
    what: Text
    """What it means."""
    symptoms: tuple[str, ...] = ()
    """How it shows."""
    causes: tuple[str, ...] = ()
    """What is usually behind it."""
    detection: tuple[str, ...] = ()
    """What finds it."""
    first_response: tuple[str, ...] = ()
    """What to do first."""
    playbook: Id = ""
    """The playbook that answers it, unless the system names another."""
    references: tuple[str, ...] = ()
    """Numbers in public catalogues of attacks and weaknesses, such as `MITRE ATLAS AML.T0020`."""
    when: Predicate | None = None
    """Facts that point to this category; without it only people and senders name it."""
    precedence: int = 0
    """When facts point to several categories, the highest counts."""
    is_incident: bool = True
    """False: something reported as an AI incident that is none."""


class Taxonomy(Document, frozen=True, kw_only=True):
    """All categories."""

    title: Title
    """What people call it."""
    categories: tuple[Category, ...]
    """The categories."""
    unknown: Id = "unexpected_behaviour"
    """The category of an incident whose kind nobody knows yet."""

    def category(self, id: str) -> Category | None:
        """Return the category called `id`, or None."""
        return next((category for category in self.categories if category.id == id), None)
