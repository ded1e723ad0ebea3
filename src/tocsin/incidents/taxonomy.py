"""The kinds of AI incident, read from the declared taxonomy (CLS-1, CLS-2)."""

from __future__ import annotations

from collections.abc import Mapping

from tocsin.catalog.taxonomy import Category, Taxonomy
from tocsin.kernel.errors import Invalid
from tocsin.kernel.predicate import Fact, Verdict, Vocabulary, did_you_mean, evaluate

GROUPS: dict[str, str] = {
    "model": "Model",
    "behaviour": "Behaviour",
    "data": "Data",
    "infrastructure": "Infrastructure",
    "security": "Security",
    "compliance": "Compliance",
    "none": "Not an AI incident",
}
"""The families of categories and how they are shown, in order."""


def category(taxonomy: Taxonomy, id: str) -> Category:
    """Return the category called `id`; raise `Invalid` with the nearest name otherwise."""
    found = taxonomy.category(id)
    if found is None:
        known = {one.id: one for one in taxonomy.categories}
        raise Invalid(f"There is no category {id!r}.", mend=did_you_mean(id, known))
    return found


def is_incident(taxonomy: Taxonomy, id: str) -> bool:
    """Say whether `id` names an AI incident; what nobody knows counts as one (CLS-1)."""
    found = taxonomy.category(id)
    return found is None or found.is_incident


def by_group(taxonomy: Taxonomy) -> dict[str, tuple[Category, ...]]:
    """Return the categories of each family that has any, families in the order of `GROUPS`."""
    families = {group: tuple(one for one in taxonomy.categories if one.group == group) for group in GROUPS}
    return {group: members for group, members in families.items() if members}


def pointed_to(
    taxonomy: Taxonomy, facts: Mapping[str, Fact], vocabulary: Vocabulary
) -> tuple[tuple[Category, Verdict], ...]:
    """Return the categories that `facts` (readable ones) point to, the one that counts first."""
    found = [
        (one, verdict)
        for one in taxonomy.categories
        if one.when is not None and (verdict := evaluate(one.when, facts, vocabulary)).holds
    ]
    return tuple(sorted(found, key=lambda pair: -pair[0].precedence))
