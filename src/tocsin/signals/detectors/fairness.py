"""Are groups treated alike, and has that changed (DET-4)?

The gap is the rate of the adverse outcome in a protected group minus that in the reference group: above 0
means that the protected group gets it more often. Real decisions differ between groups for many reasons, so
the default is to watch the CHANGE of the gap against the pinned reference. Rates have Wilson intervals; gaps
and changes of gaps combine them by MOVER (Zou and Donner, 2008; see `interval.combine`). A monitor fires only
when the lower end of the interval passes the tolerance, and it says what the sample could have shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from tocsin.signals.interval import Interval, combine, smallest_detectable, wilson
from tocsin.signals.look import CONFIDENCE, POWER, SHARE, Detector, Look, Param
from tocsin.signals.reading import Finding, GroupFigure, decimal_of, percent, points, points_between, text_of
from tocsin_sdk.profile import UNKNOWN, Outcomes, word_of

Tally = tuple[int, int]
"""Adverse outcomes, and out of how many decisions."""
NONE: Tally = (0, 0)


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate of the adverse outcome that is compared between groups."""

    name: str
    among: str
    """The decisions it is a share of, in words; {adverse} is the outcome."""
    tallies: Callable[[Outcomes, str], dict[str, Tally]]
    """Tallies by group, given the adverse outcome."""


@dataclass(frozen=True, slots=True)
class Counted:
    """One rate counted once, by group: in this window, in the pinned reference, and whether that is compared."""

    rate: Rate
    now: dict[str, Tally]
    pinned: dict[str, Tally]
    compared: bool

    def sides(self) -> Iterator[tuple[dict[str, Tally], str]]:
        """Yield the tallies that take part in a comparison, each with the place they come from."""
        yield self.now, "this window"
        if self.compared:
            yield self.pinned, "the pinned reference"


@dataclass(frozen=True, slots=True)
class Gap:
    """One protected group compared with the reference group by one rate. Above 0 is worse."""

    counted: Counted
    group: str
    judged: Interval
    """What is held against the tolerance: the change of the gap or, in absolute mode, the gap."""
    present: float
    pinned: float | None
    """The gap in the pinned reference; None in absolute mode."""


def _of_all(outcomes: Outcomes, adverse: str) -> dict[str, Tally]:
    return _tallied((cell[0], cell[1] == adverse, count) for cell, count in outcomes.decisions.items())


def _of_undeserved(outcomes: Outcomes, adverse: str) -> dict[str, Tally]:
    return _of_labelled(outcomes, adverse, deserved=False)


def _of_deserved(outcomes: Outcomes, adverse: str) -> dict[str, Tally]:
    return _of_labelled(outcomes, adverse, deserved=True)


def _of_labelled(outcomes: Outcomes, adverse: str, *, deserved: bool) -> dict[str, Tally]:
    return _tallied(
        (group, prediction == adverse, count)
        for (group, label, prediction, _), count in outcomes.labelled.items()
        if label != UNKNOWN and (label == adverse) is deserved
    )


def _tallied(rows: Iterable[tuple[str, bool, int]]) -> dict[str, Tally]:
    tallies: dict[str, Tally] = {}
    for group, hit, count in rows:
        hits, of = tallies.get(group, NONE)
        tallies[group] = (hits + count * hit, of + count)
    return tallies


PARITY = Rate("adverse_rate", "decisions", _of_all)
FALSE_POSITIVE = Rate(
    "false_positive_rate", "decisions on people who turned out not to merit it", _of_undeserved
)
TRUE_POSITIVE = Rate("true_positive_rate", "decisions on people who turned out to merit it", _of_deserved)


def _detect_parity(look: Look) -> Finding:
    return _detect(look, (PARITY,))


def _detect_equalised_odds(look: Look) -> Finding:
    return _detect(look, (FALSE_POSITIVE, TRUE_POSITIVE))


def _detect(look: Look, rates: tuple[Rate, ...]) -> Finding:
    change = look.text("mode") == "change"
    if change and look.reference is None:
        return Finding(
            state="insufficient", sentence="There is no pinned reference to compare the groups with."
        )
    adverse, protected = word_of(look.text("adverse")), tuple(map(word_of, look.names("protected")))
    pinned = look.reference.outcomes if look.reference else Outcomes()
    table = [
        Counted(rate, rate.tallies(look.current.outcomes, adverse), rate.tallies(pinned, adverse), change)
        for rate in rates
    ]
    planned = [(counted, group) for counted in table for group in protected]
    z = look.z(len(planned))
    gaps: list[Gap] = []
    lacking: list[str] = []
    for counted, group in planned:
        lacks = list(_lacks(look, counted, group))
        lacking += lacks
        if not lacks:
            gaps.append(_gap(look, counted, group, z))
    groups = tuple(figure for counted in table for figure in _group_figures(look, counted, protected))
    if not gaps:
        words = f"Nobody can tell: {'; '.join(lacking)}."
        return Finding(state="insufficient", sentence=words, groups=groups)
    worst = max(gaps, key=lambda gap: (gap.judged.lower, gap.judged.value))
    breach = worst.judged.lower > look.threshold
    return Finding(
        state="breach" if breach else "insufficient" if lacking else "ok",
        sentence=_sentence(look, worst) + (f" Not judged: {'; '.join(lacking)}." if lacking else ""),
        value=worst.judged.value,
        lower=worst.judged.lower,
        upper=worst.judged.upper,
        sample=worst.counted.now[worst.group][1],
        figures=_figures(look, gaps, worst, z),
        groups=groups,
    )


def _lacks(look: Look, counted: Counted, group: str) -> Iterator[str]:
    """Yield what is missing before this group can be compared."""
    for name in (group, word_of(look.text("reference"))):
        for tallies, place in counted.sides():
            of = tallies.get(name, NONE)[1]
            if of < look.minimum:
                among = counted.rate.among
                yield f"group {name} has {of:,} {among} in {place}, and {look.minimum:,} are needed"


def _gap(look: Look, counted: Counted, group: str, z: float) -> Gap:
    reference = word_of(look.text("reference"))
    now = [(1, wilson(*counted.now[group], z)), (-1, wilson(*counted.now[reference], z))]
    before = []
    if counted.compared:
        before = [(-1, wilson(*counted.pinned[group], z)), (1, wilson(*counted.pinned[reference], z))]
    judged = combine(now + before)
    if look.text("direction") == "either" and judged.lower < -judged.upper:
        judged = Interval(-judged.value, -judged.upper, -judged.lower)
    return Gap(counted, group, judged, combine(now).value, -combine(before).value if before else None)


def _sentence(look: Look, gap: Gap) -> str:
    adverse, reference = look.text("adverse"), word_of(look.text("reference"))
    among = gap.counted.rate.among
    (hits, of), (other_hits, other_of) = gap.counted.now[gap.group], gap.counted.now[reference]
    confidence = f"{100 * look.number('confidence'):g} %"
    said = (
        f"Group {gap.group} got {adverse!r} in {percent(hits / of)} of {of:,} {among}, "
        f"group {reference} in {percent(other_hits / other_of)} of {other_of:,}: a gap of {points(gap.present)}."
    )
    if gap.pinned is not None:
        said += f" It was {points(gap.pinned)} in the pinned reference."
    what = "The gap" if gap.pinned is None else "The change"
    interval = points_between(gap.judged.lower, gap.judged.upper)
    beyond = "beyond" if gap.judged.lower > look.threshold else "not surely beyond"
    return (
        f"{said} {what} is {points(gap.judged.value)} ({interval} with {confidence} confidence), {beyond} "
        f"the tolerance of {points(look.threshold)}."
    )


def _figures(look: Look, gaps: list[Gap], worst: Gap, z: float) -> dict[str, str]:
    seen = smallest_detectable(worst.judged, look.threshold, z, look.number("power"))
    figures = {
        "rate": worst.counted.rate.name,
        "group": worst.group,
        "gap": text_of(worst.present),
        "smallest_detectable": text_of(seen),
        "comparisons": str(len(gaps)),
    }
    for gap in gaps:
        name = f"{gap.counted.rate.name}.{gap.group}"
        figures[f"{name}.gap"] = text_of(gap.present)
        if gap.pinned is not None:
            figures[f"{name}.pinned_gap"] = text_of(gap.pinned)
        figures[f"{name}.judged"] = text_of(gap.judged.value)
        figures[f"{name}.lower"] = text_of(gap.judged.lower)
        figures[f"{name}.upper"] = text_of(gap.judged.upper)
    if worst.pinned is not None:
        figures["pinned_gap"] = text_of(worst.pinned)
    return figures


def _group_figures(look: Look, counted: Counted, protected: tuple[str, ...]) -> Iterator[GroupFigure]:
    """Yield every group, the protected ones first, then the reference group, then the others by name."""
    reference = word_of(look.text("reference"))
    named = (*protected, reference)
    others = sorted((counted.now.keys() | counted.pinned.keys()) - set(named))
    for group in (*named, *others):
        hits, of = counted.now.get(group, NONE)
        interval = wilson(hits, of, look.z()) if of else None
        pinned_hits, pinned_of = counted.pinned.get(group, NONE)
        role: Literal["protected", "reference", "other"] = "other"
        if group in named:
            role = "reference" if group == reference else "protected"
        yield GroupFigure(
            group=group,
            role=role,
            measure=counted.rate.name,
            hits=hits,
            of=of,
            rate=decimal_of(interval.value) if interval else None,
            lower=decimal_of(interval.lower) if interval else None,
            upper=decimal_of(interval.upper) if interval else None,
            pinned_rate=decimal_of(pinned_hits / pinned_of) if pinned_of else None,
        )


_PARAMS = (
    Param("adverse", "the outcome that nobody wants, as the model predicts it, such as deny"),
    Param("protected", "the protected groups, separated by commas"),
    Param("reference", "the group that they are compared with"),
    Param("mode", "judge the change of the gap against the pinned reference, or the gap itself", "change",
          choices=("change", "absolute")),
    Param("direction", "fire when the protected group fares worse, or also when it fares better", "harm",
          choices=("harm", "either")),
    CONFIDENCE,
    POWER,
)  # fmt: skip

DETECTORS = (
    Detector(
        name="parity_gap",
        dimension="fairness",
        meaning="Difference between groups in how often they get the adverse outcome (demographic parity); "
        "fires when the lower end of its interval, or of its change, passes the threshold.",
        units=SHARE,
        params=_PARAMS,
        detect=_detect_parity,
    ),
    Detector(
        name="equalised_odds_gap",
        dimension="fairness",
        meaning="The same difference among people whose label is the adverse outcome, and among the others "
        "(equalised odds: Hardt, Price and Srebro, 2016); the worse of the two counts. Needs labels.",
        units=SHARE,
        params=_PARAMS,
        detect=_detect_equalised_odds,
    ),
)
