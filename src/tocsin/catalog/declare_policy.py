"""Which alerts declare an incident without waiting for a person (COR-7)."""

from __future__ import annotations

from tocsin.catalog.document import Document, Id, Part, Rank, Text, Title
from tocsin.kernel.predicate import Predicate


class DeclareRule(Part, frozen=True, kw_only=True):
    """One rule; the first that holds decides."""

    id: Id
    """Its name within the policy."""
    when: Predicate
    """When it holds, over the facts of an alert."""
    declare: bool
    """True: declare an incident. False: keep it an alert."""
    why: Text
    """Why, in words for people."""
    severity: Rank | None = None
    """The rank the incident has at least; without it the matrix alone decides."""
    category: Id | None = None
    """The category of the incident; without it the alert's own."""
    review: str = ""
    """When nothing is declared: when a person looks at it, such as `daily` or `weekly`."""


class DeclarePolicy(Document, frozen=True, kw_only=True):
    """The rules, in order. When none holds, no incident is declared."""

    title: Title
    """What people call it."""
    rules: tuple[DeclareRule, ...]
    """The rules, in order; the first that holds decides."""
