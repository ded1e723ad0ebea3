"""What is wrong with a playbook, found before anybody needs it (RSP-4).

A schema cannot see these faults: a playbook with an endless loop or a missing step is valid in any format.
"""

from __future__ import annotations

import datetime as dt
import difflib
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Literal

import msgspec

from tocsin.catalog.playbook import UNKNOWN, AnyStep, Decision, End, Playbook, Question, Task, next_steps

REVIEW_EVERY = dt.timedelta(days=92)
"""A quarter: playbooks are reviewed at least that often (RSP-4)."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One fault. With an error a playbook must not run; a warning is for its owner."""

    weight: Literal["error", "warning"]
    rule: str
    step: str
    """The step it is about, or empty for the playbook as a whole."""
    text: str


def lint(
    playbook: Playbook, *, staffed: Collection[str] | None = None, today: dt.date | None = None
) -> tuple[Finding, ...]:
    """Return every fault of `playbook`, errors first, each group in the order of its steps.

    `staffed` names the roles that somebody in the catalog can take; `today` is compared with the last review.
    Both checks are left out when None.
    """
    found = [
        *_names(playbook),
        *_targets(playbook),
        *_branches(playbook),
        *_reach(playbook),
        *_exits(playbook),
        *_owners(playbook, staffed),
        *_review(playbook, today),
    ]
    return tuple(sorted(found, key=lambda finding: finding.weight != "error"))


def errors(playbook: Playbook) -> tuple[Finding, ...]:
    """Return the faults that forbid a run of `playbook`."""
    return tuple(finding for finding in lint(playbook) if finding.weight == "error")


def _error(rule: str, step: str, text: str) -> Finding:
    return Finding(weight="error", rule=rule, step=step, text=text)


def _warning(rule: str, step: str, text: str) -> Finding:
    return Finding(weight="warning", rule=rule, step=step, text=text)


def _names(playbook: Playbook) -> Iterable[Finding]:
    if not playbook.steps:
        yield _error("no-steps", "", "The playbook has no steps.")
    counts = Counter(step.id for step in playbook.steps)
    for name, count in counts.items():
        if count > 1:
            yield _error("same-id", name, f"{count} steps are called '{name}'. Give each its own id.")
    if playbook.steps and playbook.first_step not in counts:
        yield _error(
            "unknown-step",
            "",
            f"The playbook starts at '{playbook.first_step}', which is not one of its steps."
            f"{_guess(playbook.first_step, counts)}",
        )


def _targets(playbook: Playbook) -> Iterable[Finding]:
    names = {step.id for step in playbook.steps}
    for step in playbook.steps:
        for way, target in next_steps(step).items():
            if target not in names:
                by = f" on '{way}'" if way else ""
                yield _error(
                    "unknown-step",
                    step.id,
                    f"Step '{step.id}' leads{by} to '{target}', which is not a step of this playbook."
                    f"{_guess(target, names)}",
                )


def _branches(playbook: Playbook) -> Iterable[Finding]:
    for step in playbook.steps:
        if isinstance(step, Question):
            yield from _question(step)
        elif isinstance(step, Decision) and not step.options:
            yield _error(
                "dead-end",
                step.id,
                f"Decision '{step.id}' offers no option, so a run would stop there for ever.",
            )


def _question(step: Question) -> Iterable[Finding]:
    if not step.answers:
        yield _error(
            "dead-end", step.id, f"Question '{step.id}' has no answers, so a run would stop there for ever."
        )
        return
    if UNKNOWN not in step.answers:
        yield _error(
            "no-unknown",
            step.id,
            f"Question '{step.id}' has no '{UNKNOWN}' branch. Lead it to the step that is safe when nobody knows.",
        )
    if set(step.answers) == {UNKNOWN}:
        yield _warning("no-choice", step.id, f"Question '{step.id}' can only be answered '{UNKNOWN}'.")
    for word in ("yes", "no"):
        if step.probe and word not in step.answers:
            yield _error(
                "no-branch",
                step.id,
                f"Question '{step.id}' may be answered by probe '{step.probe}', and has no '{word}' branch for it.",
            )


def _reach(playbook: Playbook) -> Iterable[Finding]:
    ways = _ways(playbook)
    if playbook.first_step not in ways:
        return  # everything would be unreachable: the missing first step is the one fault to mend
    reached = _closure({playbook.first_step}, ways)
    for name in ways:
        if name not in reached:
            yield _warning(
                "unreachable",
                name,
                f"No way leads from '{playbook.first_step}' to step '{name}'. Connect it or remove it.",
            )


def _exits(playbook: Playbook) -> Iterable[Finding]:
    """A step from which no end can be reached: every run that enters it goes round for ever."""
    ways = _ways(playbook)
    back: dict[str, set[str]] = {name: set() for name in ways}
    for name, targets in ways.items():
        for target in targets & ways.keys():
            back[target].add(name)
    stuck = {step.id for step in playbook.steps if not next_steps(step) and not isinstance(step, End)}
    broken = {name for name, targets in ways.items() if targets - ways.keys()}
    # A step that leads to a dead end or to a missing step is that other fault's consequence, not a loop.
    told = {step.id for step in playbook.steps if isinstance(step, End)} | stuck | broken
    ending = _closure(told, back)
    loop = [name for name in ways if name not in ending]
    for name in loop:
        yield _error(
            "no-exit",
            name,
            f"From step '{name}' no end can be reached: a run would go round {_quoted(loop)} for ever. "
            "Add a branch that leaves the loop.",
        )


def _owners(playbook: Playbook, staffed: Collection[str] | None) -> Iterable[Finding]:
    owner = _text(playbook.owner)
    if not owner:
        yield _error("no-owner", "", "The playbook has no owner. Name the role that keeps it current.")
    elif staffed is not None and owner not in staffed:
        yield _warning("nobody", "", f"Nobody in the catalog can be '{owner}', who owns the playbook.")
    for step in playbook.steps:
        role = _role(step)
        if role is None:
            continue
        if not role:
            yield _error("no-owner", step.id, f"Step '{step.id}' has no owner. Name the role that does it.")
        elif staffed is not None and role not in staffed:
            yield _warning(
                "nobody", step.id, f"Nobody in the catalog can be '{role}', whom step '{step.id}' needs."
            )


def _text(role: str) -> str:
    """Forget that the catalog's type allows known roles only: an imported playbook may not have been through it."""
    return role


def _role(step: AnyStep) -> str | None:
    match step:
        case Task():
            return step.owner
        case Decision():
            return step.role
        case _:
            return None


def _review(playbook: Playbook, today: dt.date | None) -> Iterable[Finding]:
    if today is None:
        return
    age = today - playbook.reviewed_on
    if age > REVIEW_EVERY:
        yield _warning(
            "stale",
            "",
            f"Last reviewed on {playbook.reviewed_on.isoformat()}, {age.days} days ago. "
            f"Playbooks are reviewed every {REVIEW_EVERY.days} days.",
        )


def _ways(playbook: Playbook) -> dict[str, set[str]]:
    ways: dict[str, set[str]] = {step.id: set() for step in playbook.steps}
    for step in playbook.steps:
        ways[step.id].update(next_steps(step).values())
    return ways


def _closure(start: set[str], ways: dict[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = [name for name in start if name in ways]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting.extend(target for target in ways[name] if target in ways)
    return reached


def _guess(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, sorted(names), n=1)
    return f" Did you mean '{near[0]}'?" if near else ""


def _quoted(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
