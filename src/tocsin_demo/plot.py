"""The plot: from a quiet system to a verified record, one chapter after the other, seen from outside only.

Every chapter does what people or the world would do, waits until the effect can be seen (public API, registry
alias, mailbox, decisions served), and returns what it saw. A chapter that does not see it raises `NotSeen`.
"""

from __future__ import annotations

import datetime as dt
import io
import re
import secrets
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tocsin_demo import fault
from tocsin_demo.api import Api, ApiError
from tocsin_demo.model_server import SYSTEM
from tocsin_demo.stage import Seen, Stage, finish

T = TypeVar("T")

POLL_SECONDS = 0.25
PATIENCE_SECONDS = 120.0
QUIET_LOOKS = 20
"""How often every monitor must have looked and found nothing before the fault."""
FAIRNESS = ("loan-parity", "loan-equalised-odds")
PEOPLE = ("ada", "ben", "dara")
"""Those who can sign in: the commander on call, the stand-in, the fair lending officer."""
LINK = re.compile(r"https?://[^\s\"']+(/acknowledge/[^\s\"']+)")


class NotSeen(Exception):
    """Something that the story promises did not show."""


@dataclass
class Story:
    """What the chapters share. Times are seconds of a monotonic clock."""

    stage: Stage
    exports: Path
    say: Callable[[str], None]
    callers: dict[str, Api] = field(default_factory=dict)
    seen: dict[str, Seen] = field(default_factory=dict)
    moments: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    incident: str = ""
    run: str = ""
    export: Path | None = None
    vkey: str = ""

    @property
    def api(self) -> Api:
        """The public API, as the installer."""
        return self.stage.api

    @property
    def ben(self) -> Api:
        """The public API, as the stand-in who takes the incident up."""
        return self.callers["ben"]

    def mark(self, name: str) -> None:
        """Remember when something was seen, and how many decisions had been made by then."""
        self.moments[name] = time.monotonic()
        self.counts[name] = self.stage.recorded()

    def since(self, name: str) -> dict[str, float]:
        """Return seconds and decisions from the promotion of the bad version to `name`."""
        return {
            "seconds": round(self.moments[name] - self.moments["promotion"], 1),
            "predictions": self.counts[name] - self.counts["promotion"],
        }

    def at(self, path: str = "") -> str:
        """Return an address below the incident."""
        return f"/api/v1/incidents/{self.incident}{path}"

    def state(self) -> dict[str, Any]:
        """Return the incident as the API tells it."""
        return self.api.get(self.at())["incident"]  # type: ignore[no-any-return]  # JSON

    def readings(self) -> dict[str, dict[str, Any]]:
        """Return the last reading of every monitor, with how often it has looked."""
        told = self.api.get(f"/api/v1/systems/{SYSTEM}")
        found = told["readings"]
        missing = {monitor["id"] for monitor in told["monitors"]} - set(found)
        return {**found, **{name: {"runs": 0, "reading": {"state": "insufficient"}} for name in missing}}


def until(what: str, ask: Callable[[], T], seconds: float = PATIENCE_SECONDS) -> T:
    """Return the first answer that counts as true; raise `NotSeen` with the last one when time is over."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise NotSeen(f"{what}: not seen within {seconds:g} s; last answer: {answer!r}")
        time.sleep(POLL_SECONDS)


def must(holds: bool, what: str) -> None:
    """Raise `NotSeen` unless `holds`."""
    if not holds:
        raise NotSeen(what)


# --- before ---------------------------------------------------------------------------------------


def opening(story: Story) -> dict[str, Any]:
    """Start everything, give three people accounts, let traffic in, pin the reference."""
    stage = story.stage
    stage.start()
    open_accounts(story)
    stage.start_traffic()
    until("first decisions", lambda: stage.recorded() > stage.rate)
    must(stage.alias() == "2", "the alias names version 2")
    must(stage.served()["version"] == "2", "the model server serves version 2")
    digest = stage.pin_reference("2")
    return {"alias": "2", "served": stage.served()["version"], "reference_sha256": digest}


def open_accounts(story: Story) -> None:
    """Create an account and a token for each of the people; all share one password, printed when asked for."""
    for person in PEOPLE:
        account = {
            "email": f"{person}@example.org",
            "name": person.capitalize(),
            "password": story.stage.password,
            "role": "lead",
        }
        made = story.api.post("/api/v1/accounts", account)
        token = story.api.post("/api/v1/tokens", {"name": "demonstration", "account": made["id"]})["token"]
        story.callers[person] = story.api.as_(token)


def quiet(story: Story) -> dict[str, Any]:
    """Watch until every monitor has looked several times and found nothing; retrain meanwhile."""
    training = story.stage.start_retraining()
    first: dict[str, int] = {}

    def calm() -> dict[str, int]:
        for name, found in story.readings().items():
            if found["reading"]["state"] == "ok":
                first.setdefault(name, found["runs"])
            else:
                must(found["reading"]["state"] != "breach", f"{name} is quiet: {found['reading']}")
                first.pop(name, None)
        looks = {
            name: found["runs"] - first.get(name, found["runs"]) for name, found in story.readings().items()
        }
        return looks if all(count >= QUIET_LOOKS for count in looks.values()) else {}

    looks = until("every monitor is quiet", calm)
    must(not story.api.get("/api/v1/incidents")["incidents"], "there is no incident")
    must(not story.stage.mails(), "nobody was mailed")
    story.seen["before"] = story.stage.ask_everyone()
    version = str(finish(training, PATIENCE_SECONDS)["result"]["version"])
    must(version == "3", "the retrained version is version 3")
    return {"quiet_looks": looks, "gap": story.seen["before"].gap, "accuracy": story.seen["before"].accuracy}


# --- the fault and its detection ------------------------------------------------------------------


def promotion(story: Story) -> dict[str, Any]:
    """Promote the version trained on corrupted data; see it served."""
    moved = story.stage.promote("3")
    story.mark("promotion")
    until("version 3 is served", lambda: story.stage.served()["version"] == "3", 20)
    return {**moved, "served": "3"}


def detection(story: Story) -> dict[str, Any]:
    """See the alert of the fairness monitor, the incident that policy declares, and its severity explained."""

    def alerts() -> list[dict[str, Any]]:
        return [alert for alert in story.api.get("/api/v1/alerts")["alerts"] if alert["system"] == SYSTEM]

    fired = until("an alert", alerts)
    story.mark("detection")
    found = until("an incident", lambda: story.api.get("/api/v1/incidents", system=SYSTEM)["incidents"])
    story.mark("incident")
    must(len(found) == 1, "there is one incident")
    story.incident = found[0]["id"]
    state = story.state()
    sentences = [criterion["sentence"] for criterion in state["criteria"]]
    must(state["category"] == "bias", f"the category is bias, not {state['category']}")
    must(state["severity"] == 0, f"the severity is rank 0, not {state['severity']}")
    must(any("protected group" in sentence for sentence in sentences), "a criterion says why")
    must(set(state["deadlines"]) == {"respond", "resolve"}, "both deadlines run")
    others = {
        name: found["reading"]["state"] for name, found in story.readings().items() if name not in FAIRNESS
    }
    must("breach" not in others.values(), f"the other monitors are quiet: {others}")
    return {
        "alert": fired[0]["title"],
        "incident": found[0]["number"],
        "severity": state["severity"],
        "criteria": sentences,
        "deadlines": {name: one["due"] for name, one in state["deadlines"].items()},
        "others": others,
    }


# --- people ---------------------------------------------------------------------------------------


def paging(story: Story) -> dict[str, Any]:
    """See Ada paged, the harm go on while she does not answer, then Ben paged; acknowledge by the link in his mail."""
    return {"first": _first_page(story), "harm": _harm(story), "next": _next_level(story)}


def _first_page(story: Story) -> dict[str, Any]:
    mail = until("a mail to Ada", lambda: story.stage.mails("ada@example.org"))[0]
    story.mark("page")
    return {"subject": mail["subject"], "recipients": mail["recipients"]}


def _harm(story: Story) -> dict[str, Any]:
    """See what the version in production does to the groups, while its overall accuracy looks fine."""
    before, during = story.seen["before"], story.stage.ask_everyone()
    story.seen["during"] = during
    growth, loss = round(during.gap - before.gap, 4), round(before.accuracy - during.accuracy, 4)
    must(during.version == "3", "version 3 decides")
    must(growth >= fault.LEAST_GAP_GROWTH, f"the gap grows by {growth}")
    must(loss < fault.MOST_ACCURACY_LOSS, f"the accuracy falls by {loss}")
    return {"gap": during.gap, "accuracy": during.accuracy, "gap_growth": growth, "accuracy_loss": loss}


def _next_level(story: Story) -> dict[str, Any]:
    stage = story.stage
    until("a webhook to Ada", lambda: stage.hooks("ada"))
    mail = until("a mail to Ben", lambda: stage.mails("ben@example.org"))[0]
    link = LINK.search(mail["text"])
    if link is None:
        raise NotSeen(f"the mail holds an acknowledge link: {mail['text']!r}")
    nobody = Api(story.api.url)
    nobody.ask("GET", link[1])
    must("commander" not in story.state()["roles"], "opening the link changes nothing")
    nobody.submit(link[1], {})
    nobody.submit(link[1], {})  # twice is once
    until("Ben is in command", lambda: story.state()["roles"].get("commander") == "ben", 20)
    story.mark("acknowledged")
    deliveries = story.api.get(story.at("/pages"))["deliveries"]
    accepted = [one for one in deliveries if one["state"] == "accepted"]
    must(len(accepted) >= 3, f"every attempt is on the record: {deliveries}")
    return {
        "mails": len(stage.mails()),
        "webhooks": len(stage.hooks()),
        "commander": "ben",
        "deliveries": len(deliveries),
    }


# --- the playbook and containment -----------------------------------------------------------------


def _run(story: Story) -> dict[str, Any]:
    return story.api.get(f"/api/v1/runs/{story.run}")  # type: ignore[no-any-return]  # JSON


def playbook(story: Story) -> dict[str, Any]:
    """See the tree answered by probes of live data up to the recommendation; note what is thought on the way."""
    story.run = until("a playbook run", lambda: story.api.get(story.at("/runs"))["runs"])[0]["id"]

    def recommended() -> bool:
        told = _run(story)["run"]
        if told["step"] == "deployed" and told["waiting_for"] == "person":  # no probe of deployments here
            body = {
                "step": "deployed",
                "answer": "yes",
                "note": "The registry says: version 3, a minute ago.",
            }
            story.ben.post(f"/api/v1/runs/{story.run}/answers", body)
        return bool(told["step"] == "after-rollback")

    until("the decision on the roll-back", recommended)
    told = _run(story)
    answers = {visit["step"]: visit["answer"] for visit in told["run"]["path"] if visit.get("by")}
    must(
        answers == dict.fromkeys(("pipeline", "serving", "deployed"), "yes"),
        f"the tree is answered: {answers}",
    )
    by = {visit["step"]: visit["by"] for visit in told["run"]["path"] if visit.get("by")}
    must(by["pipeline"] == by["serving"] == "probe", f"live data answered: {by}")
    must([one["action"] for one in told["recommendations"]] == ["rollback"], "a roll-back is recommended")
    story.ben.post(
        story.at("/findings"),
        {"text": "Version 3 replaced version 2 just before the gap grew."},
    )
    story.ben.post(
        story.at("/hypotheses"), {"text": "The training data of version 3 was corrupted for one group."}
    )
    story.ben.post(
        story.at("/decisions"), {"text": "Go back to version 2 now and look for the cause afterwards."}
    )
    return {"answers": answers, "by": by, "recommended": "rollback"}


def containment(story: Story) -> dict[str, Any]:
    """Preview, request and approve the roll-back; see the alias, the server and the groups follow."""
    stage, ben = story.stage, story.ben
    preview = ben.get(story.at("/containment-preview"), action="rollback")
    must(preview["action"]["params"]["to"] == "2", "the preview names version 2")
    must(stage.alias() == "3", "a preview changes nothing")
    asked = ben.post(
        story.at("/containments"),
        {"action": "rollback", "reason": "A protected group is denied more often since version 3."},
    )
    id = asked["id"]
    _refused(
        lambda: story.callers["dara"].post(f"/api/v1/containments/{id}/approve"),
        "only the commander may approve",
    )
    began = time.monotonic()
    ben.post(f"/api/v1/containments/{id}/approve")
    until("the alias names version 2", lambda: stage.alias() == "2")
    until("version 2 is served", lambda: stage.served()["version"] == "2")
    effect = time.monotonic() - began
    story.mark("effect")
    _containment(story, id, "verified")
    story.mark("containment")
    until("the incident is contained", lambda: story.state()["status"] == "contained", 20)
    after = story.seen["after"] = stage.ask_everyone()
    must(abs(after.gap - story.seen["before"].gap) < 0.02, f"the gap closes: {after.gap}")
    told = story.api.get(f"/api/v1/containments/{id}")["containment"]
    kept = [item["name"] for item in told["snapshot"]]
    must(any(name.endswith("digests.json") for name in kept), f"the snapshot holds the digests: {kept}")
    return {
        "preview": preview["preview"],
        "approval_to_effect_seconds": round(effect, 2),
        "snapshot": kept,
        "checks": {check["probe"]: check["holds"] for check in told["checks"]},
        "gap": after.gap,
    }


def _containment(story: Story, id: str, wanted: str) -> None:
    def there() -> bool:
        told = story.api.get(f"/api/v1/containments/{id}")["containment"]
        must(told["status"] != "failed", f"the roll-back does not fail: {told.get('failure')}")
        return bool(told["status"] == wanted)

    until(f"the roll-back is {wanted}", there)


def _refused(work: Callable[[], object], what: str) -> None:
    try:
        work()
    except ApiError as error:
        must(error.status in (403, 409), f"{what}: refused with {error.status}")
        return
    raise NotSeen(f"{what}: it was accepted")


def rest_of_playbook(story: Story) -> dict[str, Any]:
    """Take the run to its end: decision, probe of the gap, the task for the people concerned."""
    here = f"/api/v1/runs/{story.run}"
    story.ben.post(
        f"{here}/answers", {"step": "after-rollback", "answer": "done", "note": "Verified by two probes."}
    )
    until("the gap is looked at", lambda: _run(story)["run"]["step"] not in ("gap",))
    if _run(story)["run"]["step"] != "affected":
        raise NotSeen(f"the probe finds the gap closed: {_run(story)['run']['path'][-2:]}")
    story.callers["dara"].post(f"{here}/tasks", {"step": "affected", "note": "Listed from the decision log."})
    until("the run ends", lambda: _run(story)["run"]["status"] == "finished")
    hypothesis = next(iter(story.state()["hypotheses"]))
    verdict = {
        "verdict": "confirmed",
        "text": "The registry's run of version 3 names another digest of its data.",
    }
    story.ben.post(story.at(f"/hypotheses/{hypothesis}"), verdict)
    return {
        "outcome": _run(story)["run"]["outcome"],
        "steps": [visit["step"] for visit in _run(story)["run"]["path"]],
    }


# --- close ----------------------------------------------------------------------------------------


def update(story: Story) -> dict[str, Any]:
    """Send a structured update and see it arrive."""
    fields = {
        "status": "contained",
        "impact": "Applications of one group were denied more often for a few minutes.",
        "actions": "Version 2 serves again; two probes have verified it.",
        "next_steps": "A loan officer looks again at every application denied meanwhile.",
        "estimate": "Resolved within the hour.",
        "next_update": "When it is resolved.",
    }
    story.ben.post(story.at("/updates"), {"template": "update-responders", "fields": fields})

    def arrived() -> list[str]:
        mails = [mail for mail in story.stage.mails() if fields["next_steps"] in mail["text"]]
        who = {recipient for mail in mails for recipient in mail["recipients"]}
        return sorted(who) if {"ada@example.org", "ben@example.org", "dara@example.org"} <= who else []

    return {"recipients": until("the update arrives", arrived)}


def closing(story: Story) -> dict[str, Any]:
    """Resolve; see that it does not close without a review; write the review; close."""
    ben = story.ben
    ben.post(
        story.at("/resolve"),
        {"text": "Version 2 serves, the gap is back where it was, the applications are listed."},
    )
    told = until("a review", lambda: _review(story) or {})
    _refused(lambda: ben.post(story.at("/close")), "rank 0 does not close without a review")
    review = told["review"]
    must(bool(review["timeline"]) and bool(review["figures"]), "timeline and figures are filled in")
    gaps = [gap for gap in review["gaps"] if gap["before"] and gap["during"] and gap["after"]]
    must(bool(gaps), f"the gap before, during and after is filled in: {review['gaps']}")
    grew = max(float(gap["during"]) - float(gap["before"]) for gap in gaps)
    must(grew > 0.2, f"the review shows that the gap grew: {gaps}")
    for question in review["questions"]:
        if question["id"] not in review["answers"]:
            body = {
                "question": question["id"],
                "text": ANSWERS.get(question["id"], "See the timeline of this record."),
            }
            ben.post(story.at("/review/answers"), body)
    ben.post(story.at("/review/factors"), FACTOR)
    story.callers["dara"].post(story.at("/review/fairness"), FAIRNESS_SECTION)
    due = (dt.datetime.now(dt.UTC) + dt.timedelta(days=14)).date().isoformat()
    ben.post(story.at("/review/action-items"), {**ACTION_ITEM, "due": due})
    ben.post(story.at("/review/finish"), {"playbook_change": "none", "follow_up": due})
    ben.post(story.at("/close"), {"reason": "Reviewed."})
    until("the incident is closed", lambda: story.state()["status"] == "closed", 20)
    return {
        "gaps": gaps,
        "figures": len(review["figures"]),
        "timeline": len(review["timeline"]),
        "action_item_due": due,
    }


def _review(story: Story) -> dict[str, Any] | None:
    try:
        return story.api.get(story.at("/review"))  # type: ignore[no-any-return]  # JSON
    except ApiError as error:
        if error.status == 404:
            return None
        raise


ANSWERS = {
    "happened": "A new version denied mortgage applications of one group far more often than the version before it.",
    "detected": "The parity monitor fired within a minute. The release gate could have: it looks at overall accuracy only.",
    "impact": "Simulated applicants, decided by version 3 while it served. The figures are in this record.",
    "causes": "The refreshed extract recorded a third of the group's approvals as denials, and nothing compared it with the last one.",
    "remedy": "Rolling back to version 2 stopped the harm. The extract is repaired at its source.",
    "well": "Probes answered the first three questions of the playbook before a person had read the page.",
    "better": "The commander on call did not answer, so a quarter of a minute passed before the stand-in was called.",
    "change": "The release gate will compare the groups, see the action item.",
}
FACTOR = {
    "part": "training",
    "kind": "data",
    "text": "The refreshed extract recorded approvals of one group as denials, and no check compared it with the last extract.",
}
FAIRNESS_SECTION = {
    "assessable": True,
    "text": "The gap in denials grew while version 3 served and is back where it was before.",
    "redress": "A loan officer looks again at every application denied by version 3. In this demonstration nobody real applied.",
    "safety": "Nobody's health or safety was at risk; access to credit was.",
}
ACTION_ITEM = {
    "text": "Add a check to the release gate that refuses a version whose denial gap grew by more than 10 points.",
    "owner": "ada",
    "measure": "A test of the gate refuses version 3 and passes version 2.",
    "priority": "high",
    "remedy": "code_and_test",
}


# --- proof and other doors ------------------------------------------------------------------------


def doors(story: Story) -> dict[str, Any]:
    """Come in by the other doors: an Alertmanager alert, a PagerDuty event, and a person with only a title."""
    key = story.api.post("/api/v1/integration-keys", {"name": "outside senders"})["key"]
    sender = story.api.as_(key)
    labels = {"alertname": "ModelServerDown", "severity": "critical", "instance": "model-7"}
    sender.ask(
        "POST", "/api/v2/alerts", [{"labels": labels, "annotations": {"summary": "Model server 7 is down"}}]
    )
    listed = sender.get("/api/v2/alerts")
    must(any(alert["labels"] == labels for alert in listed), "what was accepted is listed at once")
    event = {
        "routing_key": key,
        "event_action": "trigger",
        "dedup_key": "feed-1",
        "payload": {"summary": "Feature feed is late", "source": "feed-1", "severity": "critical"},
    }
    sender.ask("POST", "/v2/enqueue", event)
    declared = story.ben.post("/api/v1/incidents", {"title": "Strange answers from the help chat"})["name"]

    def titles() -> list[str]:
        found = {one["title"] for one in story.api.get("/api/v1/incidents")["incidents"]}
        wanted = ("ModelServerDown", "Model server 7", "Feature feed", "Strange answers")
        matched = [title for title in found if any(word in title for word in wanted)]
        return sorted(matched) if len(matched) == 3 else []

    return {"incidents": until("three incidents", titles), "declared": declared}


def proof(story: Story) -> dict[str, Any]:
    """Export, verify offline, and see that a changed, removed or added item is named."""
    answer = story.ben.ask("POST", story.at("/export"), {"purpose": "Demonstration"})
    story.vkey = answer.headers["x-tocsin-vkey"]
    story.export = story.exports / "export"
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        archive.extractall(story.export)
    intact = _verify(story.export, story.vkey)
    must(intact.returncode == 0, f"the export is intact: {intact.stdout} {intact.stderr}")
    return {"verified": intact.stdout.splitlines()[0], "caught": _attacks(story)}


def _verify(directory: Path, vkey: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tocsin.cli", "verify", str(directory), "--key", vkey]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603 - our own


def _attacks(story: Story) -> dict[str, str]:
    """Return what `verify` says about each way to tamper, by name."""
    assert story.export is not None
    files = sorted(path.relative_to(story.export) for path in story.export.rglob("*") if path.is_file())
    victim = max(files, key=lambda path: (story.export / path).stat().st_size)  # type: ignore[operator]  # paths in the export are text
    caught = {}
    for name, tamper in TAMPERS.items():
        copy = story.exports / f"tampered-{secrets.token_hex(4)}"
        shutil.copytree(story.export, copy)
        named = tamper(copy / victim)
        told = _verify(copy, story.vkey)
        must(told.returncode == 1, f"verify notices that an item was {name}: {told.stdout}")
        must(named in told.stdout, f"verify names the item that was {name}: {told.stdout}")
        caught[name] = next(line.strip() for line in told.stdout.splitlines() if named in line)
        shutil.rmtree(copy)
    return caught


def _change(path: Path) -> str:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    return path.name


def _remove(path: Path) -> str:
    path.unlink()
    return path.name


def _add(path: Path) -> str:
    path.with_name("added.json").write_text("{}")
    return "added.json"


TAMPERS: dict[str, Callable[[Path], str]] = {"changed": _change, "removed": _remove, "added": _add}

CHAPTERS: tuple[Callable[[Story], dict[str, Any]], ...] = (
    opening,
    quiet,
    promotion,
    detection,
    paging,
    playbook,
    containment,
    rest_of_playbook,
    update,
    closing,
    doors,
    proof,
)
