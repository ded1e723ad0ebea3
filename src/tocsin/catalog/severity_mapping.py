"""How a sender's own severity words become ranks."""

from __future__ import annotations

from tocsin.catalog.document import Document, Rank, Title


class SeverityMapping(Document, frozen=True, kw_only=True):
    """The words of one sender. The id is the sender's format: `alertmanager`, `pagerduty`, `monitor`, ..."""

    title: Title
    """Whose words they are."""
    field: str = "severity"
    """The label or field that holds the word."""
    words: dict[str, Rank]
    """Word, in lower case, to rank."""
    default: Rank | None = None
    """The rank of any other word, or of none; without it the severity is unknown."""

    def rank(self, word: str) -> Rank | None:
        """Return the rank of `word`, whatever its case."""
        return self.words.get(word.strip().lower(), self.default)
