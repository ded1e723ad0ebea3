"""How severity ranks are shown (CAT-5)."""

from __future__ import annotations

from tocsin.catalog.document import Document, Title
from tocsin.kernel.severity import Severity


class LabelSet(Document, frozen=True, kw_only=True):
    """Four labels, the worst first."""

    title: Title
    """What people call it."""
    labels: tuple[str, str, str, str]
    """The labels of rank 0, 1, 2 and 3."""
    unknown: str = "Unknown"
    """What is shown while the severity is not known."""

    def label(self, severity: Severity) -> str:
        """Return how `severity` is shown."""
        return self.unknown if severity is None else self.labels[severity]
