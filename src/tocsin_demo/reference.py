"""The pinned reference: what a version does on the validation part, which neither training nor traffic touches.

    python -m tocsin_demo.reference DIR --version 2 --tocsin http://127.0.0.1:8700 --token TOKEN

Without `--tocsin` it prints the request instead of sending it.
"""

from __future__ import annotations

import argparse
import json
import urllib.request
from pathlib import Path
from typing import Any

from sklearn.pipeline import Pipeline

from tocsin_demo import fault, loan, registry
from tocsin_demo.model_server import SYSTEM
from tocsin_sdk import Profile

TIMEOUT_SECONDS = 30.0


def profile(model: Pipeline, applications: loan.Applications) -> Profile:
    """Return the profile of `model` on `applications`, all of them with their label."""
    counted = Profile()
    for at, score in enumerate(loan.scores(model, applications.rows)):
        decision = loan.DENY if score >= loan.THRESHOLD else loan.APPROVE
        group = str(applications.group[at])
        label = loan.DENY if applications.denied[at] else loan.APPROVE
        counted.add(
            features=loan.applicant(applications, at), prediction=decision, score=float(score), group=group
        )
        counted.add_label(label=label, prediction=decision, score=float(score), group=group)
    return counted


def request(directory: Path, version: str) -> dict[str, Any]:
    """Return the body that pins the reference of `version`."""
    client = registry.connect(registry.store_uri(directory))
    model = registry.load(registry.resolve(client, version))
    validation = loan.split(loan.read(), fault.SEED).validation
    return {
        "profile": profile(model, validation).to_wire(),
        "model_version": version,
        "note": f"Validation part: {len(validation)} applications, in neither the training data nor the traffic.",
    }


def main(argv: list[str] | None = None) -> int:
    """Pin the reference, or print the request."""
    parser = argparse.ArgumentParser(description="Pin the reference of the demonstration's monitors.")
    parser.add_argument("directory", type=Path, help="directory of the registry")
    parser.add_argument("--version", required=True)
    parser.add_argument("--tocsin", help="address of tocsin")
    parser.add_argument("--token", default="", help="API token that may pin a reference")
    asked = parser.parse_args(argv)
    body = request(asked.directory, asked.version)
    if not asked.tocsin:
        print(json.dumps(body))
        return 0
    url = f"{asked.tocsin.rstrip('/')}/api/v1/systems/{SYSTEM}/reference"
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {asked.token}"}
    sent = urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST")  # noqa: S310 - given by the operator
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(sent, timeout=TIMEOUT_SECONDS) as answer:
        print(answer.read().decode())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
