"""Profiles of a million rows of 20 columns, a reference and a current one, built in chunks and merged.

Twelve columns of numbers (some cells missing), four of whole numbers, four of texts; decisions with scores,
groups and labels, latencies and errors. Each side runs in a process of its own, so that its memory can be told.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np

from bench.figure import tell

ROWS = 1_000_000
CHUNK = 100_000
ROUNDS = 3
PEER = "on another day on two cores; evidently took 153 s and 2.7 GB"


def chunk(rng: np.random.Generator, shift: float) -> dict[str, Any]:
    """Return the columns of one chunk: features and what was decided on them."""
    features: dict[str, Any] = {}
    for number in range(12):
        values = rng.normal(100 + number + shift, 15, CHUNK)
        values[rng.random(CHUNK) < 0.01] = np.nan
        features[f"number_{number}"] = values
    for number in range(4):
        features[f"count_{number}"] = rng.poisson(5 + number, CHUNK)
    for number in range(4):
        words = np.array([f"value {word}" for word in range(5 + 10 * number)])
        features[f"text_{number}"] = words[rng.integers(0, len(words), CHUNK)]
    score = rng.beta(2, 3 - shift, CHUNK)
    return {
        "features": features,
        "prediction": np.where(score > 0.5, "deny", "approve"),
        "score": score,
        "group": np.array(["majority", "minority"])[rng.integers(0, 2, CHUNK)],
        "label": np.where(rng.random(CHUNK) < score, "deny", "approve"),
        "latency_ms": rng.gamma(2.0, 4.0, CHUNK),
        "at_ms": np.arange(CHUNK, dtype=np.int64),
    }


def build() -> tuple[float, float]:
    """Return the seconds and the processor seconds that both profiles took; making the rows is not counted."""
    from tocsin.signals.profile import merge_all, profile_of_columns

    spent = spent_cpu = 0.0
    for seed, shift in ((1, 0.0), (2, 0.5)):
        rng, parts = np.random.default_rng(seed), []
        for _ in range(ROWS // CHUNK):
            columns = chunk(rng, shift)
            begun, begun_cpu = time.perf_counter(), time.process_time()
            parts.append(profile_of_columns(**columns))
            spent, spent_cpu = (
                spent + time.perf_counter() - begun,
                spent_cpu + time.process_time() - begun_cpu,
            )
        begun, begun_cpu = time.perf_counter(), time.process_time()
        merged = merge_all(parts)
        spent, spent_cpu = spent + time.perf_counter() - begun, spent_cpu + time.process_time() - begun_cpu
        assert merged.operations.volume == ROWS
    return spent, spent_cpu


def describe() -> tuple[float, float]:
    """Return the same for what a data scientist would type: describe() and value_counts() of every column."""
    import pandas as pd

    spent = spent_cpu = 0.0
    for seed, shift in ((1, 0.0), (2, 0.5)):
        rng = np.random.default_rng(seed)
        chunks = [pd.DataFrame(chunk(rng, shift)["features"]) for _ in range(ROWS // CHUNK)]
        begun, begun_cpu = time.perf_counter(), time.process_time()
        table = pd.concat(chunks)
        table.describe()
        for name in table.columns:
            table[name].value_counts()
        spent, spent_cpu = spent + time.perf_counter() - begun, spent_cpu + time.process_time() - begun_cpu
    return spent, spent_cpu


WAYS = {"profiles": build, "pandas": describe}


def alone(way: str) -> dict[str, float]:
    """Run one way in a process of its own; return its seconds, processor seconds and peak memory in MB."""
    told = subprocess.run(
        [sys.executable, __file__, "--way", way], check=True, capture_output=True, text=True
    ).stdout
    found: dict[str, float] = json.loads(told)
    return found


def main() -> None:
    """Measure each side and print the figure, with pandas beside it where that is installed."""
    runs = [alone("profiles") for _ in range(ROUNDS)]
    more: dict[str, Any] = {}
    if importlib.util.find_spec("pandas"):
        beside = alone("pandas")
        more = {"pandas_describe_seconds": beside["seconds"], "pandas_describe_peak_MB": beside["peak_MB"]}
    tell(
        "profiles of 1M rows x 20 columns, reference and current, built in chunks and merged",
        "seconds",
        [run["seconds"] for run in runs],
        processor_seconds=min(run["processor"] for run in runs),
        peak_MB=max(run["peak_MB"] for run in runs),
        mark="<= 2 s and <= 400 MB",
        peer={"name": "nannyml", "figure": 34.0, "source": f"34 s and 2.3 GB {PEER}"},
        **more,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--way", choices=sorted(WAYS))
    way = parser.parse_args().way
    if way is None:
        main()
    else:
        spent, processor = WAYS[way]()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": spent, "processor": processor, "peak_MB": peak}))
