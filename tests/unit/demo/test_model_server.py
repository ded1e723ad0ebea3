"""The model server: what it decides, what it tells tocsin, and how it follows the alias."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tocsin_demo import fault, loan, registry
from tocsin_demo.json_http import BadRequest, Reply, Request
from tocsin_demo.model_server import Loaded, ModelServer, Serving
from tocsin_sdk import Telemetry

# mlflow warns about its own use of other libraries, and differently with every release of them.
pytestmark = pytest.mark.filterwarnings("ignore")


class Sent:
    """Where telemetry goes instead of a server."""

    def __init__(self) -> None:
        self.profiles: list[dict[str, object]] = []

    def __call__(self, body: bytes) -> int:
        self.profiles += json.loads(body)["profiles"]
        return 202


class Fixed:
    """What is served, without a registry."""

    trouble = ""

    def __init__(self, loaded: Loaded | None) -> None:
        self.loaded = loaded


@pytest.fixture(scope="module")
def parts() -> loan.Split:
    return loan.split(loan.read(), fault.SEED)


@pytest.fixture(scope="module")
def loaded(parts: loan.Split) -> Loaded:
    served = registry.Served(
        model=registry.MODEL, alias=registry.ALIAS, version="2", run="r", place=Path("/nowhere"), digest="d"
    )
    return Loaded(loan.fit(parts.train), served, "2026-11-23T00:00:00+00:00")


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
def telemetry(sent: Sent) -> Telemetry:
    return Telemetry(
        "http://127.0.0.1:1",
        "t",
        "loan-approval",
        "none",
        post=sent,
        background=False,
        clock=lambda: 1e9,
        compress=False,
    )


@pytest.fixture
def server(loaded: Loaded, telemetry: Telemetry) -> ModelServer:
    return ModelServer(Fixed(loaded), telemetry)  # type: ignore[arg-type]


def post(server: ModelServer, path: str, data: object) -> Reply:
    return server.answer(Request("POST", path, {}, json.dumps(data).encode()))


def get(server: ModelServer, path: str) -> Reply:
    return server.answer(Request("GET", path, {}, b""))


def test_a_decision_carries_its_id_score_and_version(
    server: ModelServer, loaded: Loaded, parts: loan.Split
) -> None:
    reply = post(server, "/predict", {"id": "a1", "applicant": loan.applicant(parts.held_out, 0)})
    assert isinstance(reply.data, dict)
    score = float(loan.scores(loaded.model, parts.held_out.rows[:1])[0])
    wanted = "deny" if score >= loan.THRESHOLD else "approve"
    assert reply.data == {"id": "a1", "decision": wanted, "score": round(score, 6), "version": "2"}


def test_decisions_and_labels_arrive_as_a_profile_of_the_version_that_decided(
    server: ModelServer, parts: loan.Split, telemetry: Telemetry, sent: Sent
) -> None:
    for at in range(10):
        post(server, "/predict", {"id": f"a{at}", "applicant": loan.applicant(parts.held_out, at)})
    post(server, "/labels", {"labels": [{"id": f"a{at}", "label": "deny"} for at in range(4)]})
    assert telemetry.flush()
    (part,) = sent.profiles
    assert (part["system"], part["model_version"]) == ("loan-approval", "2")
    profile = json.dumps(part["profile"])
    for name in loan.FEATURES:
        assert f'"{name}"' in profile
    assert (telemetry.counters.recorded, telemetry.counters.labelled) == (10, 4)


def test_a_check_from_outside_gets_the_same_decision_and_is_not_counted(
    server: ModelServer, parts: loan.Split, telemetry: Telemetry
) -> None:
    applicant = loan.applicant(parts.held_out, 3)
    counted = post(server, "/predict", {"id": "a", "applicant": applicant})
    checked = post(server, "/predict", {"id": "a", "applicant": applicant, "record": False})
    assert counted.data == checked.data
    telemetry.flush()
    assert telemetry.counters.recorded == 1


def test_without_a_model_it_says_so_and_counts_the_error(telemetry: Telemetry, sent: Sent) -> None:
    empty = ModelServer(Fixed(None), telemetry)  # type: ignore[arg-type]
    assert post(empty, "/predict", {"applicant": {}}).status == 503
    assert get(empty, "/healthz").status == 503
    assert get(empty, "/version").status == 503
    telemetry.flush()
    assert "no model loaded" in json.dumps(sent.profiles)


def test_a_model_that_fails_is_an_error_in_the_telemetry(
    loaded: Loaded, telemetry: Telemetry, sent: Sent, parts: loan.Split
) -> None:
    broken = ModelServer(Fixed(Loaded(None, loaded.served, "")), telemetry)  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        post(broken, "/predict", {"applicant": loan.applicant(parts.held_out, 0)})
    telemetry.flush()
    assert "AttributeError" in json.dumps(sent.profiles)


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("/predict", []),
        ("/predict", {}),
        ("/predict", {"applicant": 7}),
        ("/labels", {}),
        ("/labels", {"labels": [1]}),
    ],
)
def test_a_wrong_body_is_told_apart_from_a_failure(server: ModelServer, path: str, data: object) -> None:
    with pytest.raises(BadRequest):
        post(server, path, data)


def test_a_body_that_is_not_json_is_a_bad_request(server: ModelServer) -> None:
    with pytest.raises(BadRequest):
        server.answer(Request("POST", "/predict", {}, b"{"))


def test_the_version_says_which_bytes_are_served_and_since_when(server: ModelServer) -> None:
    reply = get(server, "/version")
    assert isinstance(reply.data, dict)
    assert {name: reply.data[name] for name in ("version", "run", "digest", "alias")} == {
        "version": "2",
        "run": "r",
        "digest": "d",
        "alias": "champion",
    }


def test_an_unknown_address_is_not_found(server: ModelServer) -> None:
    assert get(server, "/nothing").status == 404


def test_counters_tell_what_became_of_the_telemetry(server: ModelServer) -> None:
    assert isinstance(get(server, "/counters").data, dict)


def looked(serving: Serving, then: Callable[[], None] = lambda: None) -> str:
    then()
    serving.stop()
    serving.follow()  # stopped already: it looks once
    return serving.loaded.served.version if serving.loaded else ""


def test_serving_follows_the_alias(trained: Path) -> None:
    uri = registry.store_uri(trained)
    registry.promote(uri, "2")
    serving = Serving(uri)
    assert looked(serving) == "2"
    assert looked(serving, lambda: registry.promote(uri, "3") and None) == "3"
    assert looked(serving, lambda: registry.promote(uri, "2") and None) == "2"


def test_when_the_registry_fails_the_loaded_model_stays(trained: Path) -> None:
    uri = registry.store_uri(trained)
    registry.promote(uri, "2")
    serving = Serving(uri)
    looked(serving)
    serving._client = None
    assert looked(serving) == "2"
    assert "AttributeError" in serving.trouble
