"""How bad an incident is, by the declared matrix: which criteria hold of the facts, and how soon that asks for people.

The worst criterion decides. Nothing is guessed: when no criterion holds, the severity is unknown (CLS-3, CLS-4).
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tocsin.catalog.configuration import Configuration
from tocsin.catalog.document import Rank, RankText
from tocsin.catalog.severity_matrix import Criterion as Row
from tocsin.catalog.severity_matrix import ResponseProfile, SeverityMatrix
from tocsin.incidents.incident import Criterion
from tocsin.kernel import quantity
from tocsin.kernel.errors import Invalid
from tocsin.kernel.predicate import Fact, Verdict, Vocabulary, evaluate
from tocsin.kernel.severity import Severity, paging_rank

_KEYS: tuple[RankText, ...] = ("0", "1", "2", "3")


class Fired(msgspec.Struct, frozen=True, kw_only=True):
    """A criterion that holds."""

    id: str
    rank: Rank
    sentence: str
    """What the criterion says."""
    because: tuple[str, ...]
    """The facts that made it hold, one sentence each."""
    facts: tuple[str, ...]
    """The names of those facts."""
    respond_within: str = ""
    """The criterion's own time, as text; empty: the rank's."""
    resolve_within: str = ""
    citation: str = ""

    def for_record(self) -> Criterion:
        """Return what an incident's events keep of it."""
        said = self.sentence.rstrip(".")
        more = (one for one in self.because if one.rstrip(".").removesuffix(": yes") != said)
        return Criterion(id=self.id, rank=self.rank, sentence=" ".join((self.sentence, *more)))


class Allowance(msgspec.Struct, frozen=True, kw_only=True):
    """How much time there is, and who says so."""

    seconds: int
    source: str
    """The criterion or profile that sets it, with its citation."""


class Assessment(msgspec.Struct, frozen=True, kw_only=True):
    """What the matrix says of some facts."""

    severity: Severity
    """The worst rank that holds; None when no criterion holds."""
    criteria: tuple[Fired, ...] = ()
    """The criteria that hold, the worst first. One that says less about the same facts is left out."""
    respond_within: Allowance
    """The shortest time of response among them; for an unknown severity that of rank 1."""
    resolve_within: Allowance | None = None
    """The shortest time of resolution among them; None when none is set."""
    left_out: tuple[str, ...] = ()
    """Facts that could not be read, one sentence each; they count as unknown."""

    def for_record(self) -> tuple[Criterion, ...]:
        """Return the criteria as an incident's events keep them."""
        return tuple(fired.for_record() for fired in self.criteria)

    @property
    def because(self) -> str:
        """The assessment in words: why this severity."""
        if not self.criteria:
            return "No criterion of the severity matrix holds of the facts known so far."
        worst = [fired.sentence for fired in self.criteria if fired.rank == self.severity]
        return " ".join(worst)


def assess(
    matrix: SeverityMatrix,
    facts: Mapping[str, Fact],
    vocabulary: Vocabulary,
    profile: ResponseProfile | None = None,
) -> Assessment:
    """Return which criteria of `matrix` hold of `facts`, the severity that follows and the time it allows.

    facts: name to value; names that the vocabulary does not have say nothing here. Without `profile` the first
    profile of the matrix is used.
    """
    known, left_out = readable(facts, vocabulary)
    fired = [
        _fired(row, verdict)
        for row in matrix.criteria
        if (verdict := evaluate(row.when, known, vocabulary)).holds
    ]
    criteria = _without_lesser(sorted(fired, key=lambda one: one.rank))
    severity = criteria[0].rank if criteria else None
    respond, resolve = allowances(profile or matrix.profiles[0], severity, criteria)
    return Assessment(
        severity=severity,
        criteria=criteria,
        respond_within=respond,
        resolve_within=resolve,
        left_out=left_out,
    )


def assess_in(configuration: Configuration, facts: Mapping[str, Fact]) -> Assessment:
    """Return `assess` with the matrix, the vocabulary and the response profile that `configuration` chose."""
    return assess(configuration.matrix, facts, configuration.vocabulary, configuration.response_profile)


def readable(facts: Mapping[str, Fact], vocabulary: Vocabulary) -> tuple[dict[str, Fact], tuple[str, ...]]:
    """Return the facts that `vocabulary` can read, and a sentence for each that it knows and cannot read.

    Facts come from senders and people: one of the wrong type counts as unknown and is said so.
    """
    good: dict[str, Fact] = {}
    bad: list[str] = []
    for name, value in facts.items():
        if name not in vocabulary.facts or value is None:
            continue
        try:
            vocabulary.read(name, value)
            good[name] = value
        except Invalid as error:
            bad.append(f"The fact {name} was left out: {error.why}")
    return good, tuple(bad)


def _fired(row: Row, verdict: Verdict) -> Fired:
    return Fired(
        id=row.id,
        rank=row.rank,
        sentence=row.sentence,
        because=verdict.because,
        facts=verdict.facts,
        respond_within=row.respond_within,
        resolve_within=row.resolve_within,
        citation=row.citation,
    )


def _without_lesser(fired: list[Fired]) -> tuple[Fired, ...]:
    """Leave out a criterion when a worse one rests on the same facts: 16 percent says more than 'at least 5'."""
    return tuple(
        one
        for one in fired
        if not any(other.rank < one.rank and set(one.facts) <= set(other.facts) for other in fired)
    )


def allowances(
    profile: ResponseProfile, severity: Severity, criteria: tuple[Fired, ...]
) -> tuple[Allowance, Allowance | None]:
    """Return the time to respond and the time to resolve (None: not set) for an incident of `severity`.

    A profile that puts criteria first takes the shortest time among `criteria` at most as bad as `severity`
    says (a person may have set another rank); otherwise the rank alone decides. Unknown counts as rank 1.
    """
    rank = paging_rank(severity)
    counted = [one for one in criteria if one.rank >= rank] if profile.criteria_first else []
    at_rank = any(one.rank == rank for one in counted)
    respond = [_allowance(profile, one.rank, one.respond_within, one) for one in counted]
    resolve = [_allowance(profile, one.rank, one.resolve_within, one, resolve=True) for one in counted]
    if not at_rank:
        respond.append(_allowance(profile, rank, "", None))
        resolve.append(_allowance(profile, rank, "", None, resolve=True))
    shortest = min((one for one in respond if one), key=lambda one: one.seconds)
    return shortest, min((one for one in resolve if one), key=lambda one: one.seconds, default=None)


def _allowance(
    profile: ResponseProfile, rank: int, own: str, fired: Fired | None, *, resolve: bool = False
) -> Allowance | None:
    of_rank = profile.ranks[_KEYS[rank]]
    text = own or (of_rank.resolve_within if resolve else of_rank.respond_within)
    if not text:
        return None
    what = f"{'Resolve' if resolve else 'Respond'} within {text}"
    if fired and own:
        source = (
            f"{what}: criterion {fired.id} ({fired.citation})"
            if fired.citation
            else f"{what}: criterion {fired.id}"
        )
    else:
        source = f"{what}: rank {rank} of profile {profile.id} ({profile.citation})"
    return Allowance(seconds=quantity.seconds(text), source=source)


def open_questions(
    matrix: SeverityMatrix, facts: Mapping[str, Fact], vocabulary: Vocabulary, worse_than: Severity = None
) -> tuple[str, ...]:
    """Return the names of unknown facts that could make it worse than `worse_than`, those of the worst rank first.

    Only facts that people are asked for (`ask` in the vocabulary). None asks for every criterion.
    """
    known, _ = readable(facts, vocabulary)
    names: dict[str, None] = {}
    for row in sorted(matrix.criteria, key=lambda row: row.rank):
        if worse_than is None or row.rank < worse_than:
            verdict = evaluate(row.when, known, vocabulary)
            if verdict.holds is None:
                names.update((name, None) for name in verdict.facts if vocabulary.type_of(name).ask)
    return tuple(names)
