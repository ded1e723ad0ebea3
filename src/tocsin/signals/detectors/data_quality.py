"""Is the input what the model was trained on (DET-2)?

Several columns are looked at together, so intervals are widened (Bonferroni) and chances adjusted (Benjamini
and Hochberg): a monitor over twelve columns does not fire twelve times as often by chance.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate

from tocsin.signals.interval import Interval, adjusted, chi_square_tail, combine, event_count, ks_tail, wilson
from tocsin.signals.look import CONFIDENCE, SECONDS, SHARE, Detector, Look, Param
from tocsin.signals.reading import Finding, counted, percent, text_of
from tocsin_sdk.profile import Column, Profile, bucket_bounds

NO_REFERENCE = Finding(
    state="insufficient", sentence="Nobody can tell: there is no pinned reference to compare with."
)
Tally = tuple[int, int]
"""Values in question, and out of how many."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A column and what is held against the threshold for it."""

    column: str
    found: Interval
    words: str
    chance: float = 0.0
    """The adjusted chance of such a figure without a difference; 0 where the interval decides."""


# --- shares of bad values ------------------------------------------------------------------------------------


def _detect_nulls(look: Look) -> Finding:
    change = look.text("mode") == "change"
    if change and look.reference is None:
        return NO_REFERENCE
    names = _columns(look, {*look.current.columns, *(look.reference.columns if look.reference else ())})

    def suspects() -> Iterator[Suspect]:
        for name in names:
            now = _nulls(look.current, name)
            terms = [(1, wilson(*now, look.z(len(names))))]
            words = f"in column {name}, {percent(now[0] / now[1])} of {now[1]:,} values are missing"
            before = _nulls(look.reference, name) if change and look.reference else (0, 0)
            if before[1]:
                terms.append((-1, wilson(*before, look.z(len(names)))))
                words += f", against {percent(before[0] / before[1])} in the reference"
            yield Suspect(name, combine(terms), words)

    return _judged_shares(look, look.current.operations.rows, suspects, "missing values")


def _nulls(profile: Profile, name: str) -> Tally:
    """Return missing values of a column (null, NaN, or not sent at all) and the rows they are out of."""
    column = profile.columns.get(name)
    if column is None:
        return profile.operations.rows, profile.operations.rows
    present = column.total() - column.nulls - column.nans
    of = max(profile.operations.rows, column.total())
    return of - present, of


def _detect_out_of_range(look: Look) -> Finding:
    if look.reference is None:
        return NO_REFERENCE
    pinned = look.reference.columns
    names = _columns(look, (name for name, column in pinned.items() if column.numbers))

    def suspects() -> Iterator[Suspect]:
        for name in names:
            numbers = look.current.columns[name].numbers if name in look.current.columns else {}
            low, high = min(pinned[name].numbers), max(pinned[name].numbers)
            outside = sum(count for bucket, count in numbers.items() if not low <= bucket <= high)
            of = sum(numbers.values())
            if of:
                range_words = f"{bucket_bounds(low)[0]:g} to {bucket_bounds(high)[1]:g}"
                yield Suspect(
                    name,
                    wilson(outside, of, look.z(len(names))),
                    f"in column {name}, {percent(outside / of)} of {of:,} numbers lie outside {range_words}, "
                    "the range of the reference",
                )

    return _judged_shares(look, look.current.operations.rows, suspects, "numbers out of range")


def _detect_unseen(look: Look) -> Finding:
    if look.reference is None:
        return NO_REFERENCE
    pinned = look.reference.columns
    names = _columns(look, pinned)

    def suspects() -> Iterator[Suspect]:
        for name in names:
            unseen, of = _unseen(pinned[name], look.current.columns.get(name))
            if of:
                yield Suspect(
                    name,
                    wilson(sum(unseen.values()), of, look.z(len(names))),
                    f"in column {name}, {percent(sum(unseen.values()) / of)} of {of:,} values are of a kind that "
                    f"the reference never had{_such_as(unseen)}",
                )

    return _judged_shares(look, look.current.operations.rows, suspects, "values never seen before")


def _unseen(pinned: Column, current: Column | None) -> tuple[dict[str, int], int]:
    """Return values that the pinned column surely never had, and how many values there are.

    A number where there were only texts counts too, and a text where there were only numbers.
    """
    if current is None:
        return {}, 0
    unseen = {text: count for text, count in current.texts.kept.items() if pinned.texts.surely_lacks(text)}
    numbers = sum(current.numbers.values())
    if numbers and not pinned.numbers:
        unseen["(a number)"] = numbers
    return unseen, numbers + current.texts.total()


def _such_as(unseen: dict[str, int]) -> str:
    most = sorted(unseen, key=lambda text: (-unseen[text], text))[:3]
    return f", such as {', '.join(map(repr, most))}" if most else ""


def _detect_schema(look: Look) -> Finding:
    if look.reference is None:
        return NO_REFERENCE
    schemas, pinned = look.current.operations.schemas, look.reference.operations.schemas
    of = schemas.total()

    def suspects() -> Iterator[Suspect]:
        changed = sum(count for schema, count in schemas.kept.items() if pinned.surely_lacks(schema))
        words = f"{percent(changed / of)} of {of:,} requests have other columns than the reference"
        gone = sorted(look.reference.columns.keys() - look.current.columns.keys()) if look.reference else []
        new = sorted(look.current.columns.keys() - look.reference.columns.keys()) if look.reference else []
        words += f"; gone: {', '.join(gone)}" if gone else ""
        words += f"; new: {', '.join(new)}" if new else ""
        yield Suspect("(schema)", wilson(changed, of, look.z()), words)

    return _judged_shares(look, of, suspects, "other columns")


def _judged_shares(look: Look, rows: int, suspects: Callable[[], Iterable[Suspect]], what: str) -> Finding:
    """Judge shares by the lower end of their intervals."""
    if rows < look.minimum:
        return _too_few(look, rows)
    found = list(suspects())
    if not found:
        return Finding(
            state="insufficient", sentence="Nobody can tell: no column can be compared.", sample=rows
        )
    beyond = [suspect for suspect in found if suspect.found.lower > look.threshold]
    return _finding(look, found, beyond, rows, f"No column has more {what} than allowed", percent)


# --- drift ---------------------------------------------------------------------------------------------------


def _detect_ks(look: Look) -> Finding:
    return _detect_drift(look, _ks)


def _detect_psi(look: Look) -> Finding:
    return _detect_drift(look, _psi)


def _detect_drift(look: Look, distance: Callable[[Column, Column], tuple[float, float] | None]) -> Finding:
    """Fire when the distance passes the threshold AND is not chance, over all columns together."""
    if look.reference is None:
        return NO_REFERENCE
    rows = look.current.operations.rows
    if min(rows, look.reference.operations.rows) < look.minimum:
        return _too_few(look, min(rows, look.reference.operations.rows))
    found: list[tuple[str, float, float]] = []
    for name in _columns(look, look.reference.columns):
        current = look.current.columns.get(name)
        measured = distance(look.reference.columns[name], current) if current else None
        if measured is not None:
            found.append((name, *measured))
    if not found:
        return Finding(
            state="insufficient", sentence="Nobody can tell: no column can be compared.", sample=rows
        )
    suspects = [
        Suspect(name, Interval(value, value, value), f"column {name} is at a distance of {value:.3f}", chance)
        for (name, value, _), chance in zip(found, adjusted([chance for *_, chance in found]), strict=True)
    ]
    least = 1 - look.number("confidence")
    beyond = [
        suspect for suspect in suspects if suspect.found.value > look.threshold and suspect.chance <= least
    ]
    return _finding(look, suspects, beyond, rows, "No column has drifted from the reference", text_of)


def _ks(pinned: Column, current: Column) -> tuple[float, float] | None:
    """Return the Kolmogorov-Smirnov distance of the numbers of two columns and its chance; None without numbers."""
    one, other = sum(pinned.numbers.values()), sum(current.numbers.values())
    if not one or not other:
        return None
    buckets = sorted(pinned.numbers.keys() | current.numbers.keys())
    pinned_so_far = accumulate(pinned.numbers.get(bucket, 0) for bucket in buckets)
    current_so_far = accumulate(current.numbers.get(bucket, 0) for bucket in buckets)
    distance = max(abs(a / one - b / other) for a, b in zip(pinned_so_far, current_so_far, strict=True))
    return distance, ks_tail(distance, one, other)


def _psi(pinned: Column, current: Column) -> tuple[float, float] | None:
    """Return the population stability index of two columns and its chance; None when one is empty.

    Numbers fall into tenths of the pinned column. Half a value is added to every part, so that an empty one does
    not make the index infinite. Without a difference the index times nm/(n+m) is about chi-square (Yurdakul and
    Naranjo, Journal of Risk Model Validation 14, 2020).
    """
    parts = [(a, b) for a, b in _parts(pinned, current) if a or b]
    one, other = sum(a for a, _ in parts), sum(b for _, b in parts)
    if not one or not other:
        return None
    if len(parts) < 2:
        return 0.0, 1.0
    index = 0.0
    for a, b in parts:
        before, now = (a + 0.5) / (one + 0.5 * len(parts)), (b + 0.5) / (other + 0.5 * len(parts))
        index += (now - before) * math.log(now / before)
    return index, chi_square_tail(index * one * other / (one + other), len(parts) - 1)


def _parts(pinned: Column, current: Column) -> Iterator[Tally]:
    """Yield the counts of both columns in each part: tenths of the pinned numbers, single texts, and the rest."""
    size = sum(pinned.numbers.values())
    tenths = [[0, 0] for _ in range(10)]
    seen = 0
    for bucket in sorted(pinned.numbers.keys() | current.numbers.keys()):
        part = tenths[min(9, 10 * seen // size) if size else 0]
        part[0] += pinned.numbers.get(bucket, 0)
        part[1] += current.numbers.get(bucket, 0)
        seen += pinned.numbers.get(bucket, 0)
    yield from ((before, now) for before, now in tenths)
    rest = [pinned.texts.total(), current.texts.total()]
    for text in sorted(pinned.texts.kept.keys() | current.texts.kept.keys()):
        before, now = pinned.texts.kept.get(text, 0), current.texts.kept.get(text, 0)
        if (before or pinned.texts.surely_lacks(text)) and (now or current.texts.surely_lacks(text)):
            yield before, now
            rest[0] -= before
            rest[1] -= now
    yield rest[0], rest[1]


# --- freshness and volume ------------------------------------------------------------------------------------


def _detect_freshness(look: Look) -> Finding:
    newest_ms = look.current.operations.newest_ms
    if newest_ms is None:
        if look.reference is None:
            return Finding(state="insufficient", sentence="Nobody can tell: nothing was ever received.")
        age = (look.now - look.window_start).total_seconds()
        words = f"Nothing arrived in the last {_seconds(age)}"
    else:
        newest = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=newest_ms)
        age = max(0.0, (look.now - newest).total_seconds())
        words = f"The newest prediction is {_seconds(age)} old"
    return Finding(
        state="breach" if age > look.threshold else "ok",
        sentence=f"{words}; the limit is {_seconds(look.threshold)}.",
        value=age,
        sample=look.current.operations.volume,
    )


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"


def _detect_volume(look: Look) -> Finding:
    volume = look.current.operations.volume
    minutes = (look.window_end - look.window_start).total_seconds() / 60
    expected = look.number("expected_per_minute") * minutes
    if expected < look.minimum:
        words = f"Nobody can tell: {expected:.0f} requests are expected in this window, too few to judge."
        return Finding(state="insufficient", sentence=words, sample=volume)
    found = event_count(volume, look.z())
    value, lower, upper = (figure / expected for figure in (found.value, found.lower, found.upper))
    return Finding(
        state="breach" if upper < look.threshold else "ok",
        sentence=f"{counted(volume, 'request')} came in, {percent(value)} of the {expected:,.0f} expected; "
        f"at least {percent(look.threshold)} should.",
        value=value,
        lower=lower,
        upper=upper,
        direction="below",
        sample=volume,
        figures={"expected": text_of(expected)},
    )


# --- words ---------------------------------------------------------------------------------------------------


def _columns(look: Look, all_of_them: Iterable[str]) -> tuple[str, ...]:
    """Return the columns to look at: those named by the parameter, or all of them, in order."""
    return look.names("columns") or tuple(sorted(all_of_them))


def _too_few(look: Look, rows: int) -> Finding:
    sentence = f"Nobody can tell: there were {counted(rows, 'row')}, and {look.minimum:,} are needed."
    return Finding(state="insufficient", sentence=sentence, sample=rows)


def _finding(
    look: Look,
    suspects: list[Suspect],
    beyond: list[Suspect],
    rows: int,
    calm: str,
    said: Callable[[float], str],
) -> Finding:
    worst = max(beyond or suspects, key=lambda suspect: (suspect.found.lower, suspect.found.value))
    limit = f"the limit is {said(look.threshold)}"
    sentence = f"{calm} ({limit}); at most, {worst.words}."
    if beyond:
        others = sorted(suspect.column for suspect in beyond if suspect is not worst)
        also = f" Also beyond it: {', '.join(others)}." if others else ""
        sentence = f"{worst.words[0].upper()}{worst.words[1:]}; {limit}.{also}"
    return Finding(
        state="breach" if beyond else "ok",
        sentence=sentence,
        value=worst.found.value,
        lower=worst.found.lower,
        upper=worst.found.upper,
        sample=rows,
        figures={
            "column": worst.column,
            "columns_beyond": ", ".join(sorted(suspect.column for suspect in beyond)),
            "columns": str(len(suspects)),
        },
    )


_COLUMNS = Param("columns", "the columns to look at, separated by commas; empty for all", "")
_DRIFT_CONFIDENCE = Param(
    "confidence",
    "how sure it must be that the difference is not chance, from 0 to 1",
    "0.999",
    least=0,
    most=1,
)


def _detector(
    name: str,
    meaning: str,
    detect: Callable[[Look], Finding],
    *params: Param,
    units: dict[str, Decimal] = SHARE,
) -> Detector:
    return Detector(
        name=name, dimension="data_quality", meaning=meaning, units=units, params=params, detect=detect
    )


_SURELY = "fires when the lower end of its interval passes the threshold for some column."

DETECTORS = (
    _detector(
        "null_share",
        f"Share of missing values (null, NaN, or not sent), or its rise over the reference; {_SURELY}",
        _detect_nulls,
        Param(
            "mode", "judge the rise over the reference, or the share itself", "change", ("change", "absolute")
        ),
        _COLUMNS,
        CONFIDENCE,
    ),
    _detector(
        "out_of_range_share",
        f"Share of numbers outside the range of the reference; {_SURELY}",
        _detect_out_of_range,
        _COLUMNS,
        CONFIDENCE,
    ),
    _detector(
        "unseen_share",
        f"Share of values of a kind that the reference never had: a new category, or another type; {_SURELY}",
        _detect_unseen,
        _COLUMNS,
        CONFIDENCE,
    ),
    _detector(
        "schema_change_share",
        f"Share of requests whose set of columns the reference never had; {_SURELY}",
        _detect_schema,
        CONFIDENCE,
    ),
    _detector(
        "drift_ks",
        "Largest difference between the distributions of a number now and in the reference "
        "(Kolmogorov-Smirnov); fires when it passes the threshold and is not chance.",
        _detect_ks,
        _COLUMNS,
        _DRIFT_CONFIDENCE,
    ),
    _detector(
        "drift_psi",
        "Population stability index of numbers and categories against the reference; fires when it passes the "
        "threshold and is not chance.",
        _detect_psi,
        _COLUMNS,
        _DRIFT_CONFIDENCE,
    ),
    _detector(
        "freshness",
        "Age of the newest prediction; fires when it passes the threshold, also when nothing arrives at all "
        "and a reference is pinned.",
        _detect_freshness,
        units=SECONDS,
    ),
    _detector(
        "volume_share",
        "Share of the expected requests that came in; fires when even the upper end of its interval is below "
        "the threshold.",
        _detect_volume,
        Param("expected_per_minute", "how many requests a minute are expected", least=0),
        CONFIDENCE,
    ),
)
