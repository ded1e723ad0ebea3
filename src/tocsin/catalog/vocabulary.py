"""The facts that predicates may speak of, and the probes that playbooks may ask for."""

from __future__ import annotations

from tocsin.catalog.document import Document, Id, Part, Text, Title
from tocsin.kernel.predicate import FactType


class StandardProbe(Part, frozen=True, kw_only=True):
    """A probe that playbooks ask for by name; a system that offers one of this name has it answered from live data."""

    id: Id
    """Its name."""
    question: Text
    """What it answers with yes, no or unknown."""


class VocabularyDocument(Document, frozen=True, kw_only=True):
    """Facts and probe names. Several such documents add up."""

    title: Title = "Vocabulary"
    """What people call it."""
    facts: dict[str, FactType] = {}
    """Fact name to its type."""
    probes: tuple[StandardProbe, ...] = ()
    """The names of probes."""
