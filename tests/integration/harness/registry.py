"""A real MLflow registry, seen from outside: every move of an alias is noted by the database that holds it."""

from __future__ import annotations

import itertools
import json
import os
import sqlite3
import threading
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

NOTE_MOVES = """
CREATE TABLE seen_moves (number INTEGER PRIMARY KEY, name TEXT, was TEXT, becomes TEXT);
CREATE TRIGGER seen_set AFTER INSERT ON registered_model_aliases BEGIN
    INSERT INTO seen_moves (name, was, becomes) VALUES (NEW.name, '', NEW.version);
END;
CREATE TRIGGER seen_move AFTER UPDATE ON registered_model_aliases BEGIN
    INSERT INTO seen_moves (name, was, becomes) VALUES (NEW.name, OLD.version, NEW.version);
END;
CREATE TRIGGER seen_unset AFTER DELETE ON registered_model_aliases BEGIN
    INSERT INTO seen_moves (name, was, becomes) VALUES (OLD.name, OLD.version, '');
END;
"""


class Registry:
    """A registry on SQLite with tiny models; nothing is trained."""

    def __init__(self, directory: Path) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
        import mlflow

        self.directory = directory
        self.file = directory / "registry.db"
        self.uri = f"sqlite:///{self.file}"
        self._client: Any = mlflow.MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
        self._names = (f"loan-{number}" for number in itertools.count(1))
        self._client.search_registered_models()
        with closing(sqlite3.connect(self.file)) as database:
            database.executescript(NOTE_MOVES)

    def model(self) -> Model:
        """Register a model with three versions; `champion` names the third, which replaced the second."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # mlflow warns about its own use of other libraries
            name = next(self._names)
            self._client.create_registered_model(name)
            for version in "123":
                place = self.directory / name / version
                place.mkdir(parents=True)
                (place / "model.bin").write_bytes(f"{name} {version}".encode())
                self._client.create_model_version(name, source=place.as_uri())
            self._client.set_model_version_tag(name, "3", "replaced.champion", "2")
            self._client.set_registered_model_alias(name, "champion", "3")
        return Model(self, name)


class Model:
    """One model of a registry."""

    def __init__(self, registry: Registry, name: str) -> None:
        self.registry, self.name = registry, name

    def _read(self, sql: str) -> list[tuple[str, ...]]:
        with closing(sqlite3.connect(self.registry.file, timeout=30)) as database:
            return [tuple(map(str, row)) for row in database.execute(sql, (self.name,))]

    def alias(self) -> str:
        """Return the version that the alias names."""
        return self._read("SELECT version FROM registered_model_aliases WHERE name = ?")[0][0]

    def moves(self) -> list[tuple[str, str]]:
        """Return every move of the alias so far, (from, to), the first setting left out."""
        found = self._read("SELECT was, becomes FROM seen_moves WHERE name = ? ORDER BY number")
        return [(was, becomes) for was, becomes in found][1:]


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"version": self.server.model.alias(), "healthy": True}).encode()  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: a test's output is its own."""


@contextmanager
def served(model: Model) -> Iterator[str]:
    """Serve the version that the alias names, as a model server does; the address is yielded."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        server.model = model  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
