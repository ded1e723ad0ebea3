"""Operations monitors: latency and errors."""

from decimal import Decimal

import numpy as np
import pytest

from tests.unit.signals.windows import monitor, read
from tocsin_sdk import Profile


def timed(*latencies: float) -> Profile:
    profile = Profile()
    for latency in latencies:
        profile.add(latency_ms=latency)
    return profile


def failed(errors: int, volume: int) -> Profile:
    profile = Profile()
    for number in range(volume):
        profile.add(error="timeout" if number < errors else None)
    return profile


def test_the_latency_that_95_percent_stay_within_is_numpys() -> None:
    latencies = np.random.default_rng(2).lognormal(3, 0.5, 2000)
    reading = read(monitor("latency_quantile", "100", "operations", unit="ms"), timed(*latencies.tolist()))
    assert reading.value is not None
    assert float(reading.value) == pytest.approx(
        np.quantile(latencies, 0.95, method="inverted_cdf"), rel=0.005
    )
    assert reading.state == "ok"
    assert reading.lower is not None
    assert reading.upper is not None
    assert reading.lower <= reading.value <= reading.upper


def test_latency_fires_when_it_is_surely_too_long() -> None:
    watch = monitor("latency_quantile", "100", "operations", minimum_sample=50, unit="ms")
    assert read(watch, timed(*[50.0] * 1000, *[500.0] * 40)).state == "ok"
    slow = read(watch, timed(*[50.0] * 1000, *[500.0] * 100))
    assert slow.state == "breach"
    assert slow.sentence == (
        "95.0 % of 1,100 requests took up to 501.0 ms (surely 501.0 ms or more); the limit is 100.0 ms."
    )
    # 6 of 100 are slow: the 95th of them is slow too, but by chance alone that may be.
    assert read(watch, timed(*[50.0] * 94, *[500.0] * 6)).state == "ok"
    assert read(watch, timed(*[500.0] * 49)).state == "insufficient"


def test_latency_can_be_held_against_seconds_and_another_share() -> None:
    watch = monitor("latency_quantile", "0.1", "operations", unit="s", params={"quantile": "0.5"})
    reading = read(watch, timed(*[500.0] * 100))
    assert reading.state == "breach"
    assert reading.value == Decimal("0.501000")


def test_errors_fire_when_their_share_is_surely_too_large() -> None:
    watch = monitor("error_rate", "0.02", "operations", minimum_sample=50)
    assert read(watch, failed(0, 500)).state == "ok"
    assert read(watch, failed(15, 500)).state == "ok"
    reading = read(watch, failed(30, 500))
    assert reading.state == "breach"
    assert reading.sentence == "6.0 % of 500 requests failed (30); the limit is 2.0 %."
    assert reading.figures == {"errors": "30", "error.timeout": "30"}
    assert read(watch, failed(40, 49)).state == "insufficient"


def test_a_handful_of_errors_never_fires() -> None:
    params = {"minimum_errors": "5"}
    watch = monitor("error_rate", "0.001", "operations", params=params)
    assert read(watch, failed(4, 10)).state == "ok"
    assert read(watch, failed(5, 10)).state == "breach"
