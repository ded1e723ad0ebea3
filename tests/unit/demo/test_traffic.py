"""Traffic: declared as simulated, at the rate asked for, with labels that follow."""

from __future__ import annotations

import threading
from http.client import HTTPException

import pytest

from tocsin_demo import fault, loan
from tocsin_demo.json_http import JsonServer, Reply, Request
from tocsin_demo.traffic import POPULATION, Client, Population, Traffic


class FakeClient:
    """A model server in memory that fails on the requests named."""

    def __init__(self, failing: frozenset[int] = frozenset()) -> None:
        self.predictions: list[dict[str, object]] = []
        self.labels: list[dict[str, object]] = []
        self._failing = failing
        self._asked = 0

    def post(self, path: str, data: object) -> dict[str, object]:
        assert isinstance(data, dict)
        if path == "/labels":
            self.labels += data["labels"]
            return {"accepted": len(data["labels"])}
        self._asked += 1
        if self._asked - 1 in self._failing:
            raise HTTPException("away")
        self.predictions.append(data)
        return {"decision": "deny", "version": "2"}

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def held_out() -> loan.Applications:
    return loan.split(loan.read(), fault.SEED).held_out


def traffic(client: FakeClient, held_out: loan.Applications, **how: float) -> Traffic:
    settings = {"rate": 1000.0, "label_delay": 0.0} | how
    return Traffic(client, Population(held_out, 0), run="t", **settings)  # type: ignore[arg-type]


def test_it_says_that_the_population_is_simulated() -> None:
    assert "simulated" in POPULATION
    assert "no real applicant" in POPULATION


def test_the_same_seed_draws_the_same_applicants(held_out: loan.Applications) -> None:
    one, again, other = (Population(held_out, seed) for seed in (1, 1, 2))
    first = [one.draw() for _ in range(50)]
    assert first == [again.draw() for _ in range(50)] != [other.draw() for _ in range(50)]


def test_every_applicant_is_a_held_out_one_with_its_own_outcome(held_out: loan.Applications) -> None:
    known = {
        (repr(loan.applicant(held_out, at)), loan.DENY if held_out.denied[at] else loan.APPROVE)
        for at in range(len(held_out))
    }
    population = Population(held_out, 3)
    assert all(
        (repr(applicant), label) in known for applicant, label in (population.draw() for _ in range(300))
    )


def test_every_prediction_gets_its_label_before_the_end(held_out: loan.Applications) -> None:
    client = FakeClient()
    running = traffic(client, held_out, label_delay=60.0)
    running.go(0.1, threading.Event())
    assert running.tally.predictions > 10
    assert [label["id"] for label in client.labels] == [sent["id"] for sent in client.predictions]
    assert running.tally.versions == {"2": running.tally.predictions}


def test_it_goes_no_faster_than_asked(held_out: loan.Applications) -> None:
    running = traffic(FakeClient(), held_out, rate=100.0)
    running.go(0.2, threading.Event())
    assert 1 <= running.tally.predictions <= 22


def test_a_failure_is_counted_and_traffic_goes_on(held_out: loan.Applications) -> None:
    client = FakeClient(failing=frozenset({0, 2}))
    running = traffic(client, held_out)
    running.go(0.1, threading.Event())
    assert running.tally.errors == 2
    assert len({sent["id"] for sent in client.predictions}) == running.tally.predictions > 3


def test_it_ends_at_once_when_told_to(held_out: loan.Applications) -> None:
    stopped = threading.Event()
    stopped.set()
    running = traffic(FakeClient(), held_out)
    running.go(3600, stopped)
    assert running.tally.predictions == 0


def answer(request: Request) -> Reply:
    if request.path == "/fails":
        raise RuntimeError("broken")
    return Reply({"got": request.json()})


def test_the_client_speaks_to_a_real_server_and_opens_a_new_connection_after_a_failure() -> None:
    server = JsonServer(answer, 0)
    thread = threading.Thread(target=server.run)
    thread.start()
    client = Client(f"http://127.0.0.1:{server.port}")
    try:
        assert client.post("/predict", {"a": 1}) == {"got": {"a": 1}}
        with pytest.raises(HTTPException):
            client.post("/fails", {})
        assert client.post("/predict", {"a": 2}) == {"got": {"a": 2}}
    finally:
        client.close()
        server.stop()
        thread.join()
    with pytest.raises(OSError):
        client.post("/predict", {})
