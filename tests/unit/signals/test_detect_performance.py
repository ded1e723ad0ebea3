"""Performance monitors: metrics on labelled predictions, and labels that come late."""

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from tests.unit.signals.windows import labelled, monitor, read
from tocsin.catalog.monitor import Monitor
from tocsin.signals.detectors.performance import measured
from tocsin.signals.interval import z_of
from tocsin_sdk import Profile

CELLS = (("deny", "deny"), ("approve", "deny"), ("deny", "approve"), ("approve", "approve"))


def window(tp: int, fp: int, fn: int, tn: int, *, unlabelled: int = 0) -> Profile:
    rows = {
        ("A", label, prediction): n
        for (label, prediction), n in zip(CELLS, (tp, fp, fn, tn), strict=True)
        if n
    }
    return labelled(rows, unlabelled=unlabelled)


def level(metric: str, threshold: str, **params: str) -> Monitor:
    given: dict[str, Any] = {"metric": metric, "positive": "deny", **params}
    return monitor("performance_level", threshold, "performance", minimum_sample=100, params=given)


def drop(metric: str = "accuracy", threshold: str = "0.05", **params: str) -> Monitor:
    given: dict[str, Any] = {"metric": metric, "positive": "deny", **params}
    return monitor("performance_drop", threshold, "performance", minimum_sample=100, params=given)


def test_every_metric_is_scikit_learns() -> None:
    chance = np.random.default_rng(9)
    label = chance.random(1500) < 0.3
    score = np.clip(0.3 + 0.25 * label + 0.2 * chance.normal(size=1500), 0, 1)
    prediction = score > 0.45
    profile = Profile()
    for y, p, s in zip(label.tolist(), prediction.tolist(), score.tolist(), strict=True):
        profile.add(prediction=p, score=s)
        profile.add_label(label=y, prediction=p, score=s)
    expected = {
        "accuracy": metrics.accuracy_score(label, prediction),
        "precision": metrics.precision_score(label, prediction),
        "recall": metrics.recall_score(label, prediction),
        "f1": metrics.f1_score(label, prediction),
        "auc": metrics.roc_auc_score(label, score),
    }
    for metric, theirs in expected.items():
        found, sample = measured(metric, profile.outcomes, "1", z_of(0.95))
        assert found is not None
        assert found.value == pytest.approx(theirs, abs=1e-5 if metric == "auc" else 1e-12)
        assert found.lower < found.value < found.upper
        assert sample == 1500


def test_accuracy_works_for_more_than_two_classes() -> None:
    profile = labelled({("A", "cat", "cat"): 60, ("A", "dog", "cat"): 20, ("A", "owl", "owl"): 40})
    found, sample = measured("accuracy", profile.outcomes, "", z_of(0.95))
    assert found is not None
    assert found.value == pytest.approx(100 / 120)
    assert sample == 120


def test_the_interval_of_f1_holds_its_level() -> None:
    """1,000 simulated windows of 300: the true F1 is covered in 93 to 97 % at 95 %."""
    chance = np.random.default_rng(12)
    shares = (0.20, 0.08, 0.06, 0.66)
    truth = 2 * shares[0] / (2 * shares[0] + shares[1] + shares[2])
    covered = 0
    for _ in range(1000):
        found, _ = measured(
            "f1", window(*map(int, chance.multinomial(300, shares))).outcomes, "deny", z_of(0.95)
        )
        assert found is not None
        covered += found.lower <= truth <= found.upper
    assert 930 <= covered <= 970


def test_a_level_fires_only_when_the_metric_is_surely_below() -> None:
    for tp, state in ((95, "ok"), (85, "ok"), (80, "ok"), (60, "breach")):
        reading = read(level("precision", "0.85"), window(tp, 100 - tp, 20, 200))
        assert reading.state == state, tp
        assert reading.direction == "below"
    assert reading.value == Decimal("0.6")
    assert reading.sentence == (
        "Precision is 60.0 % on 320 labelled predictions (50.2 % to 69.1 %); at least 85.0 % is expected."
    )


def test_a_drop_fires_only_when_it_surely_passes_the_tolerance() -> None:
    reference = window(300, 50, 50, 1600)
    same, small, unsure, large = (window(150, wrong, wrong, 800 - wrong) for wrong in (25, 40, 60, 120))
    assert read(drop(), same, reference).state == "ok"
    assert read(drop(), small, reference).state == "ok"
    reading = read(drop(), unsure, reference)
    assert reading.value is not None
    assert reading.value > Decimal("0.05")
    assert reading.state == "ok"
    reading = read(drop(), large, reference)
    assert reading.state == "breach"
    assert reading.figures["pinned_accuracy"] == "0.95"
    assert reading.sentence.startswith(
        "Accuracy is 77.6 % on 1,070 labelled predictions; the pinned reference had"
    )


def test_late_labels_make_a_window_insufficient_until_enough_have_come() -> None:
    reference = window(300, 50, 50, 1600)
    few = window(20, 5, 5, 69, unlabelled=10)
    reading = read(drop(), few, reference)
    assert reading.state == "insufficient"
    assert "99 predictions with a label (90.8 % of all), and 100 are needed" in reading.sentence
    immature = window(30, 10, 10, 150, unlabelled=400)
    reading = read(drop(), immature, reference)
    assert reading.state == "insufficient"
    assert "only 33.3 % of the predictions have a label yet, and 50.0 % are needed" in reading.sentence
    assert reading.figures["label_coverage"] == "0.333333"
    assert read(drop(minimum_coverage="0.3"), immature, reference).state == "ok"
    assert read(drop(), window(30, 10, 10, 150, unlabelled=200), reference).state != "insufficient"


def test_a_metric_that_is_not_defined_is_insufficient() -> None:
    nobody_denied = window(0, 0, 0, 500)
    for metric in ("precision", "recall", "f1", "auc"):
        reading = read(level(metric, "0.8"), nobody_denied)
        assert (reading.state, reading.value) == ("insufficient", None), metric
    assert read(level("accuracy", "0.8"), nobody_denied).state == "ok"


def test_a_drop_needs_a_reference_with_enough_labels() -> None:
    current = window(300, 50, 50, 1600)
    assert "no pinned reference" in read(drop(), current).sentence
    small = read(drop(), current, window(30, 5, 5, 50))
    assert small.state == "insufficient"
    assert "the pinned reference has 90 predictions" in small.sentence


def test_nothing_at_all_is_insufficient() -> None:
    assert read(level("accuracy", "0.8"), Profile()).state == "insufficient"


def test_a_drop_in_the_area_under_the_curve_is_found() -> None:
    def scored(shift: float) -> Profile:
        chance = np.random.default_rng(1)
        profile = Profile()
        for label in (0, 1):
            for score in np.clip(0.4 + shift * label + 0.15 * chance.normal(size=500), 0, 1).tolist():
                profile.add(prediction=int(score > 0.5), score=score)
                profile.add_label(label=label, prediction=int(score > 0.5), score=score)
        return profile

    watch = drop("auc", positive="1")
    assert read(watch, scored(0.3), scored(0.3)).state == "ok"
    assert read(watch, scored(0.05), scored(0.3)).state == "breach"
