"""Severity: four ranks, 0 the worst, or unknown. Shown in any of three label sets (CLS-3, CAT-5)."""

from __future__ import annotations

from typing import Literal

from tocsin.kernel.errors import Invalid

Severity = Literal[0, 1, 2, 3] | None
"""A rank, or None while nobody knows."""

LABEL_SETS: dict[str, tuple[str, str, str, str]] = {
    "P": ("P0", "P1", "P2", "P3"),
    "SEV": ("SEV-1", "SEV-2", "SEV-3", "SEV-4"),
    "words": ("Critical", "High", "Medium", "Low"),
}

RANKS: tuple[Literal[0, 1, 2, 3], ...] = (0, 1, 2, 3)


def label(severity: Severity, label_set: str = "P") -> str:
    """Return how `severity` is shown; unknown is 'Unknown' in every set."""
    return "Unknown" if severity is None else LABEL_SETS[label_set][severity]


def paging_rank(severity: Severity) -> Literal[0, 1, 2, 3]:
    """Return the rank that people are paged at: an unknown severity pages as rank 1 until it is set."""
    return 1 if severity is None else severity


def worse(one: Severity, other: Severity) -> Severity:
    """Return the worse of two severities; a known rank says more than unknown."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def parse(text: str) -> Severity:
    """Read a rank, a label of any set, or 'unknown'; raise `Invalid` with the choices otherwise."""
    word = text.strip().lower()
    if word in ("", "unknown", "none"):
        return None
    for rank in RANKS:
        if word in (str(rank), *(labels[rank].lower() for labels in LABEL_SETS.values())):
            return rank
    raise Invalid(
        f"{text!r} is not a severity.", mend="Use P0 to P3, SEV-1 to SEV-4, Critical to Low, or unknown."
    )
