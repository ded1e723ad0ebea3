"""The severity matrix: criteria as declared rows, and how soon each asks for an answer (CLS-3)."""

from __future__ import annotations

from tocsin.catalog.document import Document, DurationText, Id, Part, Rank, RankText, Text, Title
from tocsin.kernel.predicate import Predicate


class Criterion(Part, frozen=True, kw_only=True):
    """One row: when it holds, the severity is at least `rank`."""

    id: Id
    """Its name within the matrix."""
    rank: Rank
    """The rank it asks for."""
    when: Predicate
    """When it holds."""
    sentence: Text
    """Why, in words for people."""
    respond_within: DurationText = ""
    """How soon someone must respond; empty means as the profile says for the rank."""
    resolve_within: DurationText = ""
    """How soon it must be resolved; empty means as the profile says for the rank."""
    citation: str = ""
    """Where the criterion comes from."""
    dimension: str = ""
    """Which part of the matrix: business impact, user exposure, regulation, technical."""


class Response(Part, frozen=True, kw_only=True):
    """How soon a rank asks for an answer."""

    respond_within: DurationText
    """How soon someone must respond."""
    resolve_within: DurationText = ""
    """How soon it must be resolved; empty means that no time is set."""
    note: Text = ""
    """What else the profile says about the rank."""


class ResponseProfile(Part, frozen=True, kw_only=True):
    """A set of times by rank; an installation chooses one."""

    id: Id
    """Its name within the matrix."""
    title: Title
    """What it is, in one line."""
    citation: str
    """Where it comes from."""
    ranks: dict[RankText, Response]
    """The times of each rank."""
    criteria_first: bool = False
    """True: a criterion's own times count before those of the rank."""


class SeverityMatrix(Document, frozen=True, kw_only=True):
    """All criteria, and the response profiles to choose from."""

    title: Title
    """What people call it."""
    criteria: tuple[Criterion, ...]
    """The rows; the worst rank that holds wins."""
    profiles: tuple[ResponseProfile, ...]
    """The response profiles; the installation names one."""

    def profile(self, id: str) -> ResponseProfile | None:
        """Return the profile called `id`, or None."""
        return next((profile for profile in self.profiles if profile.id == id), None)
