"""Routing: what an alert leads to, who hears of it and when (COR-7).

The declared policy decides first, by its rules over the alert's facts. When no rule holds, the rank does:
rank 0 declares and goes to the commander and the whole team, rank 1 declares and goes to the engineer on
call, rank 2 waits for the daily digest, rank 3 for the weekly one. An unknown severity counts as rank 1.
No policy can put an alert of rank 0 or 1 into a digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from tocsin.alerts.alert import Alert, Placement
from tocsin.catalog.configuration import Configuration
from tocsin.catalog.declare_policy import DeclarePolicy, DeclareRule
from tocsin.catalog.severity_mapping import SeverityMapping
from tocsin.kernel.errors import Invalid
from tocsin.kernel.predicate import Fact, Vocabulary, evaluate
from tocsin.kernel.severity import LABEL_SETS, Severity, paging_rank, worse
from tocsin.signals.reported import ReportedAlert

Digest = Literal["daily", "weekly"]
Recipient = Literal["commander", "on_call", "owner"]
"""`commander`: the incident commander; `on_call`: the engineer on call; `owner`: the owning team, in a digest."""

BY_RANK: tuple[tuple[bool, Digest | None, Recipient, str], ...] = (
    (True, None, "commander", "A critical alert declares an incident at once."),
    (True, None, "on_call", "A high alert declares an incident at once."),
    (False, "daily", "owner", "A medium alert waits for the daily review."),
    (False, "weekly", "owner", "A low alert waits for the weekly review."),
)
"""What a rank leads to when no rule of the policy holds (COR-7)."""

UNKNOWN = "The severity is not known, so it counts as high until someone sets it."
NO_DIGEST = "An alert this severe is told at once; it never waits for a digest."


class Routing(msgspec.Struct, frozen=True, kw_only=True):
    """What is to happen with an alert, and why."""

    declare: bool
    """Whether to declare an incident, or attach the alert to the one its group already has."""
    severity: Severity = None
    """The rank the incident has at least; None: the matrix alone decides, and people are paged at rank 1."""
    category: str | None = None
    system: str | None = None
    why: tuple[str, ...]
    """Sentences for people."""
    digest: Digest | None = None
    """The review it waits for; None: it is told now."""
    to: Recipient
    whole_team: bool = False
    """Whether everyone of the team is told besides."""


@dataclass(frozen=True, slots=True)
class Places:
    """What the catalog says about where a report belongs; made once per configuration, as it is asked per alert."""

    systems: Mapping[str, str]
    """System id, or the registered name of its model, to system id."""
    categories: frozenset[str]
    mappings: Mapping[str, SeverityMapping]
    """Source to its severity words."""

    def of(self, reported: ReportedAlert) -> Placement:
        """Return where `reported` belongs. What the catalog does not know stays None."""
        labels = reported.labels
        mapping = self.mappings.get(reported.source)
        word = reported.sender_severity
        if mapping is not None and mapping.field in labels:
            word = labels[mapping.field]
        category = labels.get("category")
        return Placement(
            system=self._system(labels),
            category=category if category in self.categories else None,
            severity=mapping.rank(word) if mapping is not None else None,
        )

    def _system(self, labels: Mapping[str, str]) -> str | None:
        for name in ("system", "model", "service"):
            if labels.get(name) in self.systems:
                return self.systems[labels[name]]
        return None


def places(configuration: Configuration) -> Places:
    """Return the places that `configuration` knows."""
    systems = {system.model: id for id, system in sorted(configuration.systems.items()) if system.model}
    systems |= {id: id for id in configuration.systems}
    return Places(
        systems=systems,
        categories=frozenset(category.id for category in configuration.taxonomy.categories),
        mappings=configuration.severity_mappings,
    )


def facts_of(alert: Alert) -> dict[str, Fact]:
    """Return the facts of `alert`: those its sender asserts, and what it is itself under `alert.`."""
    own: dict[str, Fact | None] = {
        "alert.source": alert.source,
        "alert.name": alert.labels.get("alertname"),
        "alert.rank": paging_rank(alert.severity),
        "alert.severity": "unknown"
        if alert.severity is None
        else LABEL_SETS["words"][alert.severity].lower(),
        "alert.category": alert.category,
        "alert.system": alert.system,
        "alert.environment": alert.labels.get("environment") or alert.labels.get("env"),
        "alert.dimension": alert.labels.get("dimension"),
    }
    return {**alert.facts, **{name: value for name, value in own.items() if value is not None}}


def readable(facts: Mapping[str, Fact], vocabulary: Vocabulary) -> tuple[dict[str, Fact], tuple[str, ...]]:
    """Return the facts that `vocabulary` can read, and a sentence for each that it knows but cannot read.

    Senders are strangers: a fact of the wrong type counts as unknown and is said so, instead of stopping all.
    """
    good: dict[str, Fact] = {}
    bad: list[str] = []
    for name, value in facts.items():
        if name not in vocabulary.facts:
            continue
        try:
            vocabulary.read(name, value)
            good[name] = value
        except Invalid as error:
            bad.append(f"The fact {name} was left out: {error.why}")
    return good, tuple(bad)


def decide(
    alert: Alert,
    policy: DeclarePolicy | None,
    vocabulary: Vocabulary,
    more: Mapping[str, Fact] | None = None,
) -> Routing:
    """Return what `alert` leads to.

    more: facts known from elsewhere, such as how many people the system touches; the alert's own come first.
    """
    facts, spoiled = readable({**(more or {}), **facts_of(alert)}, vocabulary)
    for rule in policy.rules if policy is not None else ():
        verdict = evaluate(rule.when, facts, vocabulary)
        if verdict.holds:
            return _by_rule(alert, rule, (*verdict.because, *spoiled))
    return _by_rank(alert, spoiled)


def _by_rule(alert: Alert, rule: DeclareRule, because: tuple[str, ...]) -> Routing:
    severity = worse(rule.severity, alert.severity)
    rank = paging_rank(severity)
    digest: Digest | None = None
    why = (rule.why, *because)
    if not rule.declare:
        digest = _digest(rule.review, rank)
        if _too_severe(alert.severity):
            digest, why = None, (*why, NO_DIGEST)
    return Routing(
        declare=rule.declare,
        severity=severity,
        category=rule.category or alert.category,
        system=alert.system,
        why=why,
        digest=digest,
        to=_recipient(rank, digest),
        whole_team=rule.declare and rank == 0,
    )


def _digest(review: str, rank: int) -> Digest | None:
    """Return the digest that a rule names; without a name, the one of the rank, which for 0 and 1 is none."""
    named: dict[str, Digest] = {"daily": "daily", "weekly": "weekly"}
    return named.get(review) or BY_RANK[rank][1]


def _too_severe(severity: Severity) -> bool:
    return severity in (0, 1)


def _recipient(rank: int, digest: Digest | None) -> Recipient:
    if digest is not None:
        return "owner"
    return "commander" if rank == 0 else "on_call"


def _by_rank(alert: Alert, spoiled: tuple[str, ...]) -> Routing:
    declare, digest, to, sentence = BY_RANK[paging_rank(alert.severity)]
    return Routing(
        declare=declare,
        severity=alert.severity,
        category=alert.category,
        system=alert.system,
        why=(UNKNOWN if alert.severity is None else sentence, *spoiled),
        digest=digest,
        to=to,
        whole_team=alert.severity == 0,
    )
