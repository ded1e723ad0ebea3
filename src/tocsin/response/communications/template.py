"""Render a message from a template, and say what is wrong with it before anybody reads it (COM-4).

Templates use a small part of Jinja2 in its sandbox, without a loader: fields, `if`, comparisons and a few
filters. Everything else is refused, so a template can neither run for ever nor reach outside its fields.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Literal

import msgspec
from jinja2 import StrictUndefined, TemplateError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tocsin.kernel.errors import Invalid
from tocsin.kernel.severity import LABEL_SETS

FILTERS = frozenset({"capitalize", "default", "indent", "lower", "title", "trim", "upper", "wordwrap"})
TESTS = frozenset({"defined", "undefined"})
LARGEST_NUMBER = 200
"""In a template, numbers are widths of lines; a larger one could only be meant to fill the memory."""

LONGEST_FIELD = 20_000
"""Characters in one field: longer text belongs into the incident, not into a message."""

_ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.If,
    nodes.CondExpr,
    nodes.Filter,
    nodes.Compare,
    nodes.Operand,
    nodes.Const,
    nodes.Not,
    nodes.And,
    nodes.Or,
    nodes.Keyword,
    nodes.Test,
)

FIELDS: dict[str, str] = {
    "incident": "the incident's number, such as INC-7",
    "title": "the incident's title",
    "system": "the name of the AI system",
    "organisation": "who speaks",
    "severity": "the severity as shown, such as P0",
    "status": "the incident's state, such as investigating",
    "detected_at": "when the trouble was detected",
    "what_happened": "what happened, in plain words",
    "data_at_risk": "whether the reader's data is at risk",
    "impact": "who is affected and how",
    "services": "the services affected",
    "workaround": "what works meanwhile",
    "actions": "what was done since the last update",
    "next_steps": "what is done next",
    "estimate": "when it is expected to be resolved",
    "action_needed": "what the reader should do",
    "next_update": "when the next update comes",
    "status_link": "where the present status is shown",
    "commander": "who leads the response",
    "duration": "how long it lasted",
    "cause": "the causes, as far as known",
    "fix": "what put it right",
    "prevention": "what is done so that it does not come back",
    "support_contact": "where to ask",
    "timeline": "the main moments, in order",
    "resources": "people and means that are needed",
    "acknowledge_link": "the link that answers a page",
    "why": "why this person gets this message",
}
"""Every field that a template may use, with its meaning."""


class Rendered(msgspec.Struct, frozen=True, kw_only=True):
    """A message as people will read it: plain text, the subject on one line."""

    subject: str
    body: str


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong with a template or a message. An error stops the release, a warning does not."""

    rule: Literal["syntax", "unknown_field", "unused_required", "blank", "missing", "contradiction", "jargon"]
    grade: Literal["error", "warning"]
    where: Literal["subject", "body", "fields"]
    why: str
    mend: str


# --- rendering ------------------------------------------------------------------------------------


def render(subject: str, body: str, fields: Mapping[str, str]) -> Rendered:
    """Return the message that `subject` and `body` make of `fields`. Plain text: nothing is escaped.

    Raises:
        Invalid: a syntax error, a construct that templates may not use, or a field without a value.
    """
    for name, value in fields.items():
        if len(value) > LONGEST_FIELD:
            raise Invalid(
                f"{name} is longer than {LONGEST_FIELD} characters.", where=name, mend="Shorten it."
            )
    line = " ".join(_fill(subject, fields, "subject").split())
    return Rendered(subject=line, body=_fill(body, fields, "body").strip() + "\n")


def fields_of(text: str, where: str = "body") -> frozenset[str]:
    """Return the names of the fields that a template text uses; raise `Invalid` as `render` does."""
    return frozenset(node.name for node in _parse(text, where).find_all(nodes.Name))


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False, loader=None)
    environment.globals.clear()
    environment.filters = {name: environment.filters[name] for name in FILTERS}
    environment.tests = {name: environment.tests[name] for name in TESTS}
    environment.trim_blocks = environment.lstrip_blocks = True
    return environment


_ENVIRONMENT = _environment()


def _parse(text: str, where: str) -> nodes.Template:
    try:
        tree = _ENVIRONMENT.parse(text)
    except TemplateError as error:
        raise Invalid(
            f"The {where} is not a template: {error}.", where=where, mend="See the fields."
        ) from error
    for node in _walk(tree):
        if objection := _objection(node):
            raise Invalid(
                f"The {where} uses {objection}, which templates may not.",
                where=where,
                mend=f"Use fields, if, comparisons, 'is defined' and the filters {', '.join(sorted(FILTERS))}.",
            )
    return tree


def _objection(node: nodes.Node) -> str:
    """Return what is wrong with one node of a template; empty when nothing is."""
    match node:
        case nodes.Filter(name=name) if name not in FILTERS:
            return f"the filter {name}"
        case nodes.Test(name=name) if name not in TESTS:
            return f"the test {name}"
        case nodes.Const(value=bool()):
            return ""
        case nodes.Const(value=int() | float() as value) if abs(value) > LARGEST_NUMBER:
            return f"the number {value}"
        case _:
            return "" if isinstance(node, _ALLOWED) else type(node).__name__


def _walk(node: nodes.Node) -> Iterator[nodes.Node]:
    yield node
    for child in node.iter_child_nodes():
        yield from _walk(child)


def _fill(text: str, fields: Mapping[str, str], where: str) -> str:
    _parse(text, where)
    try:
        return _ENVIRONMENT.from_string(text).render(dict(fields))
    except (TemplateError, TypeError, ValueError) as error:
        raise Invalid(
            f"The {where} cannot be filled: {error}.", where=where, mend="Give every field a value."
        ) from error


# --- lint -----------------------------------------------------------------------------------------


def lint_template(
    subject: str,
    body: str,
    *,
    required: Collection[str] = (),
    plain_words: bool = False,
    known: Collection[str] = FIELDS,
) -> tuple[Finding, ...]:
    """Return what is wrong with a template, before it is ever filled."""
    found: list[Finding] = []
    used: set[str] = set()
    texts: tuple[tuple[Literal["subject", "body"], str], ...] = (("subject", subject), ("body", body))
    for where, text in texts:
        try:
            names = fields_of(text, where)
        except Invalid as error:
            found.append(
                Finding(
                    rule="syntax",
                    grade="error",
                    where=where,
                    why=error.why,
                    mend=error.mend or "Mend the syntax.",
                )
            )
            continue
        used |= names
        found += (_unknown(name, where, known) for name in sorted(names - set(known)))
    found += (_unused(name) for name in sorted(set(required) - used))
    return (*found, *(_jargon(subject, body) if plain_words else ()))


def _unknown(name: str, where: Literal["subject", "body"], known: Collection[str]) -> Finding:
    near = get_close_matches(name, list(known), n=1)
    mend = f"Did you mean {near[0]}?" if near else "Use one of the known fields."
    return Finding(
        rule="unknown_field", grade="error", where=where, why=f"There is no field {name}.", mend=mend
    )


def _unused(name: str) -> Finding:
    return Finding(
        rule="unused_required",
        grade="warning",
        where="body",
        why=f"{name} is required and never shown.",
        mend="Use it in the body, or do not require it.",
    )


def lint_message(
    subject: str,
    body: str,
    fields: Mapping[str, str],
    *,
    required: Collection[str] = (),
    plain_words: bool = False,
) -> tuple[Finding, ...]:
    """Return what is wrong with a message that is about to go out: blanks, contradictions, jargon."""
    missing = tuple(
        Finding(
            rule="missing",
            grade="error",
            where="fields",
            why=f"{name} is required and empty.",
            mend="Fill it in; 'not known yet' is an honest answer.",
        )
        for name in sorted(required)
        if not fields.get(name, "").strip()
    )
    return (
        *missing,
        *_blanks(subject, body),
        *_contradictions(subject, body, fields),
        *(_jargon(subject, body) if plain_words else ()),
    )


def errors(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Return the findings that stop a release."""
    return tuple(finding for finding in findings if finding.grade == "error")


_BLANKS = tuple(
    re.compile(pattern)
    for pattern in (
        r"\{\{|\}\}|\{%|%\}",
        r"\[(?:[A-Z][A-Z0-9 _/-]{2,}|(?i:insert|enter|your|name|date|time|placeholder|fill)[^\]\n]{0,60})\]",
        r"<(?i:insert|enter|your|name|date|time|placeholder|fill)[^>\n]{0,60}>",
        r"_{3,}",
        r"\?{3,}",
        r"\b(?:TBD|TBC|TODO|FIXME|XXX+)\b|(?i:\blorem ipsum\b)",
        r"(?m:: *(?:None|null|nan|undefined) *$)",
    )
)
_LABEL_ONLY = re.compile(r"^[^\n]{1,60}:[ \t]*\n(?:[ \t]*\n)*(?=[^\n]{1,60}:[ \t]*\n|\Z)", re.MULTILINE)


def _blanks(subject: str, body: str) -> Iterator[Finding]:
    if not subject.strip():
        yield _blank("subject", "The subject is empty.")
    if not body.strip():
        yield _blank("body", "The body is empty.")
    texts: tuple[tuple[Literal["subject", "body"], str], ...] = (("subject", subject), ("body", body))
    for where, text in texts:
        for pattern in _BLANKS:
            for match in pattern.finditer(text):
                yield _blank(where, f"{match.group().strip()!r} looks like a blank that nobody filled.")
    for match in _LABEL_ONLY.finditer(body.rstrip() + "\n"):
        yield _blank("body", f"Nothing follows {match.group().strip()!r}.")


def _blank(where: Literal["subject", "body"], why: str) -> Finding:
    return Finding(rule="blank", grade="error", where=where, why=why, mend="Fill it in, or take it out.")


_NOT = r"(?<!not )(?<!not yet )(?<!never )(?<!isn't )(?<!until )(?<!when )(?<!once )"
CLAIMS: tuple[tuple[str, re.Pattern[str], frozenset[str]], ...] = (
    (
        "resolved",
        re.compile(rf"(?i){_NOT}\b(?:resolved|fixed|restored|back to normal|all clear)\b(?!-)"),
        frozenset({"resolved", "reviewing", "closed"}),
    ),
    (
        "contained",
        re.compile(rf"(?i){_NOT}\bcontained\b"),
        frozenset({"contained", "monitoring", "resolved", "reviewing", "closed"}),
    ),
    (
        "under investigation",
        re.compile(r"(?i)\b(?:we are investigating|investigating|under investigation)\b"),
        frozenset({"triage", "investigating"}),
    ),
)
"""(what a subject says, how it says it, the states of an incident in which that is true)."""

_STILL_OPEN = re.compile(
    r"(?i)\b(?:still (?:investigating|working|affected|ongoing)|not (?:yet )?(?:been )?(?:resolved|fixed)"
    r"|unresolved|is ongoing|remains? (?:affected|unavailable))\b"
)
_NAMES = ("title", "system", "services", "organisation")
"""Fields whose values are names: a word in a name claims nothing ('Fixed-rate loans', 'High Street')."""


def _contradictions(subject: str, body: str, fields: Mapping[str, str]) -> Iterator[Finding]:
    words = _without_names(subject, fields)
    status = fields.get("status", "").strip().lower()
    for what, pattern, states in CLAIMS:
        if not pattern.search(words):
            continue
        if status in _STATES and status not in states:
            yield _contradiction(f"The subject says {what}, the status is {status}.")
        if what == "resolved" and (match := _STILL_OPEN.search(body)):
            yield _contradiction(f"The subject says resolved, the body says {match.group()!r}.")
    severity = fields.get("severity", "").strip()
    for labels in LABEL_SETS.values():
        if severity in labels:
            for other in (label for label in labels if label != severity):
                if re.search(rf"(?<![\w-]){re.escape(other)}(?![\w-])", words):
                    yield _contradiction(f"The subject says {other}, the severity is {severity}.")


def _without_names(subject: str, fields: Mapping[str, str]) -> str:
    for name in _NAMES:
        if value := " ".join(fields.get(name, "").split()):
            subject = subject.replace(value, " ")
    return subject


_STATES = frozenset({"triage", "investigating", "contained", "monitoring", "resolved", "reviewing", "closed"})


def _contradiction(why: str) -> Finding:
    return Finding(
        rule="contradiction",
        grade="error",
        where="subject",
        why=why,
        mend="Make the subject say what is true now.",
    )


JARGON: dict[str, str] = {
    "alias": "the version in use",
    "API": "connection",
    "backend": "our systems",
    "baseline": "the usual level",
    "bias": "unfair results for a group",
    "canary": "trial",
    "checkpoint": "saved state",
    "cluster": "servers",
    "containment": "stopping the harm",
    "data drift": "a change in the data",
    "demographic parity": "equal treatment of groups",
    "deployment": "release",
    "drift": "a change over time",
    "endpoint": "service",
    "equalised odds": "equal error rates for groups",
    "failover": "switch to a spare",
    "false positive": "false alarm",
    "feature flag": "switch",
    "hotfix": "correction",
    "inference": "decision",
    "latency": "delay",
    "mitigation": "what we do about it",
    "ML": "automated",
    "P0": "very serious",
    "pipeline": "processing",
    "precision": "how often it is right",
    "recall": "how much it finds",
    "regression": "a change for the worse",
    "rollback": "return to the earlier version",
    "root cause": "cause",
    "SEV-1": "very serious",
    "SLA": "promised time",
    "throughput": "number of requests",
    "training-serving skew": "a difference in the data",
}
"""Words that readers outside the trade stumble over, with plain ones."""

_JARGON = tuple(
    # Capitals are kept apart: "ML" is jargon, "ml" is a volume.
    (
        word,
        plain,
        re.compile(rf"(?<![\w-]){re.escape(word)}(?:s|es)?(?![\w-])", 0 if word.isupper() else re.IGNORECASE),
    )
    for word, plain in JARGON.items()
)


def _jargon(subject: str, body: str) -> Iterator[Finding]:
    texts: tuple[tuple[Literal["subject", "body"], str], ...] = (("subject", subject), ("body", body))
    for where, text in texts:
        for word, plain, pattern in _JARGON:
            if pattern.search(text):
                yield Finding(
                    rule="jargon",
                    grade="warning",
                    where=where,
                    why=f"{word!r} is jargon.",
                    mend=f"Say: {plain}.",
                )
