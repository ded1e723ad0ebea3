"""The model server: serves the version that the alias names, reloads when it changes, and tells tocsin what it does.

    python -m tocsin_demo.model_server --registry sqlite:////srv/registry.db --port 8711 \
        --tocsin http://127.0.0.1:8700 --token TOKEN

    POST /predict   {"id": "a1", "applicant": {...}}  ->  {"id", "decision": "deny" | "approve", "score", "version"}
                    with "record": false nothing is told to tocsin: for whoever checks the server from outside
    POST /labels    {"labels": [{"id": "a1", "label": "deny"}]}      what the right decisions were, later
    GET  /version   what is served: version, digest of its bytes, run, since when
    GET  /healthz   200 when a model is loaded
    GET  /counters  what became of the telemetry
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sklearn.pipeline import Pipeline

from tocsin_demo import loan, registry
from tocsin_demo.json_http import BadRequest, JsonServer, Reply, Request
from tocsin_sdk import Telemetry

SYSTEM = "loan-approval"
NO_VERSION = "none"
"""The version of requests that came before any model was loaded."""
POLL_SECONDS = 0.3
WINDOW_SECONDS = 5
SEND_EVERY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in memory and what it is."""

    model: Pipeline
    served: registry.Served
    loaded_at: str


class Serving:
    """Follows the alias. `loaded` is replaced as a whole, so a request sees one version from start to end."""

    def __init__(self, uri: str) -> None:
        self._client = registry.connect(uri)
        self._stopped = threading.Event()
        self.trouble = ""
        self.loaded: Loaded | None = None

    def follow(self) -> None:
        """Look at the alias until `stop`; what goes wrong leaves the model that is served in place."""
        while True:
            try:
                self._look()
                self.trouble = ""
            except Exception as error:  # the registry may be away for a while; serving goes on
                self._note(f"{type(error).__name__}: {error}")
            if self._stopped.wait(POLL_SECONDS):
                return

    def stop(self) -> None:
        """Let `follow` return."""
        self._stopped.set()

    def _look(self) -> None:
        wanted = registry.champion(self._client)
        if not wanted or (self.loaded is not None and self.loaded.served.version == wanted):
            return
        began = time.monotonic()
        served = registry.resolve(self._client, wanted)
        loaded = Loaded(registry.load(served), served, dt.datetime.now(dt.UTC).isoformat())
        self.loaded = loaded
        print(
            f"serving version {served.version}, loaded in {time.monotonic() - began:.3f} s", file=sys.stderr
        )

    def _note(self, trouble: str) -> None:
        if trouble != self.trouble:
            print(f"registry: {trouble}", file=sys.stderr)
        self.trouble = trouble


class ModelServer:
    """Answers requests from what `serving` has loaded."""

    def __init__(self, serving: Serving, telemetry: Telemetry | None) -> None:
        self._serving = serving
        self._telemetry = telemetry
        self._recording = threading.Lock()

    def answer(self, request: Request) -> Reply:
        """Return the answer to one request."""
        match request.method, request.path:
            case "POST", "/predict":
                return self._predict(request)
            case "POST", "/labels":
                return self._labels(request)
            case "GET", "/version":
                return self._version()
            case "GET", "/healthz":
                ready = self._serving.loaded is not None
                return Reply({"status": "ok" if ready else "no model loaded"}, 200 if ready else 503)
            case "GET", "/counters":
                return Reply(asdict(self._telemetry.counters) if self._telemetry else {})
            case _:
                return Reply({"error": "no such address"}, 404)

    def _predict(self, request: Request) -> Reply:
        began = time.perf_counter()
        asked = _object(request.json(), "the body")
        applicant = _object(asked.get("applicant"), "applicant")
        id = str(asked.get("id") or uuid.uuid4())
        telemetry = self._telemetry if asked.get("record", True) else None
        loaded = self._serving.loaded
        if loaded is None:
            self._record(telemetry, id, applicant, began, NO_VERSION, error="no model loaded")
            return Reply({"error": "no model is loaded"}, 503)
        version = loaded.served.version
        try:
            score = float(loan.scores(loaded.model, loan.table([applicant]))[0])
        except Exception as error:  # a failed decision is telemetry too
            self._record(telemetry, id, applicant, began, version, error=type(error).__name__)
            raise
        decision = loan.DENY if score >= loan.THRESHOLD else loan.APPROVE
        self._record(telemetry, id, applicant, began, version, decision=decision, score=score)
        return Reply({"id": id, "decision": decision, "score": round(score, 6), "version": version})

    def _record(
        self,
        telemetry: Telemetry | None,
        id: str,
        applicant: Mapping[str, Any],
        began: float,
        version: str,
        *,
        decision: str | None = None,
        score: float | None = None,
        error: str | None = None,
    ) -> None:
        if telemetry is None:
            return
        group = applicant.get(loan.GROUP)
        with self._recording:  # a reload between the two lines would count a decision for the other version
            telemetry.model_version = version
            telemetry.record(
                id,
                applicant,
                prediction=decision,
                score=score,
                group=str(group) if group is not None else None,
                latency_ms=(time.perf_counter() - began) * 1000,
                error=error,
            )

    def _labels(self, request: Request) -> Reply:
        labels = _object(request.json(), "the body").get("labels")
        if not isinstance(labels, list):
            raise BadRequest("labels must be a list")
        for item in labels:
            one = _object(item, "a label")
            if self._telemetry is not None:
                self._telemetry.label(str(one.get("id")), str(one.get("label")))
        return Reply({"accepted": len(labels)}, 202)

    def _version(self) -> Reply:
        loaded = self._serving.loaded
        if loaded is None:
            return Reply({"error": self._serving.trouble or "no model is loaded"}, 503)
        served = loaded.served
        return Reply(
            {
                "model": served.model,
                "alias": served.alias,
                "version": served.version,
                "run": served.run,
                "digest": served.digest,
                "loaded_at": loaded.loaded_at,
                "trouble": self._serving.trouble,
            }
        )


def _object(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadRequest(f"{what} must be a JSON object")
    return value


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGTERM; then send what telemetry is left."""
    parser = argparse.ArgumentParser(description="The demonstration's model server.")
    parser.add_argument("--registry", required=True, help="address of the MLflow registry")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tocsin", help="address of tocsin; without it nothing is sent")
    parser.add_argument("--token", default="", help="API token that may send telemetry")
    parser.add_argument("--window-seconds", type=int, default=WINDOW_SECONDS)
    asked = parser.parse_args(argv)
    telemetry = None
    if asked.tocsin:
        telemetry = Telemetry(
            asked.tocsin,
            asked.token,
            SYSTEM,
            NO_VERSION,
            window_seconds=asked.window_seconds,
            send_every_seconds=SEND_EVERY_SECONDS,
        )
    serving = Serving(asked.registry)
    server = JsonServer(ModelServer(serving, telemetry).answer, asked.port)
    server.stop_on_signals()
    follower = threading.Thread(target=serving.follow, name="follow-alias", daemon=True)
    follower.start()
    print(f"model server on port {server.port}", file=sys.stderr)
    server.run()
    serving.stop()
    if telemetry is not None:
        telemetry.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
