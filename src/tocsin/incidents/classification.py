"""What kind of incident it is and how bad, decided with reasons; and what new facts change about it (CLS-1, CLS-4).

A person's word stands until facts that the person did not have point to something worse.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from tocsin.catalog.configuration import Configuration
from tocsin.incidents import taxonomy as kinds
from tocsin.incidents.incident import Criterion, Incident
from tocsin.incidents.severity import Assessment, readable
from tocsin.kernel.predicate import Fact
from tocsin.kernel.severity import Severity, worse

Origin = Literal["person", "alert", "facts", "nobody"]


class Categorised(msgspec.Struct, frozen=True, kw_only=True):
    """The category of an incident and who says so."""

    category: str
    origin: Origin
    why: str


def categorise(
    configuration: Configuration,
    facts: Mapping[str, Fact],
    *,
    declared: str | None = None,
    alert: str | None = None,
) -> Categorised:
    """Return the category: what a person declared, else what the alert or monitor says, else what facts point to.

    declared: a category named by a person; raises `Invalid` when there is none of that name.
    alert: a category named by a sender; one that is not known is passed over, since senders are strangers.
    """
    taxonomy, vocabulary = configuration.taxonomy, configuration.vocabulary
    if declared:
        found = kinds.category(taxonomy, declared)
        return Categorised(category=found.id, origin="person", why=f"Declared as {found.title}.")
    if alert and (named := taxonomy.category(alert)):
        return Categorised(category=named.id, origin="alert", why=f"The alert says {named.title}.")
    known, _ = readable(facts, vocabulary)
    for one, verdict in kinds.pointed_to(taxonomy, known, vocabulary):
        why = f"The facts point to {one.title}: {' '.join(verdict.because)}"
        return Categorised(category=one.id, origin="facts", why=why)
    why = "Nobody has named a category, and no fact points to one."
    return Categorised(category=taxonomy.unknown, origin="nobody", why=why)


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What an incident's record says about its severity."""

    severity: Severity
    set_by_person: bool = False
    known: tuple[Criterion, ...] = ()
    """The criteria that the record shows as held when the severity was last set, by policy or by a person."""
    floor: Severity = None
    """A rank that policy does not go below, such as the one a critical alert declared."""


def standing(incident: Incident, floor: Severity = None) -> Standing:
    """Return the standing of `incident` from its state."""
    return Standing(
        severity=incident.severity,
        set_by_person=incident.severity_set_by_person,
        known=incident.criteria,
        floor=floor,
    )


class Reassessment(msgspec.Struct, frozen=True, kw_only=True):
    """What to do about the severity after new facts."""

    action: Literal["keep", "set", "propose"]
    """`set`: change it by policy; `propose`: tell a person, change nothing; `keep`: nothing to do."""
    severity: Severity
    """The severity to set or to propose; with `keep` the present one."""
    reason: str


def reassess(current: Standing, assessment: Assessment) -> Reassessment:
    """Return what new facts change.

    - Only news makes it worse: a criterion that the record does not show as known, of a worse rank. What a
      person judged milder, knowing it, is no news, not even after policy raised the severity for another reason.
    - Set by policy, it becomes milder when the criterion that put it there no longer holds, but never below its
      floor; a rank from elsewhere, such as an alert's, stays.
    - Set by a person, it never becomes milder by policy; that the matrix says less is proposed, no more.
    - When no criterion holds any more, nobody knows that it is harmless: the severity stays.

    Whoever records a change of severity must record the criteria that held at that moment
    (`Assessment.for_record`), or every one of them counts as news afterwards.
    """
    known = {criterion.id for criterion in current.known}
    news = [
        fired
        for fired in assessment.criteria
        if fired.id not in known and _is_worse(fired.rank, current.severity)
    ]
    if news:
        since = "New since a person set the severity: " if current.set_by_person else ""
        reason = since + " ".join(fired.sentence for fired in news)
        return Reassessment(action="set", severity=news[0].rank, reason=reason)
    if current.set_by_person:
        return _beside_a_person(current, assessment)
    if _is_worse(current.floor, current.severity):
        reason = "An alert asks for at least this severity."
        return Reassessment(action="set", severity=current.floor, reason=reason)
    return _milder(current, assessment)


def _beside_a_person(current: Standing, assessment: Assessment) -> Reassessment:
    if assessment.severity is not None and _is_worse(current.severity, assessment.severity):
        reason = f"The matrix alone would say less: {assessment.because} The word of a person stands."
        return Reassessment(action="propose", severity=assessment.severity, reason=reason)
    return _keep(current, "A person set the severity knowing these criteria.")


def _milder(current: Standing, assessment: Assessment) -> Reassessment:
    """Return a milder rank when what explains the present one is gone."""
    present = current.severity
    if all(criterion.rank != present for criterion in current.known):
        return _keep(current, "The severity does not come from the matrix, so the matrix does not lower it.")
    holding = [fired for fired in assessment.criteria if present is not None and fired.rank >= present]
    if not holding:
        return _keep(current, "No criterion holds any more; that alone does not make it harmless.")
    wanted = worse(holding[0].rank, current.floor)
    if wanted == present:
        return _keep(current, "The facts known now lead to the same severity.")
    reason = f"What made it worse no longer holds. {holding[0].sentence}"
    return Reassessment(action="set", severity=wanted, reason=reason)


def _keep(current: Standing, reason: str) -> Reassessment:
    return Reassessment(action="keep", severity=current.severity, reason=reason)


def _is_worse(one: Severity, other: Severity) -> bool:
    """Say whether `one` is worse than `other`; any known rank is news beside an unknown one."""
    return one is not None and (other is None or one < other)
