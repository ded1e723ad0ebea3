"""Monitors at work: one look at a window of predictions gives one reading."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from tocsin.catalog.monitor import Monitor
from tocsin.signals.detectors import data_quality, fairness, operations, performance
from tocsin.signals.look import Detector, Look, refuse
from tocsin.signals.reading import GroupFigure, Reading, ReadingState, decimal_of
from tocsin_sdk.profile import Profile

__all__ = ["DETECTORS", "GroupFigure", "Reading", "ReadingState", "evaluate", "problems"]

DETECTORS: dict[str, Detector] = {
    detector.name: detector
    for module in (performance, data_quality, fairness, operations)
    for detector in module.DETECTORS
}
"""Every detector by its name."""


def problems(monitor: Monitor) -> tuple[str, ...]:
    """Return what is wrong with a monitor's detector, unit and parameters; nothing when it can be evaluated."""
    detector = DETECTORS.get(monitor.detector)
    if detector is None:
        return (f"There is no detector {monitor.detector!r}. Use one of {', '.join(sorted(DETECTORS))}.",)
    return tuple(detector.problems(monitor))


def evaluate(
    monitor: Monitor,
    reference: Profile | None,
    current: Profile,
    now: dt.datetime,
    *,
    window_start: dt.datetime | None = None,
    window_end: dt.datetime | None = None,
    model_version: str = "",
) -> Reading:
    """Return what `monitor` finds in `current`, compared with the pinned `reference` where its detector compares.

    The window is the one that `current` covers: by default the monitor's length up to `now`.

    Raises:
        Invalid: the monitor's detector, unit or parameters do not fit; `problems` lists all of it.
    """
    refuse(list(problems(monitor)), monitor)
    detector = DETECTORS[monitor.detector]
    end = window_end or now
    look = Look(
        monitor=monitor,
        detector=detector,
        reference=reference,
        current=current,
        now=now,
        window_start=window_start or end - dt.timedelta(seconds=monitor.window_seconds),
        window_end=end,
    )
    finding = detector.detect(look)
    scale = detector.units[monitor.unit]
    return Reading(
        monitor=monitor.id,
        system=monitor.system,
        dimension=monitor.dimension,
        detector=monitor.detector,
        state=finding.state,
        value=decimal_of(finding.value, scale),
        lower=decimal_of(finding.lower, scale),
        upper=decimal_of(finding.upper, scale),
        threshold=Decimal(monitor.threshold),
        unit=monitor.unit,
        direction=finding.direction,
        sample=finding.sample,
        sentence=finding.sentence,
        figures=dict(finding.figures),
        groups=finding.groups,
        window_start=look.window_start,
        window_end=look.window_end,
        at=now,
        model_version=model_version,
    )
