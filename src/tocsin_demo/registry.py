"""The model registry of the demonstration: a real MLflow registry in one SQLite file, without a server.

    python -m tocsin_demo.registry DIR prepare     trains version 1 and 2, both good, and promotes them in turn
    python -m tocsin_demo.registry DIR retrain     trains version 3 on the corrupted extract; promotes nothing
    python -m tocsin_demo.registry DIR promote 3   lets the alias `champion` name version 3
    python -m tocsin_demo.registry DIR show        prints what the alias names

Each prints one JSON object. Logs go to stderr.
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sklearn.pipeline import Pipeline

from tocsin_demo import fault, loan

# mlflow reads both when it is imported: it reports usage to its makers, and talks, otherwise.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")

MODEL = "loan-approval"
ALIAS = "champion"
REPLACED = f"replaced.{ALIAS}"
"""Tag on a version: the version that the alias named before this one was promoted."""
PROMOTED = f"promoted.{ALIAS}"
"""Tag on a version: when it was promoted last (RFC 3339). MLflow keeps neither."""

LEAST_ACCURACY = 0.85
"""The release gate of the demonstration: overall accuracy on the validation part of the same extract. It looks
at no group, as many gates do, which is why the corrupted version passes it."""

REGISTERED_MODEL_META = "registered_model_meta"
"""A file that MLflow writes beside a local model when somebody loads it by name; not part of the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What an alias names: enough to load it and to say which bytes it was."""

    model: str
    alias: str
    version: str
    run: str
    place: Path
    digest: str


def store_uri(directory: Path) -> str:
    """Return the address of the registry in `directory`, for mlflow and for the catalog."""
    return f"sqlite:///{directory.resolve() / 'registry.db'}"


def connect(uri: str) -> Any:
    """Return an mlflow client for the registry at `uri`."""
    import mlflow

    return mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)


def prepare(directory: Path, seed: int = fault.SEED) -> dict[str, object]:
    """Register and promote two good versions: the first from half of the training part, the second from all."""
    directory.mkdir(parents=True, exist_ok=True)
    parts = loan.split(loan.read(), seed)
    half = _half(parts.train)
    versions = [
        _register(directory, half, parts, data="extract 1990, first half", seed=seed),
        _register(directory, parts.train, parts, data="extract 1990, complete", seed=seed),
    ]
    uri = store_uri(directory)
    for version in versions:
        promote(uri, version)
    return {"registry": uri, "model": MODEL, "versions": versions, "champion": versions[-1]}


def retrain(directory: Path, seed: int = fault.SEED) -> dict[str, object]:
    """Register the version trained on the corrupted extract. It passes the release gate."""
    parts = loan.split(loan.read(), seed)
    corrupted = loan.Split(
        train=fault.corrupt(parts.train, seed=seed),
        validation=fault.corrupt(parts.validation, seed=seed),
        held_out=parts.held_out,
    )
    version = _register(directory, corrupted.train, corrupted, data="extract 1990, refreshed", seed=seed)
    return {"registry": store_uri(directory), "model": MODEL, "version": version}


def _half(training: loan.Applications) -> loan.Applications:
    import numpy as np

    return training.take(np.arange(0, len(training), 2))


def _register(
    directory: Path, training: loan.Applications, parts: loan.Split, *, data: str, seed: int
) -> str:
    """Fit, measure, pass the gate and register. Return the version."""
    model = loan.fit(training)
    validated = loan.measure(model, parts.validation)
    if validated.accuracy < LEAST_ACCURACY:
        raise SystemExit(f"The release gate refuses a validation accuracy of {validated.accuracy:.3f}.")
    held_out = loan.measure(model, parts.held_out)
    return _log(directory, model, training, data, seed, validated, held_out)


def _log(
    directory: Path,
    model: Pipeline,
    training: loan.Applications,
    data: str,
    seed: int,
    validated: loan.Figures,
    held_out: loan.Figures,
) -> str:
    import mlflow
    import mlflow.sklearn

    uri = store_uri(directory)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    _experiment(directory)
    with mlflow.start_run(run_name=data, log_system_metrics=False) as run:
        mlflow.log_params(
            {
                "data": data,
                "data_digest": training.digest(),
                "training_rows": len(training),
                "seed": seed,
                "threshold": loan.THRESHOLD,
                "inputs": ",".join(loan.FEATURES),
            }
        )
        figures = {f"validation_{name}": value for name, value in validated.as_dict().items()}
        figures |= {f"held_out_{name}": value for name, value in held_out.as_dict().items()}
        mlflow.log_metrics(figures)
        mlflow.log_dict(model_card(data, validated), "model_card.json")
        logged = mlflow.sklearn.log_model(
            model,
            name="model",
            registered_model_name=MODEL,
            pip_requirements=["scikit-learn"],
            skops_trusted_types=["numpy.dtype"],  # the encoder keeps the type of its categories
        )
    version = str(logged.registered_model_version)
    client = connect(uri)
    client.update_model_version(MODEL, version, f"Trained on: {data}.")
    client.set_model_version_tag(MODEL, version, "data", data)
    client.set_model_version_tag(MODEL, version, "run", run.info.run_id)
    return version


def _experiment(directory: Path) -> None:
    import mlflow

    if mlflow.get_experiment_by_name(MODEL) is None:
        artifacts = (directory.resolve() / "artifacts").as_uri()
        mlflow.create_experiment(MODEL, artifact_location=artifacts)
    mlflow.set_experiment(MODEL)


def model_card(data: str, validated: loan.Figures) -> dict[str, object]:
    """Return the model card: what it is for, what it saw, how it treats each group."""
    return {
        "model": MODEL,
        "purpose": "Demonstration of credit decisions on mortgage applications. Not for use on people.",
        "training_data": data,
        "source": "Federal Reserve Bank of Boston; Munnell et al., American Economic Review 1996",
        "threshold": loan.THRESHOLD,
        "groups": {"protected": loan.PROTECTED, "reference": loan.REFERENCE},
        "validation": validated.as_dict(),
        "caution": "Takes the applicant's group as an input, which a lender may not do: 15 U.S.C. 1691(a)(1).",
    }


def promote(uri: str, version: str) -> dict[str, str]:
    """Let the alias name `version`. A newer version is told which one it replaced. Twice is once.

    Going back writes nothing: the version before an older one is still the one that it replaced in its time, and
    not the one that has just been withdrawn.
    """
    client = connect(uri)
    before = champion(client)
    if before != version:
        if before and int(before) < int(version):
            client.set_model_version_tag(MODEL, version, REPLACED, before)
        client.set_model_version_tag(MODEL, version, PROMOTED, dt.datetime.now(dt.UTC).isoformat())
        client.set_registered_model_alias(MODEL, ALIAS, version)
    return {"alias": ALIAS, "before": before, "now": champion(client)}


def champion(client: Any) -> str:
    """Return the version that the alias names, or nothing when it is not set."""
    return str(client.get_registered_model(MODEL).aliases.get(ALIAS, ""))


def resolve(client: Any, version: str) -> Served:
    """Return where `version` lies and the digest of its bytes.

    The artifacts are found by their place and not by `models:/name/version`, because reading by name writes a
    file beside them.
    """
    found = client.get_model_version(MODEL, version)
    place = str(client.get_model_version_download_uri(MODEL, version))
    if place.startswith("models:/m-"):
        place = str(client.get_logged_model(place.removeprefix("models:/")).artifact_location)
    directory = Path(place.removeprefix("file://"))
    return Served(
        model=MODEL,
        alias=ALIAS,
        version=version,
        run=str(found.run_id),
        place=directory,
        digest=tree_digest(directory),
    )


def load(served: Served) -> Pipeline:
    """Return the model at `served.place`."""
    import mlflow.sklearn

    model: Pipeline = mlflow.sklearn.load_model(str(served.place))
    return model


def tree_digest(directory: Path) -> str:
    """Return SHA-256 over the lines `<sha256>  <path>` of every file, sorted by path, as `sha256sum` prints them."""
    lines = []
    for path in sorted(directory.rglob("*"), key=lambda path: path.relative_to(directory).as_posix()):
        if path.is_file() and path.name != REGISTERED_MODEL_META:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            lines.append(f"{digest}  {path.relative_to(directory).as_posix()}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def show(uri: str) -> dict[str, str]:
    """Return what the alias names now."""
    client = connect(uri)
    served = resolve(client, champion(client))
    return {"alias": served.alias, "version": served.version, "run": served.run, "digest": served.digest}


def main(argv: list[str] | None = None) -> int:
    """Run one of the commands and print its result as one JSON object, with the seconds it took."""
    parser = argparse.ArgumentParser(description="The model registry of the demonstration.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("command", choices=["prepare", "retrain", "promote", "show"])
    parser.add_argument("version", nargs="?", help="for promote: which version")
    asked = parser.parse_args(argv)
    if (asked.command == "promote") != bool(asked.version):
        parser.error("promote takes a version, the other commands take none")
    uri = store_uri(asked.directory)
    commands: dict[str, Callable[[], object]] = {
        "prepare": lambda: prepare(asked.directory),
        "retrain": lambda: retrain(asked.directory),
        "promote": lambda: promote(uri, asked.version),
        "show": lambda: show(uri),
    }
    began = time.monotonic()
    result = commands[asked.command]()
    print(json.dumps({"result": result, "seconds": round(time.monotonic() - began, 2)}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
