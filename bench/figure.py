"""One measured figure, told as one line of JSON with where it was measured."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypedDict


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


class Rates(NamedTuple):
    """How fast it went in each round, and the least processor time that one thing took in any of them."""

    samples: list[float]
    """Things done per second of wall clock."""
    processor_us: float
    """Microseconds of all threads of this process; a busy machine changes it less than the wall clock."""


def rates(work: Callable[[], int], rounds: int = 7) -> Rates:
    """Time each round of `work`, which returns how many things it did; one round warms up."""
    work()
    samples, processor = [], []
    for _ in range(rounds):
        begun, begun_cpu = time.perf_counter(), time.process_time()
        done = work()
        samples.append(done / (time.perf_counter() - begun))
        processor.append((time.process_time() - begun_cpu) / done * 1e6)
    return Rates(samples, min(processor))


def seconds(work: Callable[[], object], rounds: int = 3) -> tuple[list[float], list[float]]:
    """Return the seconds of wall clock and of processor (all threads of this process) of each round of `work`."""
    wall, processor = [], []
    for _ in range(rounds):
        begun, begun_cpu = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - begun)
        processor.append(time.process_time() - begun_cpu)
    return wall, processor


def tell(
    name: str,
    unit: str,
    samples: Sequence[float] | Rates,
    *,
    disk: str = "not used",
    peer: Peer | None = None,
    **more: float | str,
) -> None:
    """Print the figure as one line of JSON: the median and range of `samples`, the peer, the machine, the disk.

    `disk` says where the work was made durable, from the function of that name. `more` are further figures of
    the same runs. The load average is of the last minute: on a machine that is busy, trust ratios only.
    """
    rounds = samples.samples if isinstance(samples, Rates) else samples
    if isinstance(samples, Rates):
        more = {"processor_us_each": samples.processor_us, **more}
    line = {
        "figure": name,
        "unit": unit,
        "median": short(statistics.median(rounds)),
        "range": [short(min(rounds)), short(max(rounds))],
        "n": len(rounds),
        **{what: short(value) if isinstance(value, float) else value for what, value in more.items()},
        "peer": peer,
        "machine": machine(),
        "load": short(os.getloadavg()[0]),
        "disk": disk,
    }
    print(json.dumps(line), flush=True)


def short(number: float) -> float:
    """Return `number` to four digits: more of them would claim too much."""
    return float(f"{number:.4g}")


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
