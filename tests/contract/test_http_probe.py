"""The http probe against a real server on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tocsin.connectors.http_probe import HttpProbe
from tocsin.kernel.errors import Invalid

VERSION = {
    "version": "2",
    "model": {"digest": "ab"},
    "gap": 0.125,
    "list": [{"n": 7}],
    "ok": True,
    "nothing": None,
}


class Handler(BaseHTTPRequestHandler):
    released = threading.Event()

    def do_GET(self) -> None:
        match self.path:
            case "/version":
                self.reply(200, json.dumps(VERSION).encode())
            case "/text":
                self.reply(200, b"hello")
            case "/long":
                self.reply(200, b"x" * 5000)
            case "/moved":
                self.send_response(302)
                self.send_header("Location", "/version")
                self.end_headers()
            case "/hangs":
                Handler.released.wait(30)
            case _:
                self.reply(503, b"{}")

    def reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    Handler.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("params", "given", "answer"),
    [
        ({"field": "version", "equals": "2"}, {}, "yes"),
        ({"field": "version", "equals": "3"}, {}, "no"),
        ({"field": "version", "equals": "{to}"}, {"to": "2"}, "yes"),
        ({"field": "version", "equals": "{to}"}, {"to": "3"}, "no"),
        ({"field": "model.digest", "equals": "ab"}, {}, "yes"),
        ({"field": "list.0.n", "equals": "7"}, {}, "yes"),
        ({"field": "ok", "equals": "true"}, {}, "yes"),
        ({"field": "gap", "at_most": "0.2"}, {}, "yes"),
        ({"field": "gap", "at_most": "0.1"}, {}, "no"),
        ({"field": "gap", "at_least": "0.1", "at_most": "0.2"}, {}, "yes"),
        ({"field": "gap", "at_least": "0.2"}, {}, "no"),
        ({"field": "model.digest", "at_most": "1"}, {}, "unknown"),
        ({"field": "no.such", "equals": "1"}, {}, "unknown"),
        ({"field": "model", "equals": "1"}, {}, "unknown"),
        ({"field": "nothing", "equals": "null"}, {}, "unknown"),
        ({"field": "list.9", "equals": "1"}, {}, "unknown"),
        ({"field": "list.x", "equals": "1"}, {}, "unknown"),
        ({}, {}, "yes"),
    ],
)
def test_a_field_of_the_answer_decides(
    url: str, params: dict[str, str], given: dict[str, str], answer: str
) -> None:
    assert HttpProbe().answer({"url": f"{url}/version", **params}, given).answer == answer


def test_what_was_found_and_what_was_wanted_are_both_told(url: str) -> None:
    found = HttpProbe().answer({"url": f"{url}/version", "field": "version", "equals": "{to}"}, {"to": "3"})
    assert found.measured == {"version": "2", "wanted": "3"}
    assert found.detail == "version is 2, wanted is 3."


def test_an_error_status_is_no_for_a_plain_question_and_unknown_for_a_field(url: str) -> None:
    assert HttpProbe().answer({"url": f"{url}/away"}, {}).answer == "no"
    assert (
        HttpProbe().answer({"url": f"{url}/away", "field": "version", "equals": "2"}, {}).answer == "unknown"
    )


def test_a_redirect_is_not_followed(url: str) -> None:
    found = HttpProbe().answer({"url": f"{url}/moved", "field": "version", "equals": "2"}, {})
    assert (found.answer, found.measured) == ("unknown", {"status": "302"})


def test_an_answer_that_is_not_json_is_unknown(url: str) -> None:
    assert (
        HttpProbe().answer({"url": f"{url}/text", "field": "version", "equals": "2"}, {}).answer == "unknown"
    )


def test_an_answer_that_is_too_long_is_unknown(url: str) -> None:
    found = HttpProbe(most_bytes=1000).answer({"url": f"{url}/long"}, {})
    assert found.answer == "unknown"
    assert "longer than 1000 bytes" in found.detail


def test_a_server_that_hangs_is_unknown_after_the_time_limit(url: str) -> None:
    assert HttpProbe(seconds=0.05).answer({"url": f"{url}/hangs"}, {}).answer == "unknown"


def test_nobody_at_home_is_unknown() -> None:
    assert HttpProbe().answer({"url": "http://127.0.0.1:9/"}, {}).answer == "unknown"


def test_a_private_address_that_is_not_allowed_is_not_asked(url: str) -> None:
    found = HttpProbe(allowed=False).answer({"url": f"{url}/version"}, {})
    assert found.answer == "unknown"
    assert "loopback" in found.detail


def test_a_metadata_service_is_never_asked() -> None:
    found = HttpProbe().answer({"url": "http://169.254.169.254/latest"}, {})
    assert found.answer == "unknown"
    assert "metadata" in found.detail


@pytest.mark.parametrize(
    ("params", "where"),
    [
        ({"url": "ftp://x"}, "url"),
        ({"url": ""}, "url"),
        ({"url": "http://x", "colour": "red"}, "colour"),
        ({"url": "http://x", "field": "version"}, "field"),
        ({"url": "http://x", "field": "version", "equals": "{to}"}, "equals"),
    ],
)
def test_wrong_parameters_are_invalid_and_name_the_field(params: dict[str, str], where: str) -> None:
    with pytest.raises(Invalid) as refused:
        HttpProbe().answer(params, {})
    assert refused.value.where == where


def test_a_bound_that_is_no_figure_is_invalid(url: str) -> None:
    with pytest.raises(Invalid):
        HttpProbe().answer({"url": f"{url}/version", "field": "gap", "at_most": "little"}, {})
