"""A small configuration: one system that can be rolled back, two people, one of whom does not answer."""

from __future__ import annotations

from pathlib import Path

TEXT = """
kind: installation
id: installation
organisation: Harbour Savings Bank
time_zone: UTC
escalation_policy: desk
---
kind: person
id: ada
name: Ada Brandt
email: ada@example.org
contact:
  - {id: mail, kind: email, address: ada@example.org}
  - {id: hook, kind: webhook, address: "${HOOK}/ada"}
roles: [commander]
---
kind: person
id: ben
name: Ben Achebe
email: ben@example.org
contact:
  - {id: mail, kind: email, address: ben@example.org}
roles: [commander, ml_engineer]
---
kind: team
id: lending
name: Lending
members: [ada, ben]
lead: ada
---
kind: escalation_policy
id: desk
name: Ada, then Ben
levels:
  - notify: [{person: ada}]
    role: commander
    acknowledge_within_seconds: 2
  - notify: [{person: ben}]
    role: commander
    acknowledge_within_seconds: 300
repeat: 0
---
kind: playbook
id: go-back
version: 1
title: A model treats people worse
category: bias
owner: commander
reviewed_on: 2026-11-23
first_step: serving
steps:
  - step: question
    id: serving
    text: Is serving healthy?
    probe: serving_healthy
    answers: {yes: keep, no: keep, unknown: keep}
  - step: evidence
    id: keep
    what: [model version and digests]
    next: rollback
  - step: recommendation
    id: rollback
    action: rollback
    text: Go back to the version that served before.
    why: It was good.
    next: after-rollback
  - step: decision
    id: after-rollback
    text: Has it been carried out and verified?
    role: commander
    options: {done: end, declined: end}
  - step: end
    id: end
    outcome: No further applicant is harmed.
---
kind: system
id: loan
name: Loan approval
purpose: Approves or denies mortgage applications.
owner: lending
model: ${MODEL}
alias: champion
versions_from: mlflow
users_exposed: 2000
decisions_per_day: 400
sensitivity: special_category
criticality: 1
escalation_policy: desk
playbooks: {bias: go-back}
containment:
  - id: rollback
    title: Go back to the version that served before
    verb: rollback
    connector: mlflow
    params: {registry: "${REGISTRY}", model: "${MODEL}", alias: champion, to: previous}
    reversible: true
    takes: 5 s
    affects: New applications are decided by the earlier version.
    approval: {"0": [commander], "1": [commander], "2": [commander], "3": [commander]}
    verify: [version_serving]
    when: The trouble began with a new version.
probes:
  - id: serving_healthy
    title: Does the service answer?
    connector: http
    params: {url: "${SERVED}/health"}
    holds_when: It answers.
  - id: version_serving
    title: Does the model server run the version that it should run?
    connector: http
    params: {url: "${SERVED}/version", field: version, equals: "{to}"}
    holds_when: The model server itself says so.
"""


def write(directory: Path, **values: str) -> Path:
    """Write the configuration with its blanks filled in: HOOK, REGISTRY, MODEL, SERVED."""
    directory.mkdir(parents=True)
    text = TEXT
    for name, value in values.items():
        text = text.replace("${" + name + "}", value)
    assert "${" not in text
    (directory / "loan.yaml").write_text(text)
    return directory
