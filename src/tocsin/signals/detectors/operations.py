"""How the service runs: latency and errors (DET-5)."""

from __future__ import annotations

from tocsin.signals.interval import quantile_ranks, wilson
from tocsin.signals.look import CONFIDENCE, MILLISECONDS, SHARE, Detector, Look, Param
from tocsin.signals.reading import Finding, counted, percent, text_of
from tocsin_sdk.profile import rank_value


def _detect_latency(look: Look) -> Finding:
    latency = look.current.operations.latency
    count = sum(latency.values())
    if count < look.minimum:
        return _too_few(look, count, "timed request")
    share = look.number("quantile")
    rank, low, high = quantile_ranks(count, share, look.z())
    value, lower, upper = (rank_value(latency, place) for place in (rank, low, high))
    breach = lower > look.threshold
    return Finding(
        state="breach" if breach else "ok",
        sentence=f"{percent(share)} of {counted(count, 'request')} took up to {value:.1f} ms "
        f"(surely {lower:.1f} ms or more); the limit is {look.threshold:.1f} ms.",
        value=value,
        lower=lower,
        upper=upper,
        sample=count,
        figures={"median": text_of(rank_value(latency, quantile_ranks(count, 0.5, look.z())[0]))},
    )


def _detect_errors(look: Look) -> Finding:
    operations = look.current.operations
    errors, volume = operations.errors.total(), operations.volume
    if volume < look.minimum:
        return _too_few(look, volume, "request")
    found = wilson(errors, volume, look.z())
    enough = errors >= look.number("minimum_errors")
    frequent = sorted(operations.errors.kept.items(), key=lambda item: (-item[1], item[0]))[:5]
    return Finding(
        state="breach" if enough and found.lower > look.threshold else "ok",
        sentence=f"{percent(found.value)} of {counted(volume, 'request')} failed ({errors:,}); "
        f"the limit is {percent(look.threshold)}.",
        value=found.value,
        lower=found.lower,
        upper=found.upper,
        sample=volume,
        figures={"errors": str(errors), **{f"error.{text}": str(count) for text, count in frequent}},
    )


def _too_few(look: Look, count: int, one: str) -> Finding:
    sentence = (
        f"Nobody can tell: there were {counted(count, one)} in this window, and {look.minimum:,} are needed."
    )
    return Finding(state="insufficient", sentence=sentence, sample=count)


DETECTORS = (
    Detector(
        name="latency_quantile",
        dimension="operations",
        meaning="Latency that a share of requests stays within; fires when the lower end of its interval "
        "passes the threshold.",
        units=MILLISECONDS,
        params=(Param("quantile", "the share of requests, from 0 to 1", "0.95", least=0, most=1), CONFIDENCE),
        detect=_detect_latency,
    ),
    Detector(
        name="error_rate",
        dimension="operations",
        meaning="Share of requests that failed; fires when the lower end of its interval passes the threshold.",
        units=SHARE,
        params=(Param("minimum_errors", "fewer errors than this never fire", "5", least=-1), CONFIDENCE),
        detect=_detect_errors,
    ),
)
