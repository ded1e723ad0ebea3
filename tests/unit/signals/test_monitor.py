"""Monitors: what can be configured, and what a reading looks like."""

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tests.unit.signals.windows import FAIRNESS, NOW, decided, monitor, read
from tocsin.kernel import canonical
from tocsin.kernel.errors import Invalid
from tocsin.signals.monitor import DETECTORS, Reading, problems
from tocsin_sdk import Profile

REQUIRED: dict[str, dict[str, str]] = {
    "parity_gap": FAIRNESS,
    "equalised_odds_gap": FAIRNESS,
    "volume_share": {"expected_per_minute": "10"},
}


@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_can_be_configured_and_meets_an_empty_window_without_calling_it_fine(
    name: str,
) -> None:
    detector = DETECTORS[name]
    watch = monitor(name, "0.10", detector.dimension, params=REQUIRED.get(name, {}))
    assert problems(watch) == ()
    assert detector.meaning.endswith(".")
    for reference in (None, Profile()):
        reading = read(watch, Profile(), reference)
        assert reading.state in ("insufficient", "breach")
        assert reading.state == "insufficient" or name in ("freshness", "volume_share")
        assert reading.sentence.endswith(".")


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        (
            {"detector": "parity"},
            "There is no detector 'parity'. Use one of drift_ks, drift_psi, equalised_odds_gap",
        ),
        (
            {"detector": "performance_level", "dimension": "performance", "params": {"metric": "recall"}},
            "The parameter 'positive' is missing: recall looks for one class.",
        ),
        ({"unit": "ms"}, "The unit 'ms' does not fit parity_gap. Use one of ratio, share, percent"),
        ({"dimension": "operations"}, "parity_gap belongs to the dimension fairness, not operations."),
        (
            {"params": {**FAIRNESS, "groop": "B"}},
            "parity_gap has no parameter 'groop'. It has adverse, protected",
        ),
        (
            {"params": {"adverse": "deny", "protected": "B"}},
            "The parameter 'reference' is missing: the group that",
        ),
        ({"params": {**FAIRNESS, "protected": " "}}, "The parameter 'protected' is missing"),
        (
            {"params": {**FAIRNESS, "mode": "both"}},
            "The parameter 'mode' is 'both'. Use one of change, absolute.",
        ),
        (
            {"params": {**FAIRNESS, "confidence": "95"}},
            "The parameter 'confidence' is '95'. It must be a number",
        ),
        ({"params": {**FAIRNESS, "confidence": "nan"}}, "The parameter 'confidence' is 'nan'."),
        (
            {"params": {**FAIRNESS, "power": "most"}},
            "The parameter 'power' is 'most'. It must be a number above 0.5",
        ),
    ],
)
def test_a_mistake_in_a_monitor_is_named_with_its_mend(fields: dict[str, Any], why: str) -> None:
    given = {"detector": "parity_gap", "threshold": "0.10", "params": FAIRNESS, **fields}
    watch = monitor(**given)
    assert problems(watch)[0].startswith(why)
    with pytest.raises(Invalid, match="monitor m"):
        read(watch, Profile())


def test_units_scale_the_threshold_and_every_figure_alike() -> None:
    reference, current = decided(A=(180, 1800), B=(105, 300)), decided(A=(180, 1800), B=(180, 300))
    share = read(monitor("parity_gap", "0.10", params=FAIRNESS), current, reference)
    points = read(monitor("parity_gap", "10", params=FAIRNESS, unit="percentage points"), current, reference)
    assert (points.state, points.sentence) == (share.state, share.sentence)
    assert points.value == Decimal(25)
    assert share.value == Decimal("0.25")
    assert points.lower is not None
    assert share.lower is not None
    assert points.lower == pytest.approx(100 * share.lower, abs=Decimal("0.0001"))
    assert points.upper == pytest.approx(100 * (share.upper or 0), abs=Decimal("0.0001"))
    assert points.threshold == 100 * share.threshold


def test_a_reading_holds_no_float_and_travels_as_canonical_json() -> None:
    reading = read(
        monitor("parity_gap", "0.10", params=FAIRNESS, id="gap"),
        decided(A=(180, 1800), B=(180, 300)),
        decided(A=(180, 1800), B=(105, 300)),
        model_version="7",
    )
    assert (reading.monitor, reading.system, reading.model_version, reading.at) == ("gap", "loan", "7", NOW)
    assert reading.window_end - reading.window_start == dt.timedelta(seconds=300)
    data = json.loads(canonical.encode(msgspec.to_builtins(reading)))
    assert data["value"] == "0.250000"
    assert msgspec.convert(data, Reading) == reading


def test_the_same_look_gives_the_same_reading() -> None:
    watch = monitor("parity_gap", "0.10", params=FAIRNESS)
    one, other = decided(A=(180, 1800), B=(180, 300)), decided(B=(180, 300), A=(180, 1800))
    reference = decided(A=(180, 1800), B=(105, 300))
    assert read(watch, one, reference) == read(watch, other, reference)
