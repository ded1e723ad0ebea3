"""Four ranks, or unknown, under three sets of labels (CLS-3, CAT-5)."""

from __future__ import annotations

import itertools

import pytest

from tocsin.kernel.errors import Invalid
from tocsin.kernel.severity import LABEL_SETS, RANKS, Severity, label, paging_rank, parse, worse

ALL: tuple[Severity, ...] = (0, 1, 2, 3, None)


@pytest.mark.parametrize(
    ("label_set", "labels"),
    [
        ("P", ["P0", "P1", "P2", "P3", "Unknown"]),
        ("SEV", ["SEV-1", "SEV-2", "SEV-3", "SEV-4", "Unknown"]),
        ("words", ["Critical", "High", "Medium", "Low", "Unknown"]),
    ],
)
def test_each_rank_has_its_label_in_each_set(label_set: str, labels: list[str]) -> None:
    assert [label(severity, label_set) for severity in ALL] == labels


def test_every_label_of_every_set_is_read_back() -> None:
    for label_set, severity in itertools.product(LABEL_SETS, ALL):
        shown = label(severity, label_set)
        assert parse(shown) == parse(shown.upper()) == parse(f" {shown.lower()} ") == severity


@pytest.mark.parametrize("text", ["0", "1", "2", "3"])
def test_a_bare_rank_is_read(text: str) -> None:
    assert parse(text) == int(text)


@pytest.mark.parametrize("text", ["4", "P4", "SEV-0", "severe", "-1", "p 0"])
def test_anything_else_is_refused_with_the_choices(text: str) -> None:
    with pytest.raises(Invalid, match="P0 to P3"):
        parse(text)


def test_unknown_pages_as_rank_1_and_a_known_rank_as_itself() -> None:
    assert [paging_rank(severity) for severity in ALL] == [0, 1, 2, 3, 1]


def test_the_worse_of_two_is_the_lower_rank_and_a_known_rank_beats_unknown() -> None:
    for one, other in itertools.product(ALL, ALL):
        known = [severity for severity in (one, other) if severity is not None]
        assert worse(one, other) == worse(other, one) == (min(known) if known else None)
    assert RANKS == (0, 1, 2, 3)
