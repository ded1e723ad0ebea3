"""Action items that can be checked: what, who, by when, and how one will know. Vague ones are refused (REV-4)."""

from __future__ import annotations

import datetime as dt
import re
from typing import Literal

import msgspec

Priority = Literal["high", "medium", "low"]
Remedy = Literal["retrain", "clean_data", "code_and_test", "process", "infrastructure"]

LONGEST = 2_000


class ActionItem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that will change. `due` is a date in UTC; `proof` is empty until the item is completed."""

    id: str
    text: str
    owner: str
    due: dt.date
    measure: str
    """How one will know that it works: a figure to reach, or a test or monitor to pass."""
    priority: Priority = "medium"
    remedy: Remedy = "process"
    proof: str = ""

    @property
    def completed(self) -> bool:
        """Whether its effect was shown."""
        return bool(self.proof)


ATTITUDES = (
    "be careful", "be more careful", "be more cautious", "be vigilant", "be more vigilant", "be aware",
    "be more aware", "be mindful", "pay attention", "pay more attention", "try harder", "do better",
    "work harder", "take care", "take more care", "remember to", "remind everyone", "remind people",
    "remind the team", "raise awareness", "keep an eye", "stay alert", "avoid mistakes",
)  # fmt: skip
"""Wishes about people's attitude: nobody can check them, so they are refused whatever else is said."""

WEAK = (
    "improve", "enhance", "increase", "strengthen", "optimise", "optimize", "better", "ensure", "consider",
    "review", "investigate", "explore", "look into", "look at", "discuss", "think about", "address", "handle",
    "fix", "update", "revisit", "work on", "follow up", "follow up on", "monitor",
)  # fmt: skip
"""Verbs that may open an action item only when the rest says exactly what changes."""

_BROAD = frozenset(
    "monitoring alerting alerts testing tests test documentation docs communication communications process "
    "processes procedure procedures training awareness quality data model models system systems pipeline "
    "pipelines performance fairness bias security response tooling tools code things everything issue issues "
    "problem problems incident incidents this it them that again soon later future next time more better "
    "overall general appropriate appropriately properly asap where possible as needed".split()
)
_FILLERS = frozenset(
    "a an the of for to in on at by with and or our your their its is are be so such as from into all any".split()
)
_NOT_VERBS = frozenset(
    "a an the this that these those we i you they it our my someone somebody everyone everybody nobody team more "
    "better less no not none maybe perhaps data pipeline documentation process dashboard tests threshold "
    "thresholds stakeholders tbd todo n/a need needs new good".split()
)
_NOUN_ENDINGS = ("ing", "tion", "tions", "ness", "ity")
_VERBS_LIKE_NOUNS = frozenset("bring ring string ping sing swing mention question position condition".split())
_NO_OWNER = frozenset(
    "tbd tba todo n/a na none nobody someone somebody everyone everybody anyone all us we team the-team ? - "
    "unknown unassigned whoever".split()
)
_CHECKS = re.compile(
    r"\b(tests?|monitors?|probes?|checks?|assert\w*|alarms?|drills?|exercises?|experiments?|simulations?)\b"
)
_NOTHING_PROVED = frozenset(
    "done ok okay yes fixed completed complete finished works n/a none see above".split()
)


def faults(*, text: str, owner: str, due: dt.date, measure: str, today: dt.date) -> tuple[str, ...]:
    """Return what keeps an action item from being one, a sentence each with its mend; empty when it is fine."""
    found = (_text_fault(text), _owner_fault(owner), _due_fault(due, today), _measure_fault(measure))
    return tuple(fault for fault in found if fault)


def proof_fault(proof: str) -> str | None:
    """Return why `proof` does not show that an action item had its effect, or None."""
    words = _words(proof)
    if not words or all(word in _NOTHING_PROVED for word in words):
        return "Say what shows the effect: a figure, a link, or the test or monitor that passed."
    if not checkable(proof) and "://" not in proof:
        return (
            f"{_short(proof)} shows no effect. Give a figure, a link, or the test or monitor that passed, "
            "so that another person can look."
        )
    return None


def checkable(text: str) -> bool:
    """Return whether `text` holds a figure, or names a test, monitor, probe or drill."""
    return any(letter.isdigit() for letter in text) or bool(_CHECKS.search(text.lower()))


def _text_fault(text: str) -> str | None:
    words = _words(text)
    if not words:
        return "Say what will be done."
    if len(text) > LONGEST:
        return f"The text has {len(text)} characters; {LONGEST} are the limit. Split it into several items."
    said = " ".join(words)
    for attitude in ATTITUDES:
        if re.search(rf"\b{attitude}\b", said):
            return (
                f"'{attitude}' is a wish about people, which nobody can check. "
                "Name the change that makes the mistake harder to make."
            )
    return _verb_fault(words) or _object_fault(text, words)


def _verb_fault(words: list[str]) -> str | None:
    first = words[0]
    looks_like_noun = first.endswith(_NOUN_ENDINGS) and first not in _VERBS_LIKE_NOUNS
    if first in _NOT_VERBS or first[0].isdigit() or looks_like_noun:
        return f"'{first}' is not something to do. Begin with the verb: add, remove, test, alert, block, retrain."
    return None


def _object_fault(text: str, words: list[str]) -> str | None:
    weak = next((verb for verb in sorted(WEAK, key=len, reverse=True) if _opens(words, verb)), None)
    rest = words[len(weak.split()) if weak else 1 :]
    particular = [word for word in rest if word not in _FILLERS and word not in _BROAD]
    if weak and len(particular) < 3 and not _figures(text):
        return (
            f"{_short(text)} is too vague: '{weak}' can mean anything. "
            "Say what exactly changes, where, and at which threshold."
        )
    if not particular:
        return (
            f"{_short(text)} does not say what it acts on. Name the model, feature, dataset, monitor or step."
        )
    if len(words) < 4:
        return f"{_short(text)} is too short to act on. Say what changes, and where."
    return None


def _owner_fault(owner: str) -> str | None:
    name = owner.strip()
    if not name or "-".join(_words(name) or [name]) in _NO_OWNER:
        said = f"'{name}' is nobody" if name else "The item has no owner"
        return f"{said}. Name one person, or one team that answers for it."
    return None


def _due_fault(due: dt.date, today: dt.date) -> str | None:
    if due <= today:
        return f"The due date {due.isoformat()} is not in the future. Give a day after {today.isoformat()}."
    return None


def _measure_fault(measure: str) -> str | None:
    words = _words(measure)
    if not words:
        return "Say how one will know that it works: a figure to reach, or a test or monitor to pass."
    if len(words) < 3 or not checkable(measure):
        return (
            f"The measure {_short(measure)} cannot be checked. Give a figure to reach "
            "('gap below 0.05 for 14 days'), or name the test or monitor that must pass."
        )
    return None


def _opens(words: list[str], verb: str) -> bool:
    parts = verb.split()
    return words[: len(parts)] == parts


def _figures(text: str) -> bool:
    return any(letter.isdigit() for letter in text)


def _words(text: str) -> list[str]:
    return [word.rstrip("./-") for word in re.findall(r"[^\W_][\w./%-]*", text.lower())]


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return f"'{flat[:60]}...'" if len(flat) > 60 else f"'{flat}'"
