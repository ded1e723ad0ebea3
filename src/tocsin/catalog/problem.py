"""What is wrong with configuration files: all of it at once, each with file, line and the mend (CAT-4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from tocsin.kernel.errors import Invalid

Path: TypeAlias = tuple[str | int, ...]
"""The way to a value through keys and indices."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong."""

    file: str
    line: int
    """Counts from 1; 0 when the file as a whole is meant."""
    why: str
    mend: str
    field: str = ""
    """The way to the value, such as `levels.0.notify`; empty when the document as a whole is meant."""

    @property
    def where(self) -> str:
        """File and line, as editors and terminals read them."""
        return f"{self.file}:{self.line}" if self.line else self.file

    def __str__(self) -> str:
        return f"{self.where}: {self.field + ': ' if self.field else ''}{self.why} {self.mend}".rstrip()


class ConfigurationInvalid(Invalid):
    """Configuration files do not mean what they should. Nothing of them is used."""

    slug, title = "configuration-invalid", "The configuration is not valid"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        first = self.problems[0]
        super().__init__(first.why, where=first.where, mend=first.mend)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


def dotted(path: Path) -> str:
    """Return a path as text: `levels.0.notify`."""
    return ".".join(str(part) for part in path)
