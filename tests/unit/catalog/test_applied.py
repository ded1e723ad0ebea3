"""The history of the configuration as a stream (CAT-4)."""

from __future__ import annotations

import datetime as dt

from tocsin.catalog.applied import CONFIGURATION, INITIAL, Apply, PinReference, decide, evolve

NOW = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
PIN = PinReference(system="loan", digest="a" * 64, model_version="7", note="Validation data")
APPLY = Apply(digest="b" * 64, changes=("added system loan",), source="api")


def test_what_is_in_force_already_is_no_event() -> None:
    state = INITIAL
    for command in (APPLY, PIN):
        (event,) = decide(state, command, NOW)
        state = evolve(state, event)
        assert decide(state, command, NOW) == ()
    assert (state.version, state.digest, state.references["loan"].digest) == (1, "b" * 64, "a" * 64)
    assert CONFIGURATION.read_state(CONFIGURATION.write_state(state)) == state


def test_another_reference_of_the_same_system_replaces_the_first_and_keeps_the_rest() -> None:
    state = CONFIGURATION.fold([*decide(INITIAL, APPLY, NOW), *decide(INITIAL, PIN, NOW)])
    other = PinReference(system="loan", digest="c" * 64, model_version="8", note="")
    (event,) = decide(state, other, NOW)
    after = evolve(state, event)
    assert (after.version, after.references) == (1, {"loan": event})
