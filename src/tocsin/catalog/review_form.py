"""The questions a review answers (REV-1)."""

from __future__ import annotations

from tocsin.catalog.document import Document, Id, Part, Text, Title


class ReviewQuestion(Part, frozen=True, kw_only=True):
    """One question."""

    id: Id
    """Its name within the form."""
    text: Text
    """The question."""
    help: Text = ""
    """What a good answer holds."""
    filled_from: str = ""
    """The part of the record that answers it or starts the answer, such as `timeline` or `figures`."""


class ReviewForm(Document, frozen=True, kw_only=True):
    """All questions of a review, in order."""

    title: Title
    """What people call it."""
    questions: tuple[ReviewQuestion, ...]
    """The questions, in order."""
