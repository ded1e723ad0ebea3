"""The whole of custody on one screen, cell by cell (EVI-2, EVI-3)."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.evidence.small_log import MORNING, TABLE, an_item
from tocsin.evidence.custody import (
    CUSTODY,
    INITIAL,
    Access,
    Accessed,
    Collect,
    Collected,
    Custody,
    CustodyCommand,
    CustodyEvent,
    Export,
    Exported,
    ExportSealed,
    SealExport,
    StreamEnd,
    Transfer,
    Transferred,
    decide,
)
from tocsin.kernel.errors import Invalid, Refused
from tocsin.kernel.event import payload_bytes

NOW = MORNING + dt.timedelta(hours=1)
ITEM = an_item()
SEAL = SealExport(
    export="x-1",
    kind="incident",
    incident="i-1",
    manifest_sha256="ab" * 32,
    entries=3,
    streams=(StreamEnd(stream="incident:i-1", last=3),),
    by="ana",
)

COLLECTED = Collected(item=ITEM)
ACCESSED = Accessed(evidence="ev-1", person="ana", how="viewed", purpose="review")
TRANSFERRED = Transferred(
    evidence="ev-1",
    from_holder="tocsin",
    to_holder="ben",
    purpose="analysis",
    sha256_before=ITEM.sha256,
    sha256_after=ITEM.sha256,
)
EXPORTED = Exported(evidence="ev-1", export="x-1", by="ana", purpose="audit")
SEALED = ExportSealed(
    export="x-1",
    kind="incident",
    incident="i-1",
    manifest_sha256="ab" * 32,
    entries=3,
    streams=(StreamEnd(stream="incident:i-1", last=3),),
    by="ana",
)

HISTORY: dict[str, tuple[CustodyEvent, ...]] = {
    "nothing": (),
    "held": (COLLECTED,),
    "moved": (COLLECTED, ACCESSED, TRANSFERRED),
    "exported": (COLLECTED, EXPORTED),
    "sealed": (SEALED,),
}
COMMAND: dict[str, CustodyCommand] = {
    "collect": Collect(item=ITEM),
    "other": Collect(item=an_item(TABLE)),
    "access": Access(person="ana", how="viewed", purpose="review"),
    "to-ben": Transfer(to_holder="ben", purpose="analysis", arrived_sha256=ITEM.sha256),
    "damaged": Transfer(to_holder="cy", purpose="analysis", arrived_sha256="cd" * 32),
    "export": Export(export="x-1", by="ana", purpose="audit"),
    "seal": SEAL,
    "reseal": msgspec.structs.replace(SEAL, manifest_sha256="cd" * 32),
}
# The name of the event that happens; '=' when nothing changes; '-' when it is refused.
TABLE_OF_CUSTODY = """
          collect    other      access    to-ben       damaged  export    seal    reseal
nothing   Collected  Collected  -         -            -        -         sealed  sealed
held      =          -          Accessed  Transferred  -        Exported  -       -
moved     =          -          Accessed  =            -        Exported  -       -
exported  =          -          Accessed  Transferred  -        =         -       -
sealed    -          -          -         -            -        -         =       -
""".replace("sealed  sealed", "ExportSealed ExportSealed")
HEAD, *ROWS = [line.split() for line in TABLE_OF_CUSTODY.strip().splitlines()]
CELLS = [(row[0], name, cell) for row in ROWS for name, cell in zip(HEAD, row[1:], strict=True)]


def test_the_table_has_every_state_and_every_command() -> None:
    assert {state for state, _, _ in CELLS} == HISTORY.keys()
    assert set(HEAD) == COMMAND.keys()
    assert {type(command) for command in COMMAND.values()} == set(CustodyCommand.__args__)


@pytest.mark.parametrize(("state", "name", "outcome"), CELLS)
def test_custody_cell_by_cell(state: str, name: str, outcome: str) -> None:
    custody = CUSTODY.fold(HISTORY[state])
    if outcome == "-":
        with pytest.raises(Refused) as caught:
            decide(custody, COMMAND[name], NOW)
        assert caught.value.why
        assert caught.value.mend
    else:
        events = decide(custody, COMMAND[name], NOW)
        assert [type(event).__name__ for event in events] == ([] if outcome == "=" else [outcome])


def test_the_whole_life_of_an_item_in_its_state() -> None:
    custody = CUSTODY.fold((COLLECTED, ACCESSED, TRANSFERRED, ACCESSED, EXPORTED))
    assert custody == Custody(item=ITEM, holder="ben", accesses=2, transfers=1, exports=("x-1",))
    assert CUSTODY.fold((COLLECTED,)).holder == ITEM.collected_by
    assert CUSTODY.fold((SEALED,)) == Custody(sealed=SEALED)


def test_events_say_who_had_it_who_has_it_and_that_the_bytes_are_the_same() -> None:
    custody = CUSTODY.fold((COLLECTED, TRANSFERRED))
    transfer = Transfer(to_holder="cy", purpose="court", arrived_sha256=ITEM.sha256, approval="ap-1")
    assert decide(custody, transfer, NOW) == (
        Transferred(
            evidence="ev-1",
            from_holder="ben",
            to_holder="cy",
            purpose="court",
            sha256_before=ITEM.sha256,
            sha256_after=ITEM.sha256,
            approval="ap-1",
        ),
    )
    access = Access(person="ana", how="downloaded", purpose="audit", on_behalf_of="the auditor")
    assert decide(custody, access, NOW) == (
        Accessed(
            evidence="ev-1", person="ana", how="downloaded", purpose="audit", on_behalf_of="the auditor"
        ),
    )
    assert decide(custody, COMMAND["export"], NOW) == (EXPORTED,)
    assert decide(INITIAL, SEAL, NOW) == (SEALED,)


def test_every_reading_counts_even_the_same_one_twice() -> None:
    custody = CUSTODY.fold((COLLECTED, ACCESSED))
    assert decide(custody, COMMAND["access"], NOW) == (ACCESSED,)


def test_nothing_is_collected_later_than_now() -> None:
    with pytest.raises(Refused, match="later than now"):
        decide(INITIAL, Collect(item=ITEM), MORNING - dt.timedelta(microseconds=1))
    assert decide(INITIAL, Collect(item=ITEM), MORNING) == (COLLECTED,)


@pytest.mark.parametrize(
    ("command", "where"),
    [
        (Collect(item=msgspec.structs.replace(ITEM, reason=" ")), "reason"),
        (Access(person="", how="viewed", purpose="p"), "person"),
        (Access(person="p", how="viewed", purpose=" "), "purpose"),
        (Transfer(to_holder="", purpose="p", arrived_sha256=ITEM.sha256), "to_holder"),
        (Transfer(to_holder="b", purpose="", arrived_sha256=ITEM.sha256), "purpose"),
        (Export(export="", by="b", purpose="p"), "export"),
        (Export(export="e", by="", purpose="p"), "by"),
        (Export(export="e", by="b", purpose=""), "purpose"),
    ],
)
def test_who_and_why_may_not_be_blank(command: CustodyCommand, where: str) -> None:
    custody = INITIAL if isinstance(command, Collect) else CUSTODY.fold((COLLECTED,))
    with pytest.raises(Invalid) as caught:
        decide(custody, command, NOW)
    assert caught.value.where == where


@pytest.mark.parametrize("field", ["export", "kind", "by", "manifest_sha256"])
def test_a_seal_says_what_it_seals(field: str) -> None:
    with pytest.raises(Invalid) as caught:
        decide(INITIAL, msgspec.structs.replace(SEAL, **{field: " "}), NOW)
    assert caught.value.where == field


def test_every_event_is_read_back_from_its_payload() -> None:
    for event in (COLLECTED, ACCESSED, TRANSFERRED, EXPORTED, SEALED):
        assert CUSTODY.read_event(payload_bytes(event)) == event


@given(st.lists(st.sampled_from(sorted(COMMAND)), max_size=12))
def test_any_run_of_commands_is_its_events_and_a_second_try_changes_nothing(names: list[str]) -> None:
    custody = INITIAL
    events: list[CustodyEvent] = []
    for name in names:
        try:
            happened = decide(custody, COMMAND[name], NOW)
        except Refused:
            continue
        events += happened
        custody = CUSTODY.fold(events)
        if name != "access":
            assert decide(custody, COMMAND[name], NOW) == ()
    assert CUSTODY.read_state(CUSTODY.write_state(custody)) == CUSTODY.fold(events) == custody
    assert not (custody.item and custody.sealed)
