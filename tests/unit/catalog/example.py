"""A small valid configuration for tests, and the defaults that ship."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from tocsin.catalog.configuration import Configuration
from tocsin.catalog.load import load
from tocsin.catalog.problem import ConfigurationInvalid, Problem

FOLDER = Path(__file__).resolve().parents[3] / "src" / "tocsin" / "catalog" / "defaults"

SMALL = """\
kind: team
id: credit
name: Credit
members: [ada]
lead: ada
---
kind: person
id: ada
name: Ada
email: ada@example.org
contact:
  - {id: mail, kind: email, address: ada@example.org}
  - {id: phone, kind: phone, address: "+441632960001"}
roles: [commander]
---
kind: system
id: loan-approval
name: Loan approval
purpose: Decides on mortgages.
owner: credit
depends_on: [feature-store]
probes:
  - {id: gap_closed, title: Is the gap closed?, connector: monitor, params: {monitor: loan-fairness}}
containment:
  - id: roll-back
    title: Move the alias back
    verb: rollback
    connector: mlflow
    takes: 1 min
    approval: {"0": [], "1": [commander], "2": [technical_lead]}
    verify: [gap_closed]
---
kind: component
id: feature-store
name: Feature store
type: feature_store
---
kind: monitor
id: loan-fairness
system: loan-approval
title: Gap of approvals
dimension: fairness
detector: group-gap
threshold: 0.10
unit: ratio
why: Twice the widest change seen in quiet weeks.
tells: [credit]
category: bias
facts: {protected_group_harmed: true, fairness_gap_change: "{measured} ratio"}
"""


@cache
def default_files() -> dict[str, str]:
    """The default files, name to text."""
    return {f"defaults/{path.name}": path.read_text() for path in sorted(FOLDER.glob("*.yaml"))}


@cache
def defaults() -> Configuration:
    """The configuration of an installation that has declared nothing."""
    return load({}, default_files())


def with_defaults(text: str) -> Configuration:
    """The configuration that `text` declares on top of the defaults."""
    return load({"mine.yaml": text}, default_files())


def problems(text: str, *, defaults: bool = True) -> tuple[Problem, ...]:
    """What is wrong with `text`, with the defaults below it or without."""
    try:
        load({"mine.yaml": text}, default_files() if defaults else {})
    except ConfigurationInvalid as error:
        return error.problems
    return ()
