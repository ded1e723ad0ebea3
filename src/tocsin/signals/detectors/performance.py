"""Is the model right often enough (DET-1)? Measured on labelled predictions, by the time of the prediction.

Labels come late and in no fair order, so the share of predictions that have one is shown, and a window with
too few labels, or too small a share of them, is 'insufficient'. Nothing here is an estimate without labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from tocsin.catalog.monitor import Monitor
from tocsin.signals.interval import Interval, area_under_curve, combine, smallest_detectable, wilson
from tocsin.signals.look import CONFIDENCE, POWER, SHARE, Detector, Look, Param
from tocsin.signals.reading import Finding, percent, points, points_between, text_of
from tocsin_sdk.profile import NO_SCORE, SCORE_BINS, UNKNOWN, Outcomes, Profile, word_of

Measured = tuple[Interval | None, int]
"""A metric (None where it is not defined) and the number of labelled predictions it rests on."""


@dataclass(frozen=True, slots=True)
class Confusion:
    """Labelled predictions by whether label and prediction are the positive class."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int
    right: int
    """Predictions equal to their label, whatever the class."""

    @property
    def total(self) -> int:
        """All labelled predictions."""
        return self.true_positive + self.false_positive + self.false_negative + self.true_negative


def confusion(outcomes: Outcomes, positive: str) -> Confusion:
    """Return the counts of labelled predictions; those without a known label or prediction are left out."""
    counts = {(label, prediction): 0 for label in (True, False) for prediction in (True, False)}
    right = 0
    for (_, label, prediction, _), count in outcomes.labelled.items():
        if UNKNOWN not in (label, prediction):
            counts[label == positive, prediction == positive] += count
            right += count * (label == prediction)
    return Confusion(
        counts[True, True], counts[False, True], counts[True, False], counts[False, False], right
    )


def _accuracy(counts: Confusion, z: float) -> Interval | None:
    return _share(counts.right, counts.total, z)


def _precision(counts: Confusion, z: float) -> Interval | None:
    return _share(counts.true_positive, counts.true_positive + counts.false_positive, z)


def _recall(counts: Confusion, z: float) -> Interval | None:
    return _share(counts.true_positive, counts.true_positive + counts.false_negative, z)


def _f1(counts: Confusion, z: float) -> Interval | None:
    # F1 = 2J / (1 + J) rises with J = TP / (TP + FP + FN), which is a plain share: so are the ends of its interval.
    jaccard = _share(
        counts.true_positive, counts.true_positive + counts.false_positive + counts.false_negative, z
    )
    if jaccard is None:
        return None
    value, lower, upper = (2 * j / (1 + j) for j in (jaccard.value, jaccard.lower, jaccard.upper))
    return Interval(value, lower, upper)


def _share(hits: int, of: int, z: float) -> Interval | None:
    return wilson(hits, of, z) if of else None


METRICS: dict[str, Callable[[Confusion, float], Interval | None]] = {
    "accuracy": _accuracy,
    "precision": _precision,
    "recall": _recall,
    "f1": _f1,
}


def measured(metric: str, outcomes: Outcomes, positive: str, z: float) -> Measured:
    """Return a metric of the labelled predictions: accuracy, precision, recall, f1 or auc."""
    if metric == "auc":
        return _auc(outcomes, positive, z)
    counts = confusion(outcomes, positive)
    return METRICS[metric](counts, z), counts.total


def _auc(outcomes: Outcomes, positive: str, z: float) -> Measured:
    histograms = {True: np.zeros(SCORE_BINS, np.int64), False: np.zeros(SCORE_BINS, np.int64)}
    for (_, label, _, score_bin), count in outcomes.labelled.items():
        if label != UNKNOWN and score_bin != NO_SCORE:
            histograms[label == positive][score_bin] += count
    total = int(histograms[True].sum() + histograms[False].sum())
    if not histograms[True].any() or not histograms[False].any():
        return None, total
    return area_under_curve(histograms[True], histograms[False], z), total


def coverage(profile: Profile) -> float:
    """Return the share of predictions whose label is known, from 0 to 1."""
    decisions = sum(profile.outcomes.decisions.values())
    return min(1.0, sum(profile.outcomes.labelled.values()) / decisions) if decisions else 0.0


def _lack(look: Look, profile: Profile, found: Measured, place: str) -> str | None:
    """Return why a profile cannot be judged, or None."""
    interval, sample = found
    metric = look.text("metric")
    if sample < look.minimum:
        share = percent(coverage(profile))
        return f"{place} has {sample:,} predictions with a label ({share} of all), and {look.minimum:,} are needed"
    if interval is None:
        return f"{metric} is not defined for {place}: it lacks a class"
    return None


def _detect_level(look: Look) -> Finding:
    metric = look.text("metric")
    found = measured(metric, look.current.outcomes, word_of(look.text("positive")), look.z())
    lack = _lack(look, look.current, found, "this window") or _immature(look)
    if lack is not None or found[0] is None:
        return _insufficient(look, f"{lack}", found[1])
    interval, sample = found[0], found[1]
    breach = interval.upper < look.threshold
    return Finding(
        state="breach" if breach else "ok",
        sentence=f"{metric.capitalize()} is {percent(interval.value)} on {sample:,} labelled predictions "
        f"({percent(interval.lower)} to {percent(interval.upper)}); at least {percent(look.threshold)} is expected.",
        value=interval.value,
        lower=interval.lower,
        upper=interval.upper,
        direction="below",
        sample=sample,
        figures=_figures(look),
    )


def _detect_drop(look: Look) -> Finding:
    if look.reference is None:
        return _insufficient(look, "there is no pinned reference to compare with", 0)
    metric, positive, z = look.text("metric"), word_of(look.text("positive")), look.z()
    now = measured(metric, look.current.outcomes, positive, z)
    pinned = measured(metric, look.reference.outcomes, positive, z)
    lack = (
        _lack(look, look.current, now, "this window")
        or _lack(look, look.reference, pinned, "the pinned reference")
        or _immature(look)
    )
    if lack is not None or now[0] is None or pinned[0] is None:
        return _insufficient(look, f"{lack}", now[1])
    drop = combine([(1, pinned[0]), (-1, now[0])])
    breach = drop.lower > look.threshold
    seen = smallest_detectable(drop, look.threshold, z, look.number("power"))
    return Finding(
        state="breach" if breach else "ok",
        sentence=f"{metric.capitalize()} is {percent(now[0].value)} on {now[1]:,} labelled predictions; the pinned "
        f"reference had {percent(pinned[0].value)}. The fall is {points(drop.value)} ({points_between(drop.lower, drop.upper)}"
        f"), {'beyond' if breach else 'not surely beyond'} the tolerance of "
        f"{points(look.threshold)}.",
        value=drop.value,
        lower=drop.lower,
        upper=drop.upper,
        sample=now[1],
        figures={
            metric: text_of(now[0].value),
            f"pinned_{metric}": text_of(pinned[0].value),
            "smallest_detectable": text_of(seen),
            **_figures(look),
        },
    )


def _immature(look: Look) -> str | None:
    share, least = coverage(look.current), look.number("minimum_coverage")
    if share >= least:
        return None
    return f"only {percent(share)} of the predictions have a label yet, and {percent(least)} are needed"


def _insufficient(look: Look, why: str, sample: int) -> Finding:
    return Finding(
        state="insufficient", sentence=f"Nobody can tell: {why}.", sample=sample, figures=_figures(look)
    )


def _figures(look: Look) -> dict[str, str]:
    outcomes = look.current.outcomes
    return {
        "labelled": str(sum(outcomes.labelled.values())),
        "predictions": str(sum(outcomes.decisions.values())),
        "label_coverage": text_of(coverage(look.current)),
    }


def _needs_positive(monitor: Monitor) -> Iterator[str]:
    metric = monitor.params.get("metric", "accuracy")
    if metric != "accuracy" and not monitor.params.get("positive", "").strip():
        yield f"The parameter 'positive' is missing: {metric} looks for one class."


_PARAMS = (
    Param("metric", "what is measured", "accuracy", choices=("accuracy", "precision", "recall", "f1", "auc")),
    Param("positive", "the class that precision, recall, f1 and auc look for; its score is the model's score", ""),
    Param("minimum_coverage", "the share of predictions that must have a label, from 0 to 1", "0.5", least=-0.01,
          most=1.01),
    CONFIDENCE,
)  # fmt: skip

DETECTORS = (
    Detector(
        name="performance_level",
        dimension="performance",
        meaning="A metric on labelled predictions; fires when even the upper end of its interval is below the "
        "threshold.",
        units=SHARE,
        params=_PARAMS,
        detect=_detect_level,
        also=_needs_positive,
    ),
    Detector(
        name="performance_drop",
        dimension="performance",
        meaning="How much a metric fell from the pinned reference; fires when the lower end of the interval of "
        "the fall passes the threshold.",
        units=SHARE,
        params=(*_PARAMS, POWER),
        detect=_detect_drop,
        also=_needs_positive,
    ),
)
