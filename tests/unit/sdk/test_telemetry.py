"""Telemetry: what a model server's calls turn into, and that they never hurt it."""

import datetime as dt
import gzip
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tocsin_sdk import Profile, Telemetry
from tocsin_sdk.delivery import Outbox

START = 1_763_856_000.0  # 2025-11-23T00:00:00Z, the start of a minute


class FakeServer:
    """Accepts posts, remembers the parts, and answers what it is told to."""

    def __init__(self) -> None:
        self.parts: list[dict[str, Any]] = []
        self.answers: list[int | Exception] = []
        self.posts = 0

    def __call__(self, body: bytes) -> int:
        self.posts += 1
        answer = self.answers.pop(0) if self.answers else 202
        if isinstance(answer, Exception):
            raise answer
        if answer < 300:
            self.parts += json.loads(body)["profiles"]
        return answer

    def profile(self) -> Profile:
        """Everything received, merged on its key as the server does."""
        by_key = {(part["producer"], part["sequence"]): part for part in self.parts}
        merged = Profile()
        for part in by_key.values():
            merged.absorb(Profile.from_wire(part["profile"]))
        return merged


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = START

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.fixture
def clock() -> Hand:
    return Hand()


def telemetry(server: FakeServer, clock: Hand, **options: Any) -> Telemetry:
    options = {"producer": "p1", "background": False, **options}
    return Telemetry("http://127.0.0.1:1", "token", "loan", "3", clock=clock, post=server, **options)


def test_a_window_goes_out_with_its_whole_key(server: FakeServer, clock: Hand) -> None:
    sender = telemetry(server, clock, window_seconds=30, segment="branch")
    clock.seconds = START + 31
    sender.record("a", {"x": 1}, "deny", 0.5, "A", 2.0)
    assert sender.flush()
    (part,) = server.parts
    profile = part.pop("profile")
    assert part == {
        "system": "loan",
        "model_version": "3",
        "window_start": "2025-11-23T00:00:30.000000Z",
        "window_seconds": 30,
        "segment": "branch",
        "producer": "p1",
        "sequence": 1,
    }
    assert Profile.from_wire(profile).outcomes.decisions == {("A", "deny", 2048): 1}


def test_predictions_are_counted_in_the_window_and_under_the_version_of_their_time(
    server: FakeServer, clock: Hand
) -> None:
    sender = telemetry(server, clock)
    sender.record("a", None, "deny")
    sender.model_version = "4"
    sender.record("b", None, "deny", at=START + 59.9)
    sender.record("c", None, "deny", at=dt.datetime(2025, 11, 23, 0, 1, tzinfo=dt.UTC))
    sender.flush()
    keys = [(part["window_start"][11:19], part["model_version"], part["sequence"]) for part in server.parts]
    assert keys == [("00:00:00", "3", 1), ("00:00:00", "4", 2), ("00:01:00", "4", 3)]


def test_a_window_may_go_out_in_parts_and_each_has_its_own_sequence(server: FakeServer, clock: Hand) -> None:
    sender = telemetry(server, clock)
    sender.record("a", None, "deny")
    sender.flush()
    sender.flush()
    sender.record("b", None, "deny")
    sender.flush()
    assert [part["sequence"] for part in server.parts] == [1, 2]
    assert server.profile().outcomes.decisions == {("", "deny", -1): 2}


def test_a_late_label_joins_the_window_of_its_prediction(server: FakeServer, clock: Hand) -> None:
    sender = telemetry(server, clock)
    sender.record("a", {"x": 1}, "deny", 0.5, "A")
    sender.flush()
    clock.seconds = START + 600
    sender.label("a", "approve")
    sender.flush()
    late = server.parts[1]
    assert late["window_start"] == server.parts[0]["window_start"]
    profile = Profile.from_wire(late["profile"])
    assert profile.outcomes.labelled == {("A", "approve", "deny", 2048): 1}
    assert profile.outcomes.decisions == {}
    assert profile.operations.volume == 0
    assert sum(profile.operations.label_delay.values()) == 1


def test_a_prediction_takes_one_label_and_a_label_needs_a_prediction(server: FakeServer, clock: Hand) -> None:
    sender = telemetry(server, clock)
    sender.record("a", None, "deny")
    sender.label("a", None)  # not known yet
    sender.label("a", "deny")
    sender.label("a", "approve")
    sender.label("b", "approve")
    sender.record("failed", None, None, error="500")
    sender.label("failed", "deny")
    sender.flush()
    assert server.profile().outcomes.labelled == {("", "deny", "deny", -1): 1}
    assert sender.counters.labelled == 1
    assert sender.counters.unmatched_labels == 4


def test_predictions_that_wait_for_labels_are_bounded_and_the_oldest_is_forgotten(
    server: FakeServer, clock: Hand
) -> None:
    sender = telemetry(server, clock, most_waiting=2)
    for name in "abc":
        sender.record(name, None, "deny")
    for name in "abc":
        sender.label(name, "deny")
    sender.flush()
    assert sender.counters.labelled == 2
    assert sender.counters.unmatched_labels == 1


def test_the_same_part_is_sent_again_until_it_is_accepted(server: FakeServer, clock: Hand) -> None:
    sender = telemetry(server, clock)
    server.answers = [OSError("connection refused"), 503, 401, 202]
    sender.record("a", None, "deny")
    assert not sender.flush()
    assert sender.counters.last_error == "OSError: connection refused"
    assert sender.counters.waiting_profiles == 1
    assert not sender.flush()
    assert not sender.flush()
    assert sender.counters.last_error == "the server answered 401"
    sender.record("b", None, "deny")
    assert sender.flush()
    assert [part["sequence"] for part in server.parts] == [1, 2]
    assert sender.counters.last_error is None
    assert sender.counters.sent_profiles == 2


def test_an_answer_lost_on_the_way_does_not_count_twice(server: FakeServer, clock: Hand) -> None:
    class LosesTheFirstAnswer(FakeServer):
        def __call__(self, body: bytes) -> int:
            status = super().__call__(body)
            if self.posts == 1:
                raise TimeoutError
            return status

    lossy = LosesTheFirstAnswer()
    sender = telemetry(lossy, clock)
    sender.record("a", None, "deny")
    assert not sender.flush()
    assert sender.flush()
    assert len(lossy.parts) == 2
    assert lossy.parts[0] == lossy.parts[1]
    assert lossy.profile().operations.volume == 1


def test_while_the_server_is_away_memory_is_bounded_and_drops_are_counted(
    server: FakeServer, clock: Hand
) -> None:
    sender = telemetry(server, clock, most_unsent=3)
    server.answers = [OSError()] * 5
    for minute in range(5):
        clock.seconds = START + 60 * minute
        sender.record(None, None, "deny")
        assert not sender.flush()
    assert sender.counters.dropped_profiles == 2
    assert sender.counters.waiting_profiles == 3
    assert sender.flush()
    assert [part["sequence"] for part in server.parts] == [3, 4, 5]


def test_a_part_that_is_dropped_while_it_is_being_sent_takes_no_other_with_it() -> None:
    sent: list[list[int]] = []

    def post(body: bytes) -> int:
        sent.append([part["number"] for part in json.loads(body)["profiles"]])
        if len(sent) == 1:
            outbox.put({"number": 3})
        return 202

    outbox = Outbox(post, most=2)
    outbox.put({"number": 1})
    outbox.put({"number": 2})
    assert outbox.send()
    assert sent == [[1, 2], [3]]
    assert outbox.dropped == 1


def test_one_part_that_the_server_refuses_does_not_take_the_others_with_it(clock: Hand) -> None:
    class RefusesTheSecond(FakeServer):
        def __call__(self, body: bytes) -> int:
            if any(part["sequence"] == 2 for part in json.loads(body)["profiles"]):
                return 422
            return super().__call__(body)

    picky = RefusesTheSecond()
    sender = telemetry(picky, clock)
    for minute in range(3):
        sender.record(None, None, "deny", at=START + 60 * minute)
    assert sender.flush()
    assert [part["sequence"] for part in picky.parts] == [1, 3]
    assert sender.counters.refused_profiles == 1


def test_a_full_queue_drops_and_counts(server: FakeServer, clock: Hand) -> None:
    sender = telemetry(server, clock, most_queued=2)
    for name in "abc":
        sender.record(name, None, "deny")
    sender.label("a", "deny")
    sender.flush()
    assert sender.counters.recorded == 2
    assert sender.counters.dropped_records == 2


def test_nothing_that_a_caller_hands_in_raises(server: FakeServer, clock: Hand) -> None:
    sender = telemetry(server, clock)
    sender.record("a", 5, "deny")  # type: ignore[arg-type]
    sender.record("b", None, "deny", at="now")  # type: ignore[arg-type]
    sender.record("c", None, "deny", at=dt.datetime(2025, 11, 23))  # noqa: DTZ001 - that is the mistake
    sender.record(["d"], None, "deny")  # type: ignore[arg-type]
    sender.label(["d"], "deny")  # type: ignore[arg-type]
    sender.record("e", {"x": object()}, object(), score="high", group=7, latency_ms="slow")  # type: ignore[arg-type]
    assert sender.flush()
    assert sender.counters.dropped_records == 5
    assert server.profile().outcomes.groups == {"7"}


def test_features_may_be_reused_by_the_caller(server: FakeServer, clock: Hand) -> None:
    sender = telemetry(server, clock)
    features = {"x": "a"}
    sender.record("a", features, "deny")
    features["x"] = "b"
    sender.record("b", features, "deny")
    sender.flush()
    assert server.profile().columns["x"].texts.kept == {"a": 1, "b": 1}


def test_many_threads_lose_nothing(server: FakeServer, clock: Hand) -> None:
    sender = telemetry(server, clock)

    def work(name: int) -> None:
        for number in range(500):
            sender.record(f"{name}-{number}", {"x": number}, "deny", group=str(name))
            if number % 100 == 0:
                sender.flush()

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sender.close()
    assert server.profile().operations.volume == 2000
    assert len({part["sequence"] for part in server.parts}) == len(server.parts)


def test_the_background_thread_sends_without_being_asked(clock: Hand) -> None:
    arrived = threading.Event()

    def post(body: bytes) -> int:
        arrived.set()
        return 202

    sender = Telemetry(
        "http://127.0.0.1:1", "t", "loan", "3", clock=clock, post=post, send_every_seconds=0.01
    )
    sender.record("a", None, "deny")
    assert arrived.wait(10)
    assert sender.close()
    assert not any(thread.name == "tocsin-telemetry" for thread in threading.enumerate())


def test_closing_sends_what_is_left_and_may_be_done_twice(server: FakeServer, clock: Hand) -> None:
    with telemetry(server, clock, background=True) as sender:
        sender.record("a", None, "deny")
    assert server.profile().operations.volume == 1
    assert sender.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_forked_child_starts_with_nothing_and_under_a_name_of_its_own(
    server: FakeServer, clock: Hand
) -> None:
    sender = telemetry(server, clock, producer=None)
    sender.record("a", None, "deny")
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # report through the pipe and leave without the test runner's clean-up
        sender.flush()
        os.write(write, f"{sender.producer} {len(server.parts)}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    name, parts = os.read(read, 200).decode().split()
    os.close(read)
    os.close(write)
    assert name != sender.producer
    assert parts == "0"
    assert sender.flush()
    assert len(server.parts) == 1


@pytest.mark.parametrize("url", ["ftp://host", "file:///etc/passwd", "127.0.0.1:8700", "http://"])
def test_an_impossible_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="not an http or https address"):
        Telemetry(url, "t", "s", "1")


def test_an_impossible_length_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="window_seconds"):
        Telemetry("http://127.0.0.1:1", "t", "s", "1", window_seconds=0)


# --- over real HTTP ------------------------------------------------------------------------------------------


class Receiver(ThreadingHTTPServer):
    """A real server on loopback that remembers requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.status = 202
        self.location = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, dict(self.headers), body))
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_part_arrives_over_http_with_the_token(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # a proxy is not asked for loopback
    sender = Telemetry(receiver.url + "/", "secret", "loan", "3", background=False)
    sender.record("a", {"x": 1}, "deny")
    assert sender.close()
    ((path, headers, body),) = receiver.requests
    assert path == "/api/v1/profiles"
    assert headers["Authorization"] == "Bearer secret"
    assert headers["Content-Type"] == "application/json"
    assert json.loads(body)["profiles"][0]["system"] == "loan"


def test_a_large_body_is_compressed_when_that_is_wanted(receiver: Receiver) -> None:
    for compress in (True, False):
        sender = Telemetry(receiver.url, "secret", "loan", "3", background=False, compress=compress)
        for number in range(300):
            sender.record(None, {"x": number}, "deny", score=number / 300)
        assert sender.close()
    (_, first, packed), (_, second, plain) = receiver.requests
    assert first["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in second
    assert len(packed) < len(plain) / 2
    unpacked = json.loads(gzip.decompress(packed))["profiles"][0]["profile"]
    assert Profile.from_wire(unpacked).operations.volume == 300


@pytest.mark.parametrize("status", [302, 307, 500, 503])
def test_redirects_are_not_followed_and_failures_are_kept_for_later(receiver: Receiver, status: int) -> None:
    receiver.status, receiver.location = status, receiver.url + "/elsewhere"
    sender = Telemetry(receiver.url, "secret", "loan", "3", background=False)
    sender.record("a", None, "deny")
    assert not sender.flush()
    assert [path for path, *_ in receiver.requests] == ["/api/v1/profiles"]
    assert sender.counters.last_error == f"the server answered {status}"
    receiver.status = 202
    assert sender.close()


def test_a_server_that_is_not_there_is_no_exception() -> None:
    gone = Receiver()
    gone.server_close()
    sender = Telemetry(gone.url, "secret", "loan", "3", background=False)
    sender.record("a", None, "deny")
    assert not sender.close()
    assert "refused" in str(sender.counters.last_error)
