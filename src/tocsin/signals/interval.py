"""How sure a figure is: intervals and tail probabilities, in plain arithmetic, the same on every machine.

Every function is deterministic and takes counts or plain numbers. Nothing here knows about monitors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

_NORMAL = NormalDist()

Histogram = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with the lower and upper end of its confidence interval."""

    value: float
    lower: float
    upper: float


def z_of(confidence: float, comparisons: int = 1) -> float:
    """Return the normal quantile of a two-sided interval, widened for several comparisons (Bonferroni).

    `confidence` is in 0..1, exclusive. z_of(0.95) is 1.96.
    """
    return _NORMAL.inv_cdf(1 - (1 - confidence) / (2 * max(comparisons, 1)))


def z_of_power(power: float) -> float:
    """Return the normal quantile of a power: the chance, in 0..1, to find what is there."""
    return _NORMAL.inv_cdf(power)


def wilson(hits: float, of: float, z: float) -> Interval:
    """Return a share with its score interval (Wilson, JASA 22, 1927). `of` is above 0; both may be fractions."""
    share = hits / of
    centre = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    # At the ends the score interval touches 0 and 1 exactly; rounding would miss them by a hair.
    lower = 0.0 if hits == 0 else max(0.0, centre - half)
    upper = 1.0 if hits == of else min(1.0, centre + half)
    return Interval(share, lower, upper)


def combine(terms: Sequence[tuple[int, Interval]]) -> Interval:
    """Return a sum of independent estimates, each with sign +1 or -1, and its interval.

    MOVER, the method of variance estimates recovery (Zou and Donner, Statistics in Medicine 27, 2008). With
    Wilson intervals and two terms it is Newcombe's hybrid score interval, his method 10 (Statistics in
    Medicine 17, 1998).
    """
    value = sum(sign * term.value for sign, term in terms)
    below = math.hypot(
        *(term.value - term.lower if sign > 0 else term.upper - term.value for sign, term in terms)
    )
    above = math.hypot(
        *(term.upper - term.value if sign > 0 else term.value - term.lower for sign, term in terms)
    )
    return Interval(value, value - below, value + above)


def smallest_detectable(found: Interval, tolerance: float, z: float, power: float) -> float:
    """Return the smallest true figure that a sample like this would probably show to be beyond `tolerance`.

    'Show' means that the lower end of its interval passes the tolerance; 'probably' is `power`, in 0..1.
    """
    return tolerance + (found.value - found.lower) * (z + z_of_power(power)) / z


def event_count(count: int, z: float) -> Interval:
    """Return a count of independent events with the score interval of its expectation (Poisson)."""
    half = z * math.sqrt(count + z * z / 4)
    return Interval(float(count), max(0.0, count + z * z / 2 - half), count + z * z / 2 + half)


def quantile_ranks(count: int, share: float, z: float) -> tuple[int, int, int]:
    """Return the ranks (from 1) of a quantile of `count` numbers and of the ends of its interval.

    The interval by order statistics needs no assumption about the distribution (Conover, Practical
    Nonparametric Statistics, section 3.2).
    """
    spread = z * math.sqrt(count * share * (1 - share))
    rank = max(1, math.ceil(count * share))
    return rank, max(1, math.floor(count * share - spread)), min(count, math.ceil(count * share + spread) + 1)


def area_under_curve(positive: Histogram, negative: Histogram, z: float) -> Interval:
    """Return the area under the ROC curve from two score histograms over the same bins, with its interval.

    The area is the chance that a positive scores above a negative, ties counting half. The variance is
    DeLong's (Biometrics 44, 1988), which gives an effective sample; the interval is Wilson's for it, so that it
    stays within 0..1 and does not vanish at 1. Both histograms hold at least one score.
    """
    positives, negatives = int(positive.sum()), int(negative.sum())
    below = (
        np.cumsum(negative) - 0.5 * negative
    ) / negatives  # for a positive in the bin: negatives it beats
    above = 1 - (np.cumsum(positive) - 0.5 * positive) / positives  # for a negative: positives that beat it
    area = float((positive * below).sum() / positives)
    variance = 0.0
    for histogram, part, count in ((positive, below, positives), (negative, above, negatives)):
        variance += float((histogram * (part - area) ** 2).sum()) / max(count - 1, 1) / count
    of = min(positives, negatives) if variance <= 0 else area * (1 - area) / variance
    return wilson(area * max(of, 1.0), max(of, 1.0), z)


def ks_tail(distance: float, one: int, other: int) -> float:
    """Return the chance of a two-sample Kolmogorov-Smirnov distance at least this large without a difference.

    Asymptotic, with the correction of Stephens (JRSS B 32, 1970); too cautious where values repeat.
    """
    root = math.sqrt(one * other / (one + other))
    scaled = (root + 0.12 + 0.11 / root) * distance
    if scaled < 0.2:
        return 1.0  # the series converges slowly here, and the chance is 1 to ten digits
    terms = ((2 if k % 2 else -2) * math.exp(-2 * (k * scaled) ** 2) for k in range(1, 101))
    return min(1.0, max(0.0, sum(terms)))


def chi_square_tail(statistic: float, degrees: int) -> float:
    """Return the chance that a chi-square variable with this many degrees of freedom exceeds `statistic`."""
    half = statistic / 2
    if half <= 0:
        return 1.0
    tail, at = (math.erfc(math.sqrt(half)), 1) if degrees % 2 else (math.exp(-half), 2)
    while at < degrees:
        tail += math.exp(at / 2 * math.log(half) - half - math.lgamma(at / 2 + 1))
        at += 2
    return min(1.0, tail)


def adjusted(chances: Sequence[float]) -> list[float]:
    """Return the chances adjusted for looking at all of them (Benjamini and Hochberg, JRSS B 57, 1995)."""
    order = sorted(range(len(chances)), key=lambda index: chances[index], reverse=True)
    result = [1.0] * len(chances)
    least = 1.0
    for place, index in enumerate(order):
        least = min(least, chances[index] * len(chances) / (len(chances) - place))
        result[index] = least
    return result
