"""One incident from alert to verified export, played over HTTP by clients who do not give up.

Nothing here reads the product's database or files: it sees answers, mails, webhooks, the registry's alias, and the
export that anybody may verify.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import re
import subprocess
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.contract.receivers import Hook, Mailbox, Received
from tests.integration.harness.registry import Model
from tests.integration.harness.server import Caller, Gone, Server, command, environment

LABELS = {"alertname": "DenialGap", "severity": "critical", "category": "bias", "system": "loan"}
LINK = re.compile(r"(/acknowledge/\S+)")
FIELDS = {
    "status": "contained",
    "impact": "Applications of one group were denied more often.",
    "actions": "The earlier version serves again.",
    "next_steps": "A loan officer looks again at every denial.",
    "estimate": "Within the hour.",
    "next_update": "When it is resolved.",
}


@dataclass
class Story:
    """One installation and everything outside it."""

    server: Server
    mailbox: Mailbox
    hook: Hook
    model: Model
    ben: Caller = field(init=False)
    admin: Caller = field(init=False)
    incident: str = ""
    export: Path | None = None

    def __post_init__(self) -> None:
        self.admin = self.ben = Caller(self.server)

    # --- what outsiders see ---

    def mails(self, to: str, *, about: str = "") -> list[Received]:
        """Return the mails to a person, oldest first; `about` is a part of their text."""
        return [
            one
            for one in self.mailbox.received
            if one.headers["To"] == f"{to}@example.org" and about in one.body
        ]

    def at(self, path: str = "") -> str:
        """Return an address below the incident."""
        return f"/api/v1/incidents/{self.incident}{path}"

    def state(self) -> dict[str, Any]:
        """Return the incident as the API tells it."""
        return self.ben.get(self.at())["incident"]  # type: ignore[no-any-return]

    # --- chapters ---

    def play(self) -> None:
        """Play everything."""
        self.open_account()
        self.alert()
        self.page()
        self.playbook()
        self.containment()
        self.update()
        self.review()
        self.take_export()

    def open_account(self) -> None:
        """Give Ben an account and a token, before anything happens."""
        body = {
            "email": "ben@example.org",
            "name": "Ben",
            "password": "a long password of Ben",
            "role": "lead",
        }
        id = self.admin.post("/api/v1/accounts", body)["id"]
        self.ben = Caller(
            self.server, self.admin.post("/api/v1/tokens", {"name": "story", "account": id})["token"]
        )

    def alert(self) -> None:
        """Send one alert until it is accepted; see it listed, and the incident that it declares."""
        now = dt.datetime.now(dt.UTC).isoformat()
        body = [{"labels": LABELS, "annotations": {"summary": "The denial gap grew."}, "startsAt": now}]
        answers: list[httpx.Response] = []
        self.server.until(
            "the alert is accepted",
            lambda: answers,
            lambda: answers.append(self.admin.ask("POST", "/api/v2/alerts", json=body)),
        )
        self.server.until("the alert is listed", self.alerts)
        found = self.server.until("the incident", lambda: self.admin.get("/api/v1/incidents")["incidents"])
        self.incident = found[0]["id"]

    def alerts(self) -> list[dict[str, Any]]:
        """Return the alerts that fire now."""
        return self.admin.get("/api/v2/alerts")  # type: ignore[no-any-return]

    def page(self) -> None:
        """Ada is paged by mail and by webhook; she is silent; Ben is paged and answers by the link in his mail."""
        self.server.until("a mail to Ada", lambda: self.mails("ada"))
        self.server.until("a webhook to Ada", lambda: self.hook.received)
        mail = self.server.until("a mail to Ben", lambda: self.mails("ben"))[0]
        link = LINK.search(mail.body)
        assert link is not None, mail.body
        form = {"content-type": "application/x-www-form-urlencoded"}
        nobody = Caller(self.server, "")
        self.server.until(
            "Ben is in command",
            lambda: self.state()["roles"].get("commander") == "ben",
            lambda: nobody.ask("POST", link[1], content=b"", headers=form),
        )

    def run(self) -> dict[str, Any]:
        """Return the playbook run; there is one."""
        (run,) = self.ben.get(self.at("/runs"))["runs"]
        return self.ben.get(f"/api/v1/runs/{run['id']}")  # type: ignore[no-any-return]

    def playbook(self) -> None:
        """The probe answers the first question; the tree comes to its decision."""
        self.server.until("a run", lambda: self.ben.get(self.at("/runs"))["runs"])
        self.server.until("the decision", lambda: self.run()["run"]["step"] == "after-rollback")

    def containment(self) -> None:
        """Request and approve the roll-back once; see it verified, and the incident contained."""

        def asked() -> str:
            found = self.ben.get(self.at("/containments"))["containments"]
            return found[0]["id"] if found else ""

        body = {"action": "rollback", "reason": "A group is denied more often since version 3."}
        id = self.server.until("the request", asked, lambda: self.ben.post(self.at("/containments"), body))
        here = f"/api/v1/containments/{id}"

        def status() -> str:
            return str(self.ben.get(here)["containment"]["status"])

        self.server.until(
            "the approval", lambda: status() != "requested", lambda: self.ben.post(f"{here}/approve")
        )
        self.server.until("the verification", lambda: status() == "verified")
        self.server.until("the incident is contained", lambda: self.state()["status"] == "contained")
        run = self.run()["id"]
        self.server.until(
            "the run is finished",
            lambda: self.run()["run"]["status"] == "finished",
            lambda: self.ben.post(
                f"/api/v1/runs/{run}/answers", {"step": "after-rollback", "answer": "done"}
            ),
        )

    def update(self) -> None:
        """Send one status update; see it arrive at both."""
        body = {"template": "update-responders", "fields": FIELDS}
        self.server.until(
            "the update",
            lambda: self.ben.get(self.at("/updates"))["updates"],
            lambda: self.ben.post(self.at("/updates"), body),
        )
        for person in ("ada", "ben"):
            self.server.until(f"the update at {person}", lambda to=person: self.updates(to))

    def updates(self, to: str) -> list[Received]:
        """Return the update's mails to a person."""
        return self.mails(to, about=FIELDS["next_steps"])

    def review(self) -> None:
        """Resolve, write the review that opened by itself, finish it, close."""
        due = (dt.datetime.now(dt.UTC) + dt.timedelta(days=14)).date().isoformat()
        self.step(
            "resolved",
            "/resolve",
            {"text": "Served and looked at."},
            lambda: self.state()["status"] != "contained",
        )
        self.server.until("the review", self.told)
        for question in self.told()["review"]["questions"]:
            body = {"question": question["id"], "text": "See the timeline of this record."}
            self.step(
                question["id"],
                "/review/answers",
                body,
                lambda asked=question["id"]: asked in self.told()["review"]["answers"],
            )
        factor = {
            "part": "training",
            "kind": "data",
            "text": "The extract recorded approvals of one group as denials.",
        }
        self.step("a factor", "/review/factors", factor, lambda: self.told()["review"]["factors"])
        fairness = {
            "assessable": False,
            "text": "No figures by group are collected in this installation, so nothing can be said about the gap.",
            "redress": "A loan officer looks again at every application denied meanwhile.",
            "safety": "Nobody's health was at risk; access to credit was.",
        }
        self.step("fairness", "/review/fairness", fairness, lambda: self.told()["review"]["fairness"])
        item = {
            "text": "Add a check to the release gate that refuses a version whose denial gap grew by more than 10 points.",
            "owner": "ada",
            "due": due,
            "measure": "A test of the gate refuses version 3 and passes version 2.",
            "priority": "high",
            "remedy": "code_and_test",
        }
        self.step("an action item", "/review/action-items", item, lambda: self.told()["review"]["items"])
        finish = {"playbook_change": "none", "follow_up": due}
        self.step("finished", "/review/finish", finish, lambda: self.told()["review"]["status"] == "finished")
        self.step("closed", "/close", {"reason": "Reviewed."}, lambda: self.state()["status"] == "closed")

    def told(self) -> dict[str, Any]:
        """Return the review, or nothing while there is none."""
        answer = self.ben.send("GET", self.at("/review"))
        return answer.json() if answer.status_code == 200 else {}

    def step(self, what: str, path: str, body: object, done: Any) -> None:
        """Do one thing unless it is done."""
        self.server.until(what, done, lambda: self.ben.post(self.at(path), body))

    def take_export(self) -> None:
        """Export until an export comes; unpack it and verify it offline."""
        answers: list[httpx.Response] = []
        self.server.until(
            "the export",
            lambda: answers,
            lambda: answers.append(self.ben.ask("POST", self.at("/export"), json={"purpose": "A test"})),
        )
        self.export = self.server.directory / "export"
        with zipfile.ZipFile(io.BytesIO(answers[0].content)) as archive:
            archive.extractall(self.export)
        key = answers[0].headers["x-tocsin-vkey"]
        verified = subprocess.run(
            command("verify", str(self.export), "--key", key),
            capture_output=True,
            text=True,
            env=environment({}),
        )
        assert verified.returncode == 0, verified.stdout + verified.stderr

    # --- the end, the same whatever happened on the way ---

    def facts(self) -> Counter[str]:
        """Return how often each type of event stands in the export."""
        assert self.export is not None
        entries = (json.loads(path.read_bytes()) for path in (self.export / "entries").iterdir())
        return Counter(entry["leaf"]["type"] for entry in entries)

    def check_end(self, *, most_of_a_key: int) -> None:
        """Compare the end with the only end there is. `most_of_a_key`: how often one delivery may arrive."""
        assert [one["labels"]["alertname"] for one in self.alerts()] == ["DenialGap"]
        assert len(self.admin.get("/api/v1/incidents")["incidents"]) == 1
        assert self.model.moves() == [("3", "2")], (
            "the alias moves once, from the version that harmed to the one before"
        )
        self.check_deliveries(most_of_a_key)
        self.check_record()

    def check_deliveries(self, most: int) -> None:
        """Every person of every level is reached; a second copy has the key of the first."""
        pages = {"ada": [], "ben": [], "hook": self.hook.received}
        for person in ("ada", "ben"):
            pages[person] = [mail for mail in self.mails(person) if mail not in self.updates(person)]
        updates = {f"update to {person}": self.updates(person) for person in ("ada", "ben")}
        for what, received in {**pages, **updates}.items():
            keys = Counter(one.keys[0] for one in received)
            assert len(keys) == 1, f"{what}: one delivery, one key: {keys}"
            assert max(keys.values()) <= most, f"{what}: {keys}"

    def check_record(self) -> None:
        """What can be true once is recorded once."""
        facts = self.facts()
        once = {
            "incident.declared": 1, "incident.contained": 1, "incident.resolved": 1, "incident.review_opened": 1,
            "incident.closed": 1, "page.escalation_started": 1, "page.level_reached": 2, "page.level_timed_out": 1,
            "page.acknowledged": 1, "page.requested": 2, "page.attempted": 3, "run.started": 1, "run.answered": 2,
            "run.finished": 1, "containment.requested": 1, "containment.approved": 1,
            "containment.snapshot_sealed": 1, "containment.acted": 1, "containment.verified": 1,
            "update.drafted": 1, "update.released": 1, "update.attempted": 2, "review.opened": 1,
            "review.finished": 1,
        }  # fmt: skip
        assert {name: facts[name] for name in once} == once
        lines = self.ben.get(self.at("/timeline"))["timeline"]
        places = [(line["stream"], line["position"]) for line in lines]
        assert len(places) == len(set(places))
        told = Counter(line["type"] for line in lines)
        assert {name: told[name] for name in ("containment.acted", "containment.verified", "review.opened")} == {
            "containment.acted": 1, "containment.verified": 1, "review.opened": 1,
        }  # fmt: skip
        (acted,) = self.ben.get(self.at("/containments"))["containments"]
        state = self.ben.get(f"/api/v1/containments/{acted['id']}")["containment"]
        assert (state["observed_before"]["version"], state["observed_after"]["version"]) == ("3", "2")


__all__ = ["Gone", "Story"]
