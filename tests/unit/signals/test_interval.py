"""Intervals and tails against published examples and against scipy and scikit-learn, which run in tests only."""

import itertools
import math
import random

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from tocsin.signals.interval import (
    Interval,
    adjusted,
    area_under_curve,
    chi_square_tail,
    combine,
    event_count,
    ks_tail,
    quantile_ranks,
    smallest_detectable,
    wilson,
    z_of,
)

Z = z_of(0.95)


def test_the_normal_quantile_is_two_sided_and_widens_with_comparisons() -> None:
    assert z_of(0.95) == pytest.approx(1.959964, abs=1e-6)
    assert z_of(0.95, 2) == pytest.approx(z_of(0.975))


@pytest.mark.parametrize(
    ("hits", "of"), [(0, 10), (10, 10), (1, 1), (81, 263), (15, 148), (1, 29), (500, 1000)]
)
def test_wilson_is_scipys(hits: int, of: int) -> None:
    theirs = stats.binomtest(hits, of).proportion_ci(0.95, method="wilson")
    ours = wilson(hits, of, Z)
    assert (ours.value, ours.lower, ours.upper) == pytest.approx(
        (hits / of, theirs.low, theirs.high), abs=1e-12
    )


@pytest.mark.parametrize(
    ("one", "other", "lower", "upper"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 20), 0.6791, 1.0),
    ],
)
def test_a_difference_of_shares_is_newcombes_published_table(
    one: tuple[int, int], other: tuple[int, int], lower: float, upper: float
) -> None:
    """Newcombe, Statistics in Medicine 17 (1998), table II, method 10."""
    found = combine([(1, wilson(*one, Z)), (-1, wilson(*other, Z))])
    assert (found.lower, found.upper) == pytest.approx((lower, upper), abs=5e-5)


def test_combining_is_exact_for_one_term_and_mirrors_with_the_sign() -> None:
    one = Interval(0.3, 0.2, 0.5)
    assert combine([(1, one)]) == Interval(0.3, pytest.approx(0.2), pytest.approx(0.5))
    mirrored = combine([(-1, one)])
    assert (mirrored.value, mirrored.lower, mirrored.upper) == pytest.approx((-0.3, -0.5, -0.2))


def test_the_interval_of_a_change_of_gaps_holds_its_level() -> None:
    """2,000 simulated changes of a gap (n = 300, 1,800, 300, 1,800) are covered in 93.5 to 96.5 % at 95 %."""
    chance = np.random.default_rng(11)
    rates, sizes = (0.45, 0.10, 0.30, 0.12), (300, 1800, 300, 1800)
    truth = rates[0] - rates[1] - rates[2] + rates[3]
    covered = 0
    for _ in range(2000):
        hits = [int(chance.binomial(size, rate)) for size, rate in zip(sizes, rates, strict=True)]
        terms = [wilson(hit, size, Z) for hit, size in zip(hits, sizes, strict=True)]
        found = combine(list(zip((1, -1, -1, 1), terms, strict=True)))
        covered += found.lower <= truth <= found.upper
    assert 0.935 <= covered / 2000 <= 0.965


def test_a_five_point_gap_in_rates_near_080_needs_about_1093_per_group() -> None:
    """The sample size of a comparison of 0.80 with 0.75 at 80 % power: n = 1,093 in each group."""
    found = combine([(1, wilson(round(0.8 * 1093), 1093, Z)), (-1, wilson(round(0.75 * 1093), 1093, Z))])
    assert smallest_detectable(found, 0.0, Z, 0.80) == pytest.approx(0.05, abs=0.0015)


@pytest.mark.parametrize("count", [0, 1, 9, 250])
def test_an_event_count_is_near_the_exact_poisson_interval(count: int) -> None:
    found = event_count(count, Z)
    upper = stats.chi2.ppf(0.975, 2 * (count + 1)) / 2
    lower = stats.chi2.ppf(0.025, 2 * count) / 2 if count else 0.0
    assert found.lower == pytest.approx(lower, abs=1.0)
    assert found.upper == pytest.approx(upper, rel=0.05)


def test_the_ranks_of_a_quantile_cover_it_at_their_level() -> None:
    for count, share in ((50, 0.5), (200, 0.95), (1000, 0.95)):
        rank, low, high = quantile_ranks(count, share, Z)
        assert low <= rank <= high
        # The quantile lies between ordered values low and high when low <= Binomial(count, share) < high.
        covered = stats.binom.cdf(high - 1, count, share) - stats.binom.cdf(low - 1, count, share)
        assert 0.945 <= covered <= 0.99
    assert quantile_ranks(1, 0.95, Z) == (1, 1, 1)


def test_the_area_under_the_curve_is_scikit_learns() -> None:
    chance = np.random.default_rng(3)
    labels = chance.random(4000) < 0.3
    scores = 1 / (1 + np.exp(-(chance.normal(size=4000) + 1.2 * labels)))
    bins = np.minimum((scores * 4096).astype(int), 4095)
    found = area_under_curve(
        np.bincount(bins[labels], minlength=4096), np.bincount(bins[~labels], minlength=4096), Z
    )
    assert found.value == pytest.approx(roc_auc_score(labels, bins), abs=1e-12)
    assert found.value == pytest.approx(roc_auc_score(labels, scores), abs=1e-5)


def test_the_interval_of_the_area_is_delongs() -> None:
    chance = random.Random(4)
    positive, negative = (
        [chance.randrange(2, 12) for _ in range(60)],
        [chance.randrange(10) for _ in range(90)],
    )

    def beats(a: int, b: int) -> float:
        return 1.0 if a > b else 0.5 if a == b else 0.0

    of_positive = [np.mean([beats(p, n) for n in negative]) for p in positive]
    of_negative = [np.mean([beats(p, n) for p in positive]) for n in negative]
    error = math.sqrt(np.var(of_positive, ddof=1) / 60 + np.var(of_negative, ddof=1) / 90)
    found = area_under_curve(np.bincount(positive, minlength=20), np.bincount(negative, minlength=20), Z)
    assert found.value == pytest.approx(np.mean(of_positive))
    assert found.upper - found.lower == pytest.approx(2 * Z * error, rel=0.05)


def test_a_perfect_separation_is_not_certain() -> None:
    found = area_under_curve(np.array([0, 20]), np.array([20, 0]), Z)
    assert (found.value, found.upper) == (1.0, 1.0)
    assert found.lower < 0.9


@pytest.mark.parametrize(("one", "other"), [(300, 2000), (1000, 1000), (50, 80)])
def test_the_kolmogorov_smirnov_tail_is_near_the_exact_one(one: int, other: int) -> None:
    for distance in (0.0, 0.02, 0.05, 0.1, 0.2, 0.4):
        theirs = stats.kstwo.sf(distance, max(1, round(one * other / (one + other))))
        assert ks_tail(distance, one, other) == pytest.approx(theirs, abs=0.02)


@pytest.mark.parametrize("degrees", [1, 2, 3, 9, 10, 25])
def test_the_chi_square_tail_is_scipys(degrees: int) -> None:
    for statistic in (0.0, 0.5, 3.0, 20.0, 200.0, 2000.0):
        assert chi_square_tail(statistic, degrees) == pytest.approx(
            stats.chi2.sf(statistic, degrees), abs=1e-12
        )


def test_adjusted_chances_are_scipys() -> None:
    chance = random.Random(2)
    for size in (0, 1, 2, 7, 40):
        chances = [chance.random() ** 3 for _ in range(size)]
        theirs = list(stats.false_discovery_control(chances)) if size else []
        assert adjusted(chances) == pytest.approx(theirs)


def test_more_data_never_widens_an_interval() -> None:
    for share in (0.0, 0.1, 0.5, 1.0):
        widths = []
        for of in (10, 100, 1000, 10_000):
            found = wilson(share * of, of, Z)
            widths.append(found.upper - found.lower)
        assert all(later < sooner for sooner, later in itertools.pairwise(widths))
