"""Telemetry: what a model server predicts, sent to tocsin as partial profiles of short windows.

    telemetry = Telemetry("http://127.0.0.1:8700", token, system="loan-approval", model_version="3")
    telemetry.record("a1", {"income": 5200.0}, prediction="deny", score=0.81, group="A", latency_ms=3.2)
    telemetry.label("a1", "deny")  # whenever it becomes known

Recording puts one item into a queue and returns; a background thread counts and sends. Nothing here raises
into the model server: what cannot be kept or sent is dropped and counted in `counters`. The rows themselves
never leave the process, only the counts do.
"""

from __future__ import annotations

import atexit
import contextlib
import datetime as dt
import os
import threading
import time
import uuid
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from tocsin_sdk.delivery import Outbox, Post, http_post
from tocsin_sdk.profile import UNKNOWN, Profile, word_of

PATH = "/api/v1/profiles"
LONGEST_WAIT_SECONDS = 30.0
"""The longest pause between two attempts while the server does not accept."""

Moment = float | dt.datetime
"""Seconds since 1970 (UTC), or a datetime with a zone."""
Features = Mapping[str, object]
_Window = tuple[int, str]  # start in milliseconds, model version

# The queue holds plain tuples: making one costs a tenth of making a dataclass.
_Record = tuple[
    str | None, str, Features | None, object, float | None, str | None, float | None, str | None, Moment
]
# prediction id, model version, features, prediction, score, group, latency in ms, error, at
_Label = tuple[str, object, Moment]
# prediction id, label, at


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What became of everything so far. Each count only grows, except `waiting_profiles`."""

    recorded: int
    labelled: int
    dropped_records: int
    """Records and labels lost because the queue was full or a value could not be counted."""
    unmatched_labels: int
    """Labels whose prediction is not (or no longer) known here, or that had a label already."""
    sent_profiles: int
    dropped_profiles: int
    refused_profiles: int
    """Parts that the server called wrong, so that sending them again would be useless."""
    waiting_profiles: int
    last_error: str | None


class _Waiting(NamedTuple):
    """What a label needs to know of its prediction."""

    window: _Window
    prediction: object
    score: float | None
    group: str | None
    at_ms: int


class Telemetry:
    """Counts the predictions of one system in this process and sends them window by window.

    Args:
        url: address of the tocsin server, such as http://127.0.0.1:8700.
        token: an API token that may send telemetry.
        system: id of the system in the catalog.
        model_version: the version that serves now; assign `telemetry.model_version` when it changes.
        window_seconds: length of a window in event time; the same for all processes of a system.
        segment: a part of the traffic that is watched by itself.
        send_every_seconds: how often the counts so far are sent; a window may go out in several parts.
        producer: name of this sender, unique among the processes of a system; made up by default.
        most_queued: records and labels that may wait to be counted.
        most_waiting: predictions that may wait for their label; the oldest are forgotten.
        most_unsent: parts kept while the server does not accept; the oldest are dropped.
        compress: whether bodies are compressed with gzip.
        clock: the time in seconds since 1970 (UTC).
        post: how a body is delivered (default: HTTP); for tests.
        background: whether a thread sends by itself; without it only `flush` and `close` send.

    Raises:
        ValueError: the address or a length is impossible. Only the constructor raises.
    """

    def __init__(
        self,
        url: str,
        token: str,
        system: str,
        model_version: str,
        *,
        window_seconds: int = 60,
        segment: str = "all",
        send_every_seconds: float = 5.0,
        producer: str | None = None,
        most_queued: int = 100_000,
        most_waiting: int = 100_000,
        most_unsent: int = 256,
        timeout_seconds: float = 10.0,
        compress: bool = True,
        clock: Callable[[], float] = time.time,
        post: Post | None = None,
        background: bool = True,
    ) -> None:
        if window_seconds < 1 or send_every_seconds <= 0:
            raise ValueError("window_seconds must be at least 1 and send_every_seconds above 0")
        self.system = system
        self.model_version = str(model_version)
        self.segment = segment
        self.window_seconds = window_seconds
        self._send_every = send_every_seconds
        self._producer = producer
        self._post = post or http_post(url.rstrip("/") + PATH, token, timeout_seconds, compress)
        self._most_queued, self._most_waiting, self._most_unsent = most_queued, most_waiting, most_unsent
        self._clock = clock
        self._background = background
        self._fresh()
        atexit.register(_close_at_exit, weakref.ref(self))
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_fresh_in_child(weakref.ref(self)))

    def _fresh(self) -> None:
        """Start with nothing: at first, and in a forked child, whose parent keeps and sends its own counts."""
        self.producer = self._producer or uuid.uuid4().hex
        self._sequence = 0
        self._queue: deque[_Record | _Label] = deque()
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()
        self._open: dict[_Window, Profile] = {}
        self._counting = threading.Lock()  # guards _waiting, _open and _sequence
        self._starting = threading.Lock()
        self._outbox = Outbox(self._post, self._most_unsent)
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._recorded = self._labelled = self._dropped = self._unmatched = 0

    # --- the model server's side: cheap, never raises ---

    def record(
        self,
        prediction_id: str | None,
        features: Features | None,
        prediction: object,
        score: float | None = None,
        group: str | None = None,
        latency_ms: float | None = None,
        error: str | None = None,
        at: Moment | None = None,
    ) -> None:
        """Record one request.

        `prediction` is a class (text, whole number or bool), or
        None when the request failed, with the reason in `error`. `score` is a probability in 0..1. `at` is
        the event time, by default now. Without `prediction_id` no label can follow.
        """
        if len(self._queue) >= self._most_queued:
            self._dropped += 1
            return
        try:
            copied = None if features is None else dict(features)
        except (TypeError, ValueError):  # not a mapping
            self._dropped += 1
            return
        moment = self._clock() if at is None else at
        version = self.model_version
        self._queue.append(
            (prediction_id, version, copied, prediction, score, group, latency_ms, error, moment)
        )
        if self._thread is None:
            self._start()

    def label(self, prediction_id: str, label: object, at: Moment | None = None) -> None:
        """Say what the right answer to a recorded prediction was. The first label of a prediction counts.

        It is added to the window in which the prediction was made.
        """
        if len(self._queue) >= self._most_queued:
            self._dropped += 1
            return
        self._queue.append((prediction_id, label, self._clock() if at is None else at))
        if self._thread is None:
            self._start()

    def flush(self) -> bool:
        """Count and send everything now; return whether the server has accepted all of it. Blocks, never raises."""
        self._count()
        self._cut()
        return self._outbox.send()

    def close(self, timeout_seconds: float = 5.0) -> bool:
        """Stop the thread, send what is left, and return whether the server has accepted all of it."""
        self._closed.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_seconds)
        return self.flush()

    @property
    def counters(self) -> Counters:
        """What became of everything so far."""
        outbox = self._outbox
        return Counters(
            recorded=self._recorded,
            labelled=self._labelled,
            dropped_records=self._dropped,
            unmatched_labels=self._unmatched,
            sent_profiles=outbox.sent,
            dropped_profiles=outbox.dropped,
            refused_profiles=outbox.refused,
            waiting_profiles=len(outbox),
            last_error=outbox.last_error,
        )

    def __enter__(self) -> Telemetry:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # --- the background ---

    def _start(self) -> None:
        if not self._background or self._closed.is_set():
            return
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="tocsin-telemetry", daemon=True)
                with contextlib.suppress(RuntimeError):  # the interpreter is shutting down: close() sends
                    self._thread.start()

    def _run(self) -> None:
        pause = self._send_every
        while not self._closed.wait(pause):
            accepted = self.flush()
            pause = (
                self._send_every if accepted else min(pause * 2, max(LONGEST_WAIT_SECONDS, self._send_every))
            )

    def _count(self) -> None:
        """Move the queue into the open profiles."""
        with self._counting:
            for _ in range(len(self._queue)):
                item = self._queue.popleft()
                try:
                    if len(item) == 3:
                        self._count_label(item)
                    else:
                        self._count_record(item)
                except Exception:  # a value that cannot be counted is dropped, not raised
                    self._dropped += 1

    def _count_record(self, item: _Record) -> None:
        prediction_id, version, features, prediction, score, group, latency_ms, error, at = item
        at_ms = _milliseconds(at)
        window = self._window(at_ms, version)
        self._profile(window).add(
            features=features,
            prediction=prediction,
            score=score,
            group=group,
            latency_ms=latency_ms,
            error=error,
            at_ms=at_ms,
        )
        self._recorded += 1
        if prediction_id is None or prediction is None:
            return
        self._waiting[prediction_id] = _Waiting(window, prediction, score, group, at_ms)
        if len(self._waiting) > self._most_waiting:
            self._waiting.popitem(last=False)

    def _count_label(self, item: _Label) -> None:
        prediction_id, label, at = item
        delay_to = _milliseconds(at)
        # A label of None is none: the prediction goes on waiting.
        made = None if word_of(label) == UNKNOWN else self._waiting.pop(prediction_id, None)
        if made is None:
            self._unmatched += 1
            return
        self._profile(made.window).add_label(
            label=label,
            prediction=made.prediction,
            score=made.score,
            group=made.group,
            delay_ms=delay_to - made.at_ms,
        )
        self._labelled += 1

    def _profile(self, window: _Window) -> Profile:
        profile = self._open.get(window)
        if profile is None:
            profile = self._open[window] = Profile()
        return profile

    def _window(self, at_ms: int, version: str) -> _Window:
        length = self.window_seconds * 1000
        return at_ms // length * length, version

    def _cut(self) -> None:
        """Close the open profiles and put them, each with its own sequence, into the outbox."""
        with self._counting:
            for (start_ms, version), profile in sorted(self._open.items(), key=lambda item: item[0]):
                self._sequence += 1
                self._outbox.put(
                    {
                        "system": self.system,
                        "model_version": version,
                        "window_start": _text_of(start_ms),
                        "window_seconds": self.window_seconds,
                        "segment": self.segment,
                        "producer": self.producer,
                        "sequence": self._sequence,
                        "profile": profile.to_wire(),
                    }
                )
            self._open.clear()


def _milliseconds(moment: Moment) -> int:
    if isinstance(moment, dt.datetime):
        if moment.tzinfo is None:
            raise ValueError("a time without a zone has no meaning here")
        return int(moment.timestamp() * 1000)
    return int(moment * 1000)


def _text_of(milliseconds: int) -> str:
    """Return a time as RFC 3339 in UTC."""
    moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=milliseconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _close_at_exit(telemetry: weakref.ref[Telemetry]) -> None:
    alive = telemetry()
    if alive is not None and not alive._closed.is_set():
        alive.close(timeout_seconds=2.0)


def _fresh_in_child(telemetry: weakref.ref[Telemetry]) -> Callable[[], None]:
    def start_afresh() -> None:
        alive = telemetry()
        if alive is not None:
            alive._fresh()

    return start_afresh
