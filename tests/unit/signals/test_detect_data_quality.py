"""Data quality monitors: missing values, ranges, categories, schema, drift, freshness, volume."""

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tests.unit.signals.windows import NOW, NOW_MS, monitor, read
from tocsin.catalog.monitor import Monitor
from tocsin.signals.profile import profile_of_columns
from tocsin.signals.reading import Reading
from tocsin_sdk import Profile
from tocsin_sdk.counts import Counts
from tocsin_sdk.parts import MOST_TEXTS


def watch(detector: str, threshold: str, **fields: Any) -> Monitor:
    return monitor(detector, threshold, "data_quality", **{"minimum_sample": 50, **fields})


def table(rows: int = 500, seed: int = 1, **columns: Any) -> Profile:
    """Return a profile of `rows` rows of an income, a town and a rate, some columns replaced (None removes one)."""
    chance = np.random.default_rng(seed)
    made: dict[str, Any] = {
        "income": chance.lognormal(8, 0.5, rows),
        "town": chance.choice(["Boston", "Lynn", "Salem"], rows),
        "rate": chance.uniform(0, 1, rows),
    }
    made |= columns
    return profile_of_columns({name: values for name, values in made.items() if values is not None})


REFERENCE = table(3000, seed=2)


def holes(share: float, rows: int = 500) -> list[float | None]:
    return [None if number < share * rows else 1000.0 for number in range(rows)]


@pytest.mark.parametrize(
    "detector",
    ["null_share", "out_of_range_share", "unseen_share", "schema_change_share", "drift_ks", "drift_psi"],
)
def test_a_window_like_the_reference_is_fine_and_without_enough_rows_nobody_can_tell(detector: str) -> None:
    given = watch(detector, "0.10")
    assert read(given, table(), REFERENCE).state == "ok"
    for current, reference in ((table(49), REFERENCE), (Profile(), REFERENCE), (table(), None)):
        reading = read(given, current, reference)
        assert (reading.state, reading.value) == ("insufficient", None)
        assert reading.sentence.startswith("Nobody can tell")


def test_missing_values_are_found_and_the_column_is_named() -> None:
    reading = read(watch("null_share", "0.05"), table(income=holes(0.2)), REFERENCE)
    assert reading.state == "breach"
    assert reading.value == Decimal("0.2")
    assert reading.figures["columns_beyond"] == "income"
    assert reading.sentence == (
        "In column income, 20.0 % of 500 values are missing, against 0.0 % in the reference; the limit is 5.0 %."
    )


def test_a_share_that_is_not_surely_beyond_the_limit_is_let_pass_and_more_columns_make_it_less_sure() -> None:
    reading = read(watch("null_share", "0.05"), table(income=holes(0.06)), REFERENCE)
    assert (reading.state, reading.value) == ("ok", Decimal("0.06"))
    for detector in ("null_share", "out_of_range_share", "unseen_share"):
        current = table(income=[*[None] * 50, *[1e9] * 50, *["x"] * 50, *[3000.0] * 350])
        one = read(watch(detector, "0.05", params={"columns": "income"}), current, REFERENCE)
        several = read(watch(detector, "0.05"), current, REFERENCE)
        assert several.value == one.value
        assert several.lower is not None
        assert one.lower is not None
        assert several.lower < one.lower


@pytest.mark.parametrize("missing", [[float("nan")] * 500, [None] * 500, None])
def test_nan_null_and_a_column_that_is_not_sent_are_all_missing(missing: Any) -> None:
    reading = read(watch("null_share", "0.05"), table(income=missing), REFERENCE)
    assert (reading.state, reading.value) == ("breach", Decimal(1))


def test_values_that_were_always_missing_are_no_change_unless_the_share_itself_is_judged() -> None:
    reference = table(3000, income=holes(0.3, 3000))
    current = table(income=holes(0.3))
    assert read(watch("null_share", "0.05"), current, reference).state == "ok"
    absolute = watch("null_share", "0.05", params={"mode": "absolute"})
    assert read(absolute, current, reference).state == "breach"
    assert read(absolute, current).state == "breach"


def test_only_the_named_columns_are_looked_at() -> None:
    current = table(income=holes(0.2))
    for columns, state in (("town, rate", "ok"), ("income", "breach"), ("", "breach")):
        assert (
            read(watch("null_share", "0.05", params={"columns": columns}), current, REFERENCE).state == state
        )


def test_all_columns_beyond_the_limit_are_named_the_worst_first() -> None:
    reading = read(watch("null_share", "0.05"), table(income=holes(0.2), rate=holes(0.9)), REFERENCE)
    assert reading.figures["column"] == "rate"
    assert reading.sentence.endswith("Also beyond it: income.")


def test_numbers_outside_the_range_of_the_reference_are_found() -> None:
    scaled = table(rate=np.random.default_rng(3).uniform(0, 1, 500) * 1000)
    reading = read(watch("out_of_range_share", "0.05"), scaled, REFERENCE)
    assert reading.state == "breach"
    assert reading.figures["column"] == "rate"
    assert read(watch("out_of_range_share", "0.05"), table(rate=[-1.0] * 500), REFERENCE).state == "breach"
    assert read(watch("out_of_range_share", "0.05"), table(rate=[0.5] * 500), REFERENCE).state == "ok"


def test_a_category_never_seen_before_is_found_and_shown() -> None:
    renamed = table(town=["BOSTON"] * 100 + ["Lynn"] * 400)
    reading = read(watch("unseen_share", "0.05"), renamed, REFERENCE)
    assert reading.state == "breach"
    assert reading.value == Decimal("0.2")
    assert "such as 'BOSTON'" in reading.sentence


@pytest.mark.parametrize("column", [{"town": [3.0] * 500}, {"rate": ["0.5"] * 500}])
def test_a_value_of_another_type_was_never_seen_before(column: dict[str, Any]) -> None:
    assert read(watch("unseen_share", "0.05"), table(**column), REFERENCE).state == "breach"


def test_where_the_dictionary_of_the_reference_is_full_only_what_is_sure_counts() -> None:
    reference = table(3000, town=[f"t{number}" for number in range(3000)])
    assert reference.columns["town"].texts.other
    new = [f"n{number}" for number in range(500)]
    reading = read(watch("unseen_share", "0.01"), table(town=new), reference)
    seen = Counts(MOST_TEXTS)
    for text in new:
        seen.add(text)
    sure = sum(reference.columns["town"].texts.surely_lacks(text) for text in seen.kept)
    assert 0 < sure < 500
    assert reading.value == Decimal(sure) / 500


def test_a_changed_set_of_columns_is_found_and_named() -> None:
    reading = read(watch("schema_change_share", "0.01"), table(town=None, city=["Lynn"] * 500), REFERENCE)
    assert (reading.state, reading.value) == ("breach", Decimal(1))
    assert "gone: town; new: city" in reading.sentence


@pytest.mark.parametrize("detector", ["drift_ks", "drift_psi"])
def test_a_shifted_distribution_is_found_and_a_tiny_shift_is_not(detector: str) -> None:
    chance = np.random.default_rng(4)
    shifted = table(income=chance.lognormal(8.4, 0.5, 500))
    reading = read(watch(detector, "0.10"), shifted, REFERENCE)
    assert reading.state == "breach"
    assert reading.figures["columns_beyond"] == "income"
    assert (
        read(watch(detector, "0.10"), table(income=chance.lognormal(8.03, 0.5, 500)), REFERENCE).state == "ok"
    )


@pytest.mark.parametrize("detector", ["drift_ks", "drift_psi"])
def test_a_small_shift_is_no_drift_however_sure_it_is(detector: str) -> None:
    chance = np.random.default_rng(4)
    reference = table(20_000, seed=2)
    current = table(20_000, income=chance.lognormal(8.06, 0.5, 20_000))
    assert read(watch(detector, "0.001"), current, reference).state == "breach"
    assert read(watch(detector, "0.10"), current, reference).state == "ok"


def test_categories_beyond_the_dictionary_are_no_drift() -> None:
    """A thousand towns are more than the dictionary holds: what is kept of one window is unknown in another."""
    chance = np.random.default_rng(6)
    towns = np.array([f"t{number}" for number in range(1000)])
    reference = table(3000, town=chance.choice(towns, 3000))
    whole = read(watch("drift_psi", "0.10"), table(town=chance.choice(towns, 500)), reference)
    assert (whole.state, whole.figures["columns_beyond"]) == ("ok", "")


def test_the_distance_is_scipys() -> None:
    chance = np.random.default_rng(5)
    one, other = chance.normal(0, 1, 2000), chance.normal(0.3, 1, 700)
    reading = read(
        watch("drift_ks", "0.10"), profile_of_columns({"x": other}), profile_of_columns({"x": one})
    )
    assert reading.value is not None
    assert float(reading.value) == pytest.approx(stats.ks_2samp(one, other).statistic, abs=0.002)


def test_drift_of_categories_is_seen_by_psi_only() -> None:
    mixed = table(town=["Salem"] * 400 + ["Lynn"] * 100)
    assert read(watch("drift_psi", "0.10"), mixed, REFERENCE).state == "breach"
    assert read(watch("drift_ks", "0.10"), mixed, REFERENCE).state == "ok"


def test_a_large_distance_by_chance_is_no_drift() -> None:
    """With 30 rows PSI passes 0.1 in most quiet windows; the chance is what keeps it silent."""
    fired = above = 0
    for seed in range(100):
        reading = read(watch("drift_psi", "0.10", minimum_sample=20), table(30, seed=seed), REFERENCE)
        fired += reading.state == "breach"
        psi = reading.value or Decimal(0)
        above += psi > Decimal("0.10")
    assert above > 60
    assert fired <= 1


def moment(seconds_ago: float) -> Profile:
    profile = Profile()
    profile.add(prediction="deny", at_ms=NOW_MS - int(seconds_ago * 1000))
    return profile


@pytest.mark.parametrize(("age", "state"), [(0, "ok"), (300, "ok"), (301, "breach"), (-50, "ok")])
def test_freshness_is_the_age_of_the_newest_prediction(age: float, state: str) -> None:
    reading = read(watch("freshness", "300", unit="s"), moment(age).merge(moment(900)), REFERENCE)
    assert (reading.state, reading.value) == (state, Decimal(max(age, 0)))


def test_freshness_in_minutes() -> None:
    reading = read(watch("freshness", "5", unit="min"), moment(600), REFERENCE)
    assert (reading.state, reading.value) == ("breach", Decimal(10))
    assert reading.sentence == "The newest prediction is 10 min old; the limit is 300 s."


def test_silence_is_stale_where_a_reference_is_pinned_and_unknown_before() -> None:
    given = watch("freshness", "240", unit="s", window_seconds=300)
    reading = read(given, Profile(), REFERENCE)
    assert (reading.state, reading.value) == ("breach", Decimal(300))
    assert reading.sentence == "Nothing arrived in the last 300 s; the limit is 240 s."
    assert read(given, Profile()).state == "insufficient"


def requests(count: int) -> Profile:
    profile = Profile()
    profile.operations.volume = count
    return profile


@pytest.mark.parametrize(
    ("count", "state"), [(600, "ok"), (310, "ok"), (280, "ok"), (250, "breach"), (0, "breach")]
)
def test_volume_fires_when_it_is_surely_too_low(count: int, state: str) -> None:
    given = watch("volume_share", "0.5", params={"expected_per_minute": "120"}, window_seconds=300)
    reading = read(given, requests(count))
    assert (reading.state, reading.direction) == (state, "below")


def test_volume_is_not_judged_where_little_is_expected() -> None:
    given = watch("volume_share", "0.5", params={"expected_per_minute": "1"}, window_seconds=300)
    assert read(given, requests(0)).state == "insufficient"


def test_the_window_that_was_handed_in_counts() -> None:
    given = watch("volume_share", "0.5", params={"expected_per_minute": "60"})
    start = NOW - dt.timedelta(minutes=2)
    reading: Reading = read(given, requests(100), window_start=start)
    assert (reading.figures["expected"], reading.window_start, reading.window_end) == ("120", start, NOW)
