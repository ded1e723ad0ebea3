"""The playbooks that ship with the product hold to the rules they are linted by, and every way through them ends."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

import tocsin.catalog
from tocsin.catalog.load import load
from tocsin.catalog.playbook import Playbook, Task, next_steps
from tocsin.response.playbooks.playbook import lint
from tocsin.response.playbooks.run import RUN, Answer, CompleteTask, Run, Start

NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
DEFAULTS = Path(tocsin.catalog.__file__).parent / "defaults"
SHIPPED = load({path.name: path.read_text() for path in sorted(DEFAULTS.glob("*.yaml"))}).playbooks


def test_playbooks_ship():
    assert "bias" in SHIPPED
    assert len(SHIPPED) >= 4


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_a_shipped_playbook_has_no_findings(name):
    assert lint(SHIPPED[name]) == ()


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_a_person_who_knows_nothing_is_led_to_an_end(name):
    state = started(SHIPPED[name])
    for _ in range(3 * len(SHIPPED[name].steps)):
        if state.status == "finished":
            break
        state = told(state, answer(state))
    assert state.status == "finished"
    assert state.outcome


def started(book: Playbook) -> Run:
    return RUN.fold(RUN.decide(RUN.initial, Start(incident="i", system="s", playbook=book), NOW))


def answer(state: Run) -> Answer | CompleteTask:
    step = state.current()
    if isinstance(step, Task):
        return CompleteTask(step=step.id, who="ana")
    choices = next_steps(step)
    word = "unknown" if "unknown" in choices else next(iter(choices))
    return Answer(step=step.id, answer=word, by="person", who="ana", roles=("commander",))


def told(state: Run, command: Answer | CompleteTask) -> Run:
    for event in RUN.decide(state, command, NOW):
        state = RUN.evolve(state, event)
    return state
