"""The declared monitors on the demonstration's own data: quiet while the model is good, loud about the fault."""

from __future__ import annotations

import datetime as dt
from importlib import resources
from typing import Any

import numpy as np
import pytest

from tocsin.catalog.configuration import Configuration
from tocsin.catalog.load import load
from tocsin.signals.monitor import Reading, evaluate, problems
from tocsin_demo import configuration, fault, loan, reference
from tocsin_sdk import Profile

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
RATE = 40
VALUES = {
    "TOCSIN_DEMO_REGISTRY": "sqlite:////tmp/registry.db",
    "TOCSIN_DEMO_MODEL_URL": "http://127.0.0.1:8711",
    "TOCSIN_DEMO_HOOK_URL": "http://127.0.0.1:8726/hook",
}


def defaults() -> dict[str, str]:
    place = resources.files("tocsin.catalog").joinpath("defaults")
    return {file.name: file.read_text("utf-8") for file in place.iterdir() if file.name.endswith(".yaml")}


@pytest.fixture(scope="module")
def catalog() -> Configuration:
    return load(configuration.files(VALUES), defaults())


@pytest.fixture(scope="module")
def parts() -> loan.Split:
    return loan.split(loan.read(), fault.SEED)


@pytest.fixture(scope="module")
def pinned(parts: loan.Split) -> Profile:
    return reference.profile(loan.fit(parts.train), parts.validation)


def served(
    model: Any, population: loan.Applications, seed: int, seconds: float, strange: Any = None
) -> Profile:
    """Return what telemetry would count of `seconds` of traffic, labels of the last five seconds still missing."""
    chance = np.random.default_rng(seed)
    count = int(RATE * seconds)
    drawn = population.take(chance.integers(len(population), size=count))
    counted = Profile()
    start_ms = int((NOW.timestamp() - seconds) * 1000)
    for at, score in enumerate(loan.scores(model, drawn.rows)):
        decision = loan.DENY if score >= loan.THRESHOLD else loan.APPROVE
        features, group = loan.applicant(drawn, at), str(drawn.group[at])
        if strange is not None:
            features = strange(features)
        how: dict[str, Any] = {"prediction": decision, "score": float(score), "group": group}
        counted.add(features=features, latency_ms=4.0, at_ms=start_ms + at * 1000 // RATE, **how)
        if at < count - 5 * RATE:
            counted.add_label(label=loan.DENY if drawn.denied[at] else loan.APPROVE, **how)
    return counted


def readings(catalog: Configuration, pinned: Profile, current: dict[int, Profile]) -> dict[str, Reading]:
    """Return what each monitor finds in the window of its own length."""
    return {
        id: evaluate(monitor, pinned, current[monitor.window_seconds], NOW)
        for id, monitor in catalog.monitors.items()
    }


def states(catalog: Configuration, pinned: Profile, current: dict[int, Profile]) -> dict[str, str]:
    return {id: reading.state for id, reading in readings(catalog, pinned, current).items()}


def windows(model: Any, population: loan.Applications, seed: int, strange: Any = None) -> dict[int, Profile]:
    return {seconds: served(model, population, seed, seconds, strange) for seconds in (60, 120)}


def test_every_monitor_can_be_evaluated_and_says_why_its_threshold(catalog: Configuration) -> None:
    for monitor in catalog.monitors.values():
        assert problems(monitor) == ()
        assert len(monitor.why) > 60


def test_all_four_dimensions_are_watched(catalog: Configuration) -> None:
    found = {monitor.dimension for monitor in catalog.monitors.values()}
    assert found == {"performance", "data_quality", "fairness", "operations"}


def test_twenty_quiet_windows_are_wholly_quiet(
    catalog: Configuration, parts: loan.Split, pinned: Profile
) -> None:
    good = loan.fit(parts.train)
    for seed in range(20):
        found = states(catalog, pinned, windows(good, parts.held_out, seed))
        assert set(found.values()) == {"ok"}, (seed, found)


def test_the_fault_is_seen_by_both_fairness_monitors_and_by_no_other(
    catalog: Configuration, parts: loan.Split, pinned: Profile
) -> None:
    bad = loan.fit(fault.corrupt(parts.train))
    for seed in range(20):
        found = states(catalog, pinned, windows(bad, parts.held_out, seed))
        breaches = {id for id, state in found.items() if state == "breach"}
        assert breaches == {"loan-parity", "loan-equalised-odds"}, (seed, found)


def test_thirty_seconds_of_traffic_are_mostly_enough_to_see_the_fault(
    catalog: Configuration, parts: loan.Split, pinned: Profile
) -> None:
    bad = loan.fit(fault.corrupt(parts.train))
    parity = catalog.monitors["loan-parity"]
    seen = [evaluate(parity, pinned, served(bad, parts.held_out, seed, 30), NOW).state for seed in range(20)]
    assert seen.count("breach") >= 16


def test_the_breach_gives_the_facts_that_make_it_rank_0(
    catalog: Configuration, parts: loan.Split, pinned: Profile
) -> None:
    bad = loan.fit(fault.corrupt(parts.train))
    reading = readings(catalog, pinned, windows(bad, parts.held_out, 0))["loan-parity"]
    facts = catalog.monitors["loan-parity"].asserted_facts(str(reading.value))
    assert facts["protected_group_harmed"] == "true"
    assert catalog.vocabulary.read("fairness_gap_change", facts["fairness_gap_change"])
    assert reading.value is not None
    assert 20 < reading.value < 45


@pytest.mark.parametrize(
    ("change", "monitor"),
    [
        ({"loan_to_value": None}, "loan-nulls"),
        ({"loan_to_value": 80.0}, "loan-ranges"),
        ({"single": "perhaps"}, "loan-unseen"),
        ({"group": "other"}, "loan-unseen"),
    ],
    ids=str,
)
def test_broken_input_is_a_matter_of_data_quality(
    catalog: Configuration, parts: loan.Split, pinned: Profile, change: dict[str, Any], monitor: str
) -> None:
    turns = iter(range(10**6))

    def strange(features: dict[str, Any]) -> dict[str, Any]:
        return features | change if next(turns) % 10 == 0 else features

    current = windows(loan.fit(parts.train), parts.held_out, 0, strange)
    found = states(catalog, pinned, current)
    assert {id for id, state in found.items() if state == "breach"} == {monitor}


def test_silence_is_stale_data(catalog: Configuration, pinned: Profile) -> None:
    nothing = {60: Profile(), 120: Profile()}
    assert states(catalog, pinned, nothing)["loan-freshness"] == "breach"


def test_slow_and_failing_requests_are_matters_of_operations(
    catalog: Configuration, parts: loan.Split, pinned: Profile
) -> None:
    current = windows(loan.fit(parts.train), parts.held_out, 0)
    for at in range(300):
        error = "TimeoutError" if at % 2 else None
        current[60].add(latency_ms=900.0, error=error, at_ms=int(NOW.timestamp() * 1000))
    found = states(catalog, pinned, current)
    assert {id for id, state in found.items() if state == "breach"} == {"loan-latency", "loan-errors"}
