"""Access and configuration as streams: every command in every situation. A dash means refused, an equals sign no news."""

from __future__ import annotations

import datetime as dt

import pytest

from tocsin.catalog import access as a
from tocsin.catalog import applied as c
from tocsin.kernel.errors import Refused

T0 = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
ADA = a.CreateAccount(account="ada", role="administrator")
BEN = a.CreateAccount(account="ben", role="responder")
TOKEN = a.CreateToken(token="t", name="script", purpose="api")
PATHS: dict[str, tuple[a.AccessCommand, ...]] = {
    "nobody": (),
    "one": (ADA,),
    "two": (ADA, BEN, TOKEN),
    "disabled": (ADA, BEN, TOKEN, a.DisableAccount(account="ben")),
    "revoked": (ADA, BEN, TOKEN, a.RevokeToken(token="t")),
}
COMMANDS: dict[str, a.AccessCommand] = {
    "create": BEN,
    "demote_ada": a.ChangeRole(account="ada", role="viewer"),
    "promote_ben": a.ChangeRole(account="ben", role="lead"),
    "password": a.SetPassword(account="ben"),
    "disable_ada": a.DisableAccount(account="ada"),
    "disable_ben": a.DisableAccount(account="ben"),
    "enable_ben": a.EnableAccount(account="ben"),
    "sign_in": a.SignIn(account="ben"),
    "refuse": a.SignIn(account="ben", refused="The password was wrong."),
    "token": TOKEN,
    "revoke": a.RevokeToken(token="t"),
}
TABLE = """
          create  demote_ada promote_ben password disable_ada disable_ben enable_ben sign_in refuse token   revoke
nobody    created -          -           -        -           -           -          -       -      made    -
one       created -          -           -        -           -           -          -       -      made    -
two       =       -          role        set      -           disabled    =          in      out    =       revoked
disabled  =       -          role        set      -           =           enabled    in      out    =       revoked
revoked   =       -          role        set      -           disabled    =          in      out    =       =
"""
HEAD, *ROWS = [line.split() for line in TABLE.strip().splitlines()]
CELLS = [(row[0], name, cell) for row in ROWS for name, cell in zip(HEAD, row[1:], strict=True)]
WORDS: dict[str, type[a.AccessEvent]] = {
    "created": a.AccountCreated, "role": a.RoleChanged, "set": a.PasswordSet, "disabled": a.AccountDisabled,
    "enabled": a.AccountEnabled, "in": a.SignedIn, "out": a.SignInRefused, "made": a.TokenCreated,
    "revoked": a.TokenRevoked,
}  # fmt: skip


def reached(path: str) -> a.Access:
    state = a.INITIAL
    for command in PATHS[path]:
        for event in a.decide(state, command, T0):
            state = a.evolve(state, event)
    return state


def test_the_table_has_every_situation_and_every_kind_of_command() -> None:
    assert {row[0] for row in ROWS} == set(PATHS)
    assert set(HEAD) == set(COMMANDS)
    assert {type(command) for command in COMMANDS.values()} == set(a.AccessCommand.__args__)


@pytest.mark.parametrize(("path", "name", "outcome"), CELLS)
def test_each_command_in_each_situation(path: str, name: str, outcome: str) -> None:
    state = reached(path)
    if outcome == "-":
        with pytest.raises(Refused) as refusal:
            a.decide(state, COMMANDS[name], T0)
        assert refusal.value.mend
        return
    events = a.decide(state, COMMANDS[name], T0)
    assert [type(event) for event in events] == ([] if outcome == "=" else [WORDS[outcome]])
    if events and outcome not in ("set", "in", "out"):
        assert a.evolve(state, events[0]) != state
        assert a.decide(a.evolve(state, events[0]), COMMANDS[name], T0) == ()


def test_a_second_administrator_lets_the_first_go() -> None:
    state = a.evolve(reached("two"), a.RoleChanged(account="ben", role="administrator"))
    assert a.decide(state, COMMANDS["demote_ada"], T0)
    assert a.decide(state, COMMANDS["disable_ada"], T0)


def test_files_count_up_and_the_same_files_and_reference_are_no_news() -> None:
    first = c.Apply(digest="a" * 64, changes=("added system loan",), source="api")
    (event,) = c.decide(c.INITIAL, first, T0)
    state = c.evolve(c.INITIAL, event)
    assert (state.version, state.digest) == (1, "a" * 64)
    assert c.decide(state, first, T0) == ()
    pin = c.PinReference(system="loan", digest="b" * 64, model_version="2", note="validation")
    (pinned,) = c.decide(state, pin, T0)
    state = c.evolve(state, pinned)
    assert c.decide(state, pin, T0) == ()
    assert c.CONFIGURATION.fold([event, pinned]) == state
