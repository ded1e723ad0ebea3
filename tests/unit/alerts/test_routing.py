"""What an alert leads to and who hears of it (COR-7). A severe alert never waits for a digest."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import msgspec
import pytest

import tocsin.catalog
from tocsin.alerts.alert import Alert, Placement
from tocsin.alerts.routing import NO_DIGEST, Places, Routing, decide, facts_of, places, readable
from tocsin.catalog.configuration import Configuration
from tocsin.catalog.declare_policy import DeclarePolicy, DeclareRule
from tocsin.catalog.load import load
from tocsin.catalog.severity_mapping import SeverityMapping
from tocsin.kernel.clock import UTC
from tocsin.kernel.predicate import FactType, Predicate, Vocabulary
from tocsin.signals.reported import ReportedAlert

NOW = dt.datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
VOCABULARY = Vocabulary(
    {
        "alert.severity": FactType(
            kind="text", text="Severity", choices=("critical", "high", "medium", "low", "unknown")
        ),
        "alert.rank": FactType(kind="number", text="Rank"),
        "alert.source": FactType(kind="text", text="Sender"),
        "protected_group_harmed": FactType(kind="boolean", text="A protected group was harmed"),
        "accuracy_drop": FactType(kind="share", text="Accuracy drop"),
    }
)


def alert(severity: int | None = None, **fields: object) -> Alert:
    given = {
        "fingerprint": "f", "source": "alertmanager", "labels": {"alertname": "Drift", "env": "prod"}, "title": "Drift",
        "status": "firing", "starts_at": NOW, "first_seen": NOW, "last_seen": NOW, "severity": severity,
        "system": "loan", "category": "bias",
    }  # fmt: skip
    return msgspec.convert(given | fields, Alert)


def policy(*rules: DeclareRule) -> DeclarePolicy:
    return DeclarePolicy(id="p", title="p", rules=rules)


def rule(fact: str, value: object, declare: bool, **fields: object) -> DeclareRule:
    when = Predicate(fact=fact, value=value)  # type: ignore[arg-type]
    return msgspec.structs.replace(DeclareRule(id="r", when=when, declare=declare, why="Because."), **fields)


# --- by rank, when no rule holds -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("severity", "declare", "digest", "to", "whole_team"),
    [
        (0, True, None, "commander", True),
        (1, True, None, "on_call", False),
        (2, False, "daily", "owner", False),
        (3, False, "weekly", "owner", False),
        (None, True, None, "on_call", False),
    ],
)
@pytest.mark.parametrize("declared", [None, policy(), policy(rule("alert.source", "nobody", True))])
def test_the_rank_decides_when_no_rule_holds(
    declared: DeclarePolicy | None,
    severity: int | None,
    declare: bool,
    digest: str | None,
    to: str,
    whole_team: bool,
) -> None:
    routing = decide(alert(severity), declared, VOCABULARY)
    assert (routing.declare, routing.digest, routing.to, routing.whole_team) == (
        declare,
        digest,
        to,
        whole_team,
    )
    assert (routing.severity, routing.system, routing.category) == (severity, "loan", "bias")
    assert len(routing.why) == 1
    assert ("not known" in routing.why[0]) is (severity is None)


# --- by rule -------------------------------------------------------------------------------------


def test_the_first_rule_that_holds_decides_and_says_why() -> None:
    declared = policy(
        rule("alert.source", "grafana", False),
        rule("alert.source", "alertmanager", True, category="drift", why="Our own."),
        rule("alert.source", "alertmanager", False),
    )
    routing = decide(alert(3), declared, VOCABULARY)
    assert (routing.declare, routing.category, routing.digest) == (True, "drift", None)
    assert routing.why == ("Our own.", "Sender: alertmanager.")


@pytest.mark.parametrize(
    ("by_rule", "sender", "expected", "to"),
    [
        (0, 2, 0, "commander"),
        (1, 0, 0, "commander"),
        (1, None, 1, "on_call"),
        (None, 2, 2, "on_call"),
        (None, None, None, "on_call"),
    ],
)
def test_a_rule_can_raise_the_severity_but_never_lower_it(
    by_rule: int | None, sender: int | None, expected: int | None, to: str
) -> None:
    routing = decide(
        alert(sender), policy(rule("alert.source", "alertmanager", True, severity=by_rule)), VOCABULARY
    )
    assert (routing.severity, routing.to, routing.whole_team) == (expected, to, expected == 0)


@pytest.mark.parametrize("review", ["", "daily", "weekly", "sometime"])
@pytest.mark.parametrize("severity", [0, 1])
def test_no_rule_puts_a_severe_alert_into_a_digest(severity: int, review: str) -> None:
    routing = decide(
        alert(severity), policy(rule("alert.source", "alertmanager", False, review=review)), VOCABULARY
    )
    assert (routing.declare, routing.digest) == (False, None)
    assert routing.to == ("commander" if severity == 0 else "on_call")
    assert NO_DIGEST in routing.why


@pytest.mark.parametrize(
    ("severity", "review", "digest", "to"),
    [
        (2, "", "daily", "owner"),
        (3, "", "weekly", "owner"),
        (3, "daily", "daily", "owner"),
        (2, "weekly", "weekly", "owner"),
        (None, "daily", "daily", "owner"),
        (None, "", None, "on_call"),
    ],
)
def test_a_rule_names_the_review_or_the_rank_does(
    severity: int | None, review: str, digest: str | None, to: str
) -> None:
    routing = decide(
        alert(severity), policy(rule("alert.source", "alertmanager", False, review=review)), VOCABULARY
    )
    assert (routing.digest, routing.to) == (digest, to)


def test_a_fact_from_elsewhere_counts_but_the_alerts_own_word_comes_first() -> None:
    declared = policy(rule("protected_group_harmed", True, True))
    assert decide(alert(3), declared, VOCABULARY, {"protected_group_harmed": True}).declare
    said = alert(3, facts={"protected_group_harmed": False})
    assert not decide(said, declared, VOCABULARY, {"protected_group_harmed": True}).declare


def test_a_fact_of_the_wrong_type_is_left_out_and_said_so() -> None:
    declared = policy(rule("protected_group_harmed", True, True))
    routing = decide(
        alert(3, facts={"protected_group_harmed": "perhaps", "unheard_of": 1}), declared, VOCABULARY
    )
    assert not routing.declare
    assert any("protected_group_harmed" in sentence for sentence in routing.why)
    assert readable({"unheard_of": 1, "accuracy_drop": "16 percent"}, VOCABULARY) == (
        {"accuracy_drop": "16 percent"},
        (),
    )


# --- facts ---------------------------------------------------------------------------------------


def test_the_facts_of_an_alert_are_its_senders_and_its_own() -> None:
    one = alert(
        1,
        facts={"accuracy_drop": "16"},
        labels={"alertname": "Drift", "environment": "prod", "dimension": "fairness"},
    )
    assert facts_of(one) == {
        "accuracy_drop": "16",
        "alert.source": "alertmanager",
        "alert.name": "Drift",
        "alert.rank": 1,
        "alert.severity": "high",
        "alert.category": "bias",
        "alert.system": "loan",
        "alert.environment": "prod",
        "alert.dimension": "fairness",
    }


def test_a_sender_cannot_assert_what_the_alert_itself_is() -> None:
    one = alert(0, facts={"alert.severity": "low", "alert.rank": 3})
    assert (facts_of(one)["alert.severity"], facts_of(one)["alert.rank"]) == ("critical", 0)


def test_an_unknown_severity_is_said_and_ranks_as_1() -> None:
    facts = facts_of(alert(None, system=None, category=None, labels={}))
    assert facts == {"alert.source": "alertmanager", "alert.rank": 1, "alert.severity": "unknown"}


# --- places --------------------------------------------------------------------------------------

PLACES = Places(
    systems={"loan": "loan", "loan-model": "loan"},
    categories=frozenset({"bias"}),
    mappings={
        "alertmanager": SeverityMapping(id="alertmanager", title="t", words={"critical": 0, "warning": 2}),
        "grafana": SeverityMapping(id="grafana", title="t", field="prio", words={"p1": 1}, default=3),
    },
)


@pytest.mark.parametrize(
    ("source", "labels", "word", "expected"),
    [
        ("alertmanager", {"system": "loan", "category": "bias"}, "critical", ("loan", "bias", 0)),
        ("alertmanager", {"model": "loan-model", "category": "other"}, "CRITICAL", ("loan", None, 0)),
        ("alertmanager", {"system": "other", "service": "loan"}, "warning", ("loan", None, 2)),
        ("alertmanager", {"model": "x" * 4000}, "SEV-1", (None, None, None)),
        ("alertmanager", {"severity": "warning"}, "critical", (None, None, 2)),
        ("grafana", {"prio": "P1"}, "", (None, None, 1)),
        ("grafana", {}, "", (None, None, 3)),
        ("elsewhere", {"system": "loan"}, "critical", ("loan", None, None)),
    ],
)
def test_a_report_is_placed_by_what_the_catalog_knows(
    source: str, labels: dict[str, str], word: str, expected: tuple[str | None, str | None, int | None]
) -> None:
    said = ReportedAlert(source=source, labels=labels, sender_severity=word, starts_at=NOW)
    system, category, severity = expected
    assert PLACES.of(said) == msgspec.convert(
        {"system": system, "category": category, "severity": severity}, Placement
    )


# --- the policy that ships -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def shipped() -> Configuration:
    folder = Path(tocsin.catalog.__file__).parent / "defaults"
    return load({}, {path.name: path.read_text() for path in sorted(folder.glob("**/*.yaml"))})


def route(shipped: Configuration, source: str, word: str, **fields: object) -> Routing:
    labels = {"alertname": "Drift", "severity": word} if word else {"alertname": "Drift"}
    placement = places(shipped).of(
        ReportedAlert(source=source, labels=labels, sender_severity=word, starts_at=NOW)
    )
    one = alert(placement.severity, source=source, **fields)
    return decide(one, shipped.declare_policy, shipped.vocabulary)


@pytest.mark.parametrize(
    ("source", "word", "declare", "severity", "digest"),
    [
        ("alertmanager", "critical", True, 0, None),
        ("alertmanager", "high", True, 1, None),
        ("alertmanager", "warning", False, 2, "daily"),
        ("alertmanager", "info", False, 3, "weekly"),
        ("alertmanager", "catastrophic", True, None, None),
        ("alertmanager", "", True, None, None),
        ("pagerduty", "critical", True, 0, None),
        ("pagerduty", "error", True, 1, None),
        ("pagerduty", "warning", False, 2, "daily"),
        ("pagerduty", "info", False, 3, "weekly"),
        ("pagerduty", "SEV-1", True, 0, None),
        ("pagerduty", "whatever", True, None, None),
    ],
)
def test_the_shipped_policy_routes_every_senders_words(
    shipped: Configuration, source: str, word: str, declare: bool, severity: int | None, digest: str | None
) -> None:
    routing = route(shipped, source, word)
    assert (routing.declare, routing.severity, routing.digest) == (declare, severity, digest)


def test_the_shipped_policy_declares_an_incident_for_an_unfair_model(shipped: Configuration) -> None:
    labels = {"alertname": "gap", "dimension": "fairness"}
    assert route(shipped, "monitor", "", labels=labels).declare
    assert route(shipped, "monitor", "", facts={"protected_group_harmed": True}).declare


def test_the_shipped_policy_keeps_a_monitors_early_sign_for_the_daily_review(shipped: Configuration) -> None:
    routing = route(shipped, "monitor", "", labels={"alertname": "drift", "dimension": "data_quality"})
    assert (routing.declare, routing.digest, routing.to) == (False, "daily", "owner")
