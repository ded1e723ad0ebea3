"""What a detector looks at, and how it declares itself: its name, unit and parameters."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from tocsin.catalog.monitor import Monitor
from tocsin.kernel.errors import Invalid
from tocsin.signals.interval import z_of
from tocsin.signals.reading import Finding
from tocsin_sdk.profile import Profile

SHARE = {
    "": Decimal(1), "ratio": Decimal(1), "share": Decimal(1),
    "percent": Decimal(100), "%": Decimal(100), "percentage points": Decimal(100), "points": Decimal(100),
}  # fmt: skip
"""Units of a share or of a difference of shares, and how many make one whole."""
MILLISECONDS = {
    "": Decimal(1),
    "ms": Decimal(1),
    "millisecond": Decimal(1),
    "s": Decimal("0.001"),
    "second": Decimal("0.001"),
}
SECONDS = {"": Decimal(1), "s": Decimal(1), "second": Decimal(1), "min": 1 / Decimal(60), "minute": 1 / Decimal(60),
           "h": 1 / Decimal(3600), "hour": 1 / Decimal(3600)}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter of a detector. Without a default it must be given."""

    name: str
    meaning: str
    default: str | None = None
    choices: tuple[str, ...] = ()
    least: float | None = None
    """For a number: it must be above this and below `most`. None: the parameter is text."""
    most: float | None = None


CONFIDENCE = Param("confidence", "how sure the interval is, from 0 to 1", "0.95", least=0, most=1)
POWER = Param("power", "the chance behind 'smallest detectable', from 0 to 1", "0.80", least=0.5, most=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look of a monitor: everything its detector may know."""

    monitor: Monitor
    detector: Detector
    reference: Profile | None
    current: Profile
    now: dt.datetime
    window_start: dt.datetime
    window_end: dt.datetime

    def text(self, name: str) -> str:
        """Return a parameter, or its default."""
        param = self.detector.param(name)
        return self.monitor.params.get(name, param.default or "")

    def number(self, name: str) -> float:
        """Return a parameter that is a number."""
        return float(self.text(name))

    def names(self, name: str) -> tuple[str, ...]:
        """Return a parameter that lists names separated by commas."""
        return tuple(part.strip() for part in self.text(name).split(",") if part.strip())

    def z(self, comparisons: int = 1) -> float:
        """Return the normal quantile of the parameter `confidence`, widened for several comparisons."""
        return z_of(self.number("confidence"), comparisons)

    @property
    def threshold(self) -> float:
        """The monitor's threshold in the detector's natural unit."""
        return float(Decimal(self.monitor.threshold) / self.detector.units[self.monitor.unit])

    @property
    def minimum(self) -> int:
        """The smallest sample that is judged."""
        return max(self.monitor.minimum_sample, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """A function that finds one kind of trouble, with all that a person who configures it needs to know."""

    name: str
    dimension: str
    meaning: str
    """What its figure is, and when it fires."""
    units: dict[str, Decimal]
    """The units that threshold and figure may be in; how many of each make one natural unit."""
    params: tuple[Param, ...]
    detect: Callable[[Look], Finding]
    also: Callable[[Monitor], Iterator[str]] | None = None
    """Yields what else is wrong with a monitor, where parameters depend on each other."""

    def param(self, name: str) -> Param:
        """Return the parameter of this name; asking for another one is a defect of the detector."""
        return next(param for param in self.params if param.name == name)

    def problems(self, monitor: Monitor) -> Iterator[str]:
        """Yield what is wrong with a monitor of this detector, each with its mend."""
        if monitor.unit not in self.units:
            known = ", ".join(unit for unit in self.units if unit)
            yield f"The unit {monitor.unit!r} does not fit {self.name}. Use one of {known}."
        if monitor.dimension != self.dimension:
            yield f"{self.name} belongs to the dimension {self.dimension}, not {monitor.dimension}."
        for name in monitor.params:
            if name not in {param.name for param in self.params}:
                known = ", ".join(param.name for param in self.params)
                yield f"{self.name} has no parameter {name!r}. It has {known}."
        for param in self.params:
            yield from _param_problems(param, monitor.params.get(param.name, param.default))
        if self.also is not None:
            yield from self.also(monitor)


def _param_problems(param: Param, value: str | None) -> Iterator[str]:
    if value is None or (param.default is None and not value.strip()):
        yield f"The parameter {param.name!r} is missing: {param.meaning}."
    elif param.choices and value not in param.choices:
        yield f"The parameter {param.name!r} is {value!r}. Use one of {', '.join(param.choices)}."
    elif param.least is not None and not _between(value, param.least, param.most):
        most = "" if param.most is None else f" and below {param.most:g}"
        yield f"The parameter {param.name!r} is {value!r}. It must be a number above {param.least:g}{most}."


def _between(text: str, least: float, most: float | None) -> bool:
    try:
        number = float(text)
    except ValueError:
        return False
    return least < number < (float("inf") if most is None else most)


def refuse(problems: list[str], monitor: Monitor) -> None:
    """Raise `Invalid` with the first problem, if there is one."""
    if problems:
        raise Invalid(problems[0], where=f"monitor {monitor.id}")
