"""Monitors before one's eyes: the present reading, why the threshold, and the recent readings as a line."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

import msgspec
from sqlalchemy import Connection, select

from tocsin.catalog.monitor import Monitor
from tocsin.engine.world import World
from tocsin.signals.reading import Reading
from tocsin.store import tables

HISTORY = 60
"""How many readings a line shows at most."""

WIDTH, HEIGHT, MARGIN = 220, 56, 5
"""The drawing, in its own units."""


@dataclass(frozen=True, slots=True)
class Spark:
    """A line of readings with its interval and threshold: SVG path data and heights in the drawing's units."""

    line: str
    band: str
    threshold: str
    last: tuple[str, str]
    label: str
    """The same in words."""


@dataclass(frozen=True, slots=True)
class Watched:
    """One monitor as it stands."""

    monitor: Monitor
    reading: Reading | None
    state: str
    """ok, breach, insufficient, or none before the first look."""
    spark: Spark | None
    at: dt.datetime | None = None

    @property
    def value(self) -> str:
        """The present figure with its unit; empty when there is none."""
        return (
            figure(self.reading.value, self.reading.unit)
            if self.reading and self.reading.value is not None
            else ""
        )

    @property
    def threshold(self) -> str:
        """The threshold with its unit."""
        return figure(Decimal(self.monitor.threshold), self.monitor.unit)


def figure(value: Decimal, unit: str = "") -> str:
    """Return a figure for people: three places at most, no zeros that say nothing, its unit behind it."""
    rounded = value.quantize(
        Decimal(1) if abs(value) >= 1000 else Decimal("0.1") if abs(value) >= 10 else Decimal("0.001")
    )
    text = f"{rounded:,f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"{'0' if text == '-0' else text} {unit}".strip()


def measured(figures: Mapping[str, str], monitors: Mapping[str, Monitor]) -> list[tuple[str, str]]:
    """Return what a probe measured as (name, figure) for people: monitors by title, figures without idle zeros."""
    told = []
    for name, text in figures.items():
        number, _, unit = text.partition(" ")
        known = monitors.get(name)
        try:
            value = figure(Decimal(number), unit) if not number.isdigit() else text
        except ArithmeticError:
            value = text
        told.append((known.title if known else name.replace("_", " ").capitalize(), value))
    return told


def watched(world: World, monitors: Iterable[Monitor]) -> list[Watched]:
    """Return each monitor with its present reading and the line of its recent ones."""
    chosen = list(monitors)
    return world.store.read(lambda connection: [_one(connection, monitor) for monitor in chosen])


def _one(connection: Connection, monitor: Monitor) -> Watched:
    state = tables.monitor_state
    row = connection.execute(select(state).where(state.c.monitor == monitor.id)).one_or_none()
    if row is None:
        return Watched(monitor, None, "none", None)
    present = msgspec.json.decode(row.reading, type=Reading)
    table = tables.reading
    newest = (
        select(table.c.document)
        .where(table.c.monitor == monitor.id)
        .order_by(table.c.id.desc())
        .limit(HISTORY)
    )
    documents = connection.execute(newest).scalars().all()
    readings = [msgspec.json.decode(document, type=Reading) for document in reversed(documents)]
    return Watched(monitor, present, row.state, spark(readings), row.at)


# --- the line -------------------------------------------------------------------------------------


def spark(readings: list[Reading]) -> Spark | None:
    """Return the line of `readings`, oldest first; None when fewer than two of them hold a figure."""
    known = [one for one in readings if one.value is not None]
    if len(known) < 2:
        return None
    start, end = readings[0].at, readings[-1].at
    span = max((end - start).total_seconds(), 1.0)
    limit = readings[-1].threshold
    heights = [limit, *(one.value for one in known if one.value is not None)]
    heights += [edge for one in known for edge in (one.lower, one.upper) if edge is not None]
    low, high = min(heights), max(heights)
    room = (high - low) or Decimal(1)

    def x(one: Reading) -> str:
        return f"{(one.at - start).total_seconds() / span * WIDTH:.1f}"

    def y(value: Decimal) -> str:
        return f"{HEIGHT - MARGIN - float((value - low) / room) * (HEIGHT - 2 * MARGIN):.1f}"

    line, fresh = [], True
    for one in readings:
        if one.value is None:
            fresh = True
            continue
        line.append(f"{'M' if fresh else 'L'}{x(one)} {y(one.value)}")
        fresh = False
    between = [one for one in known if one.lower is not None and one.upper is not None]
    band = [(x(one), y(one.upper)) for one in between if one.upper is not None]
    band += [(x(one), y(one.lower)) for one in reversed(between) if one.lower is not None]
    first, last = known[0], known[-1]
    assert first.value is not None
    assert last.value is not None
    label = (
        f"{len(known)} readings from {start:%H:%M:%S} to {end:%H:%M:%S} UTC: from {figure(first.value, first.unit)} "
        f"to {figure(last.value, last.unit)}, threshold {figure(limit, last.unit)}"
    )
    drawn = "M" + " L".join(f"{left} {up}" for left, up in band) + "Z" if len(between) > 1 else ""
    return Spark(" ".join(line), drawn, y(limit), (x(last), y(last.value)), label)
