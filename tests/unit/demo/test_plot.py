"""What carries the story: patience with an end, refusals that must come, tampering that must be named."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tocsin_demo import plot, story
from tocsin_demo.api import Api, ApiError
from tocsin_demo.json_http import JsonServer, Reply, Request
from tocsin_demo.plot import NotSeen, must, until
from tocsin_demo.processes import NotReady, Processes
from tocsin_demo.stage import Stage, finish


def test_until_returns_the_first_answer_that_counts() -> None:
    answers = iter([0, "", "three"])
    assert until("a word", lambda: next(answers), 5) == "three"


def test_until_gives_up_and_tells_the_last_answer() -> None:
    with pytest.raises(NotSeen, match="a mail: not seen within 0 s; last answer: \\[\\]"):
        until("a mail", list, 0)


def test_must_says_what_does_not_hold() -> None:
    must(True, "fine")
    with pytest.raises(NotSeen, match="the alias names version 2"):
        must(False, "the alias names version 2")


def refusing(status: int) -> None:
    raise ApiError("POST", "/x", status, {"detail": "no"})


@pytest.mark.parametrize("status", [403, 409])
def test_a_refusal_that_must_come_is_good(status: int) -> None:
    plot._refused(lambda: refusing(status), "closing")


@pytest.mark.parametrize("work", [lambda: refusing(500), lambda: None], ids=["error", "accepted"])
def test_anything_else_in_its_place_is_not(work: object) -> None:
    with pytest.raises(NotSeen, match="closing"):
        plot._refused(work, "closing")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", plot.TAMPERS)
def test_every_way_to_tamper_changes_the_directory(tmp_path: Path, name: str) -> None:
    victim = tmp_path / "item"
    victim.write_bytes(b"0123456789")
    named = plot.TAMPERS[name](victim)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} != {"item": b"0123456789"}
    assert named in ("item", "added.json")


def test_the_acknowledge_link_is_found_in_a_mail() -> None:
    found = plot.LINK.search(
        "Acknowledge (no sign-in): http://127.0.0.1:8700/acknowledge/eyJ4.a-b_c\nOpen: http://x/incidents/1"
    )
    assert found is not None
    assert found[1] == "/acknowledge/eyJ4.a-b_c"


# --- the API client ---


def answer(request: Request) -> Reply:
    if request.path == "/refused":
        return Reply({"detail": "Not now.", "mend": "Wait."}, 409)
    if request.path == "/broken":
        return Reply("<h1>", 500, "text/html")
    return Reply({"method": request.method, "headers": request.headers, "body": request.body.decode()})


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    server = JsonServer(answer, 0)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield Api(f"http://127.0.0.1:{server.port}", "secret")
    server.stop()
    thread.join()


def test_a_caller_sends_its_token_and_json(api: Api) -> None:
    told = api.post("/x", {"a": 1})
    assert (told["method"], told["body"]) == ("POST", '{"a": 1}')
    assert told["headers"]["authorization"] == "Bearer secret"


def test_nobody_sends_no_token(api: Api) -> None:
    assert "authorization" not in Api(api.url).get("/x", status="open")["headers"]


def test_a_button_is_a_form(api: Api) -> None:
    told = api.submit("/x", {"a": "b c"}).json()
    assert (told["headers"]["content-type"], told["body"]) == ("application/x-www-form-urlencoded", "a=b+c")


def test_a_refusal_carries_status_and_problem(api: Api) -> None:
    with pytest.raises(ApiError, match=r"POST /refused: 409 Not now\. Wait\.") as refused:
        api.post("/refused")
    assert (refused.value.status, refused.value.problem["mend"]) == (409, "Wait.")


def test_a_failure_that_is_no_json_is_told_all_the_same(api: Api) -> None:
    with pytest.raises(ApiError) as failed:
        api.get("/broken")
    assert (failed.value.status, failed.value.problem) == (500, {})


# --- the stage and the command ---


def test_the_stage_hands_every_process_its_own_port_and_tocsin_its_settings(tmp_path: Path) -> None:
    with Processes(tmp_path / "logs") as processes:
        stage = Stage(tmp_path, processes, port=8700)
    assert len(set(stage.ports.values())) == 4
    assert stage.url("tocsin") == "http://127.0.0.1:8700"
    settings = stage.environment()
    assert settings["TOCSIN_SMTP_PORT"] == str(stage.ports["smtp"])
    assert settings["TOCSIN_BOOTSTRAP_TOKEN"] == stage.api.token
    assert len(stage.api.token) >= 32


def test_a_child_that_ends_well_gives_its_last_line_and_one_that_fails_its_log(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        good = processes.start("good", ["sh", "-c", "echo noise; echo '{\"result\": 3}'"])
        assert finish(good, 20) == {"result": 3}
        bad = processes.start("bad", ["sh", "-c", "echo no room; exit 4"])
        with pytest.raises(NotReady, match="no room"):
            finish(bad, 20)


def test_a_story_that_fails_prints_one_object_says_why_and_exits_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nothing_shows(told: plot.Story) -> dict[str, object]:
        """See nothing."""
        raise NotSeen("the alias names version 2")

    monkeypatch.setattr(story, "CHAPTERS", (nothing_shows,))
    monkeypatch.setattr("signal.signal", lambda *_: None)
    assert story.main(["--headless", "--json", "--dir", str(tmp_path)]) == 1
    printed = capsys.readouterr()
    assert printed.out.count("\n") == 1
    assert '"failed": "NotSeen: the alias names version 2"' in printed.out
    assert str(tmp_path) in printed.err
