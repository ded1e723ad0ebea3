"""One measured figure, told as one line of JSON with where it was measured."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypedDict


class Peer(TypedDict):
    """Another product's figure for the same work."""

    name: str
    figure: float
    source: str


def machine() -> str:
    """Return the processor, the number of cores this process may use, the memory and the Python."""
    processor = platform.processor() or platform.machine()
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            processor = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return f"{processor}, {cores} cores, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}"


def disk(folder: Path) -> str:
    """Return the file system that holds `folder` and the median time of an fsync there, in milliseconds."""
    kind, longest = "unknown", -1
    for line in _lines("/proc/mounts"):
        _, place, name, *_ = line.split()
        if folder.resolve().is_relative_to(place) and len(place) > longest:
            kind, longest = name, len(place)
    return f"{kind}, fsync {fsync_milliseconds(folder):.2f} ms"


def fsync_milliseconds(folder: Path, times: int = 50) -> float:
    """Return the median time that writing 4 KiB and fsync takes in `folder`, in milliseconds."""
    probe = folder / f".fsync-{os.getpid()}"
    taken = []
    try:
        with probe.open("wb", buffering=0) as file:
            for _ in range(times):
                begun = time.perf_counter()
                file.write(b"\0" * 4096)
                os.fsync(file.fileno())
                taken.append(time.perf_counter() - begun)
    finally:
        probe.unlink(missing_ok=True)
    return statistics.median(taken) * 1000


def rates(work: Callable[[], int], rounds: int = 7) -> list[float]:
    """Return things done per second in each round of `work`, which returns how many it did; one round warms up."""
    work()
    found = []
    for _ in range(rounds):
        begun = time.perf_counter()
        done = work()
        found.append(done / (time.perf_counter() - begun))
    return found


def tell(
    name: str,
    unit: str,
    samples: Sequence[float],
    *,
    disk_folder: Path | None = None,
    peer: Peer | None = None,
) -> None:
    """Print the figure as one line of JSON: the median and range of `samples`, the peer, the machine, the disk.

    `disk_folder` is where the work was made durable; without it the disk had no part in the figure.
    """
    line = {
        "figure": name,
        "unit": unit,
        "median": _short(statistics.median(samples)),
        "range": [_short(min(samples)), _short(max(samples))],
        "n": len(samples),
        "peer": peer,
        "machine": machine(),
        "disk": disk(disk_folder) if disk_folder else "not used",
    }
    print(json.dumps(line), flush=True)


def _short(number: float) -> float:
    return float(f"{number:.4g}")


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
