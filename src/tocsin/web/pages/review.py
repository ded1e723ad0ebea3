"""The review of an incident: what the record says, what people add, and what still keeps it open (REV-1..4)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, get_args

import msgspec
from fastapi import APIRouter, Depends, Request, Response

from tocsin.engine import review
from tocsin.engine.review import person_name
from tocsin.engine.world import World
from tocsin.incidents.incident import INCIDENT, Status
from tocsin.kernel import quantity
from tocsin.kernel.errors import Invalid, TocsinError
from tocsin.reviews import fairness_review
from tocsin.reviews import review as reviews
from tocsin.reviews.action_item import Priority, Remedy
from tocsin.reviews.fairness_review import GroupGap
from tocsin.reviews.review import REVIEW, FactorKind, Part, missing
from tocsin.web.api.answers import incident_id
from tocsin.web.pages.form import take
from tocsin.web.pages.layout import page
from tocsin.web.permissions import Caller, Needs, program_of

router = APIRouter(include_in_schema=False)
Reader = Annotated[Caller, Depends(Needs("read"))]
Reviewer = Annotated[Caller, Depends(Needs("review"))]
Commander = Annotated[Caller, Depends(Needs("command"))]
QUESTION = "answer."
"""What the form's names of answers begin with."""


@router.get("/incidents/{number}/review")
def review_page(request: Request, number: int, caller: Reader) -> Response:
    """Show the review."""
    return _shown(request, number, caller)


def _shown(
    request: Request,
    number: int,
    caller: Caller,
    *,
    problem: TocsinError | None = None,
    typed: dict[str, str] | None = None,
) -> Response:
    world = program_of(request).world
    id = incident_id(world, str(number))
    incident, state = world.store.state(INCIDENT, id), world.store.state(REVIEW, id)
    catalog = world.catalog.current
    gaps = state.fairness.gaps if state.fairness and state.fairness.gaps else state.gaps
    return page(
        request,
        "review.html",
        title=f"Review · INC-{number}",
        section="/incidents",
        live_scope=None,
        problem=problem,
        status=problem.status if problem else 200,
        typed=typed or {},
        incident=incident,
        review=state,
        missing=missing(state) if state.status != "none" else (),
        form=fairness_review.form(state.severity),
        charts=[chart(gap) for gap in gaps],
        gaps=gaps,
        may_close=reviews.may_close(incident.severity, state),
        is_closed=incident.status is Status.CLOSED,
        is_over=incident.status in (Status.RESOLVED, Status.REVIEWING),
        owners=[
            (one.id, one.name) for one in sorted(catalog.people.values(), key=lambda person: person.name)
        ],
        owning_teams=[
            (one.id, one.name) for one in sorted(catalog.teams.values(), key=lambda team: team.name)
        ],
        owner_name=lambda owner: (
            catalog.teams[owner].name if owner in catalog.teams else person_name(world, owner)
        ),
        parts=get_args(Part),
        kinds=get_args(FactorKind),
        priorities=get_args(Priority),
        remedies=get_args(Remedy),
        tomorrow=(world.clock.now() + dt.timedelta(days=1)).date().isoformat(),
        name=lambda who: person_name(world, who),
    )


# --- the chart of one gap -------------------------------------------------------------------------

CHART_WIDTH, CHART_HEIGHT, BASE, TOP, BAR = 330, 150, 122, 24, 56


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: before, during or after. All in the drawing's units."""

    when: str
    x: int
    y: int
    height: int
    value: str
    known: bool

    @property
    def middle(self) -> int:
        """Where its words are centred."""
        return self.x + BAR // 2


@dataclass(frozen=True, slots=True)
class Chart:
    """A gap before, during and after the incident, as three bars with their figures."""

    gap: GroupGap
    bars: list[Bar]
    label: str


def chart(gap: GroupGap) -> Chart:
    """Return the drawing of `gap`; a share is shown in points (hundredths)."""
    figures = (("Before", gap.before), ("During", gap.during), ("After", gap.after))
    most = max((abs(one) for _, one in figures if one is not None), default=Decimal(0)) or Decimal(1)
    bars = []
    for number, (when, value) in enumerate(figures):
        height = int(abs(value) / most * (BASE - TOP)) if value is not None else 0
        x = 24 + number * 106
        bars.append(Bar(when, x, BASE - height, height, points(value), value is not None))
    told = ", ".join(f"{bar.when.lower()} {bar.value}" for bar in bars)
    return Chart(gap, bars, f"{gap.measure}: {told}")


def points(value: Decimal | None) -> str:
    """Return a gap for people: a share as points, another figure as it is."""
    if value is None:
        return "not known"
    if abs(value) <= 1:
        return f"{quantity.plain((value * 100).quantize(Decimal('0.1')))} points"
    return quantity.plain(value.quantize(Decimal("0.01")))


# --- what its forms do ----------------------------------------------------------------------------

Tell = Callable[[World, str, dict[str, str], Caller], str]
"""Does what a form asks of the review of an incident; returns the part of the page to go back to."""


async def _take(request: Request, number: int, caller: Caller, tell: Tell) -> Response:
    world = program_of(request).world

    def work(given: dict[str, str]) -> str:
        return f"/incidents/{number}/review{tell(world, incident_id(world, str(number)), given, caller)}"

    return await take(
        request, work, lambda error, given: _shown(request, number, caller, problem=error, typed=given)
    )


def _typed(command: Any, /, **values: object) -> Any:
    try:
        return msgspec.convert(values, command, strict=False)
    except msgspec.ValidationError as error:
        raise Invalid(f"{error}.") from error


def _answers(world: World, id: str, given: dict[str, str], caller: Caller) -> str:
    """Save every answer that was changed, the one whose button was pressed first; each is an entry of its own."""
    pressed = given.get("question", "")
    known = world.store.state(REVIEW, id).answers
    typed = {name.removeprefix(QUESTION): text for name, text in given.items() if name.startswith(QUESTION)}
    order = sorted(typed, key=lambda name: name != pressed)
    refused: TocsinError | None = None
    for name in order:
        text = typed[name].replace("\r\n", "\n")
        if name != pressed and (not text or text == known.get(name)):
            continue
        try:
            review.tell(world, id, reviews.Answer(question=name, text=text), actor=caller.actor)
        except TocsinError as error:
            refused = refused or error
    if refused is not None:
        raise refused
    return f"#q-{pressed}"


def _factor(world: World, id: str, given: dict[str, str], caller: Caller) -> str:
    command = _typed(
        reviews.AddFactor, part=given.get("part", ""), kind=given.get("kind", ""), text=given.get("text", "")
    )
    review.tell(world, id, command, actor=caller.actor)
    return "#factors"


def _fairness(world: World, id: str, given: dict[str, str], caller: Caller) -> str:
    assessable = given.get("assessable", "yes") == "yes"
    state = world.store.state(REVIEW, id)
    gaps = tuple(_gap(given, number) for number in range(gap_count(given))) if assessable else ()
    if assessable and not gaps:
        gaps = state.gaps
    command = reviews.RecordFairness(
        assessable=assessable,
        text=given.get("text", ""),
        gaps=gaps,
        redress=given.get("redress", ""),
        safety=given.get("safety", ""),
    )
    review.tell(world, id, command, actor=caller.actor)
    return "#fairness"


def gap_count(given: dict[str, str]) -> int:
    """Return how many gaps a form carries."""
    return sum(1 for name in given if name.startswith("gap-") and name.endswith("-group"))


def _gap(given: dict[str, str], number: int) -> GroupGap:
    def text(name: str) -> str:
        return given.get(f"gap-{number}-{name}", "")

    def share(name: str) -> Decimal | None:
        return quantity.number(text(name).replace(",", ".")) if text(name) else None

    return GroupGap(
        attribute=text("attribute"),
        group=text("group"),
        reference=text("reference"),
        measure=text("measure"),
        before=share("before"),
        during=share("during"),
        after=share("after"),
        note=text("note"),
    )


def _item(world: World, id: str, given: dict[str, str], caller: Caller) -> str:
    item = world.store.run(lambda tx: tx.new_id())
    command = _typed(
        reviews.AddActionItem,
        item=item,
        text=given.get("text", ""),
        owner=given.get("owner", ""),
        due=_date(given.get("due", "")),
        measure=given.get("measure", ""),
        priority=given.get("priority", ""),
        remedy=given.get("remedy", ""),
    )
    review.tell(world, id, command, actor=caller.actor)
    return "#items"


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise Invalid(f"{text!r} is not a date.", where="due", mend="Write it like 2026-12-31.") from error


def _proof(world: World, id: str, given: dict[str, str], caller: Caller) -> str:
    command = reviews.CompleteActionItem(item=given.get("item", ""), proof=given.get("proof", ""))
    review.tell(world, id, command, actor=caller.actor)
    return "#items"


def _no_action(world: World, id: str, given: dict[str, str], caller: Caller) -> str:
    review.tell(world, id, reviews.StateNoAction(reason=given.get("reason", "")), actor=caller.actor)
    return "#items"


def _refresh(world: World, id: str, given: dict[str, str], caller: Caller) -> str:
    world.store.run(lambda tx: review.open_review(tx, world, id, actor=caller.actor))
    return ""


def _finish(world: World, id: str, given: dict[str, str], caller: Caller) -> str:
    follow_up = _date(given["follow_up"]) if given.get("follow_up") else None
    command = reviews.Finish(
        by=caller.who, follow_up=follow_up, playbook_change=given.get("playbook_change", "")
    )
    review.tell(world, id, command, actor=caller.actor)
    return "#finish"


def _reopen(world: World, id: str, given: dict[str, str], caller: Caller) -> str:
    review.tell(world, id, reviews.Reopen(by=caller.who, reason=given.get("reason", "")), actor=caller.actor)
    return ""


@router.post("/incidents/{number}/review/answers")
async def answer(request: Request, number: int, caller: Reviewer) -> Response:
    """Save answers to the review's questions."""
    return await _take(request, number, caller, _answers)


@router.post("/incidents/{number}/review/factors")
async def add_factor(request: Request, number: int, caller: Reviewer) -> Response:
    """Name a contributing factor."""
    return await _take(request, number, caller, _factor)


@router.post("/incidents/{number}/review/fairness")
async def record_fairness(request: Request, number: int, caller: Reviewer) -> Response:
    """Write the fairness and safety section."""
    return await _take(request, number, caller, _fairness)


@router.post("/incidents/{number}/review/items")
async def add_item(request: Request, number: int, caller: Reviewer) -> Response:
    """Add an action item."""
    return await _take(request, number, caller, _item)


@router.post("/incidents/{number}/review/proofs")
async def complete_item(request: Request, number: int, caller: Reviewer) -> Response:
    """Show the effect of an action item."""
    return await _take(request, number, caller, _proof)


@router.post("/incidents/{number}/review/no-action")
async def state_no_action(request: Request, number: int, caller: Reviewer) -> Response:
    """Say that nothing needs to change, and why."""
    return await _take(request, number, caller, _no_action)


@router.post("/incidents/{number}/review/refresh")
async def refresh(request: Request, number: int, caller: Reviewer) -> Response:
    """Open the review, or fill in the record anew."""
    return await _take(request, number, caller, _refresh)


@router.post("/incidents/{number}/review/finish")
async def finish(request: Request, number: int, caller: Reviewer) -> Response:
    """Finish the review."""
    return await _take(request, number, caller, _finish)


@router.post("/incidents/{number}/review/reopen")
async def reopen(request: Request, number: int, caller: Reviewer) -> Response:
    """Take a finished review up again."""
    return await _take(request, number, caller, _reopen)


@router.post("/incidents/{number}/review/close")
async def close(request: Request, number: int, caller: Commander) -> Response:
    """Close the incident, where its review allows."""

    def shut(world: World, id: str, given: dict[str, str], caller: Caller) -> str:
        review.close(world, id, reason=given.get("reason", ""), actor=caller.actor)
        return "#finish"

    return await _take(request, number, caller, shut)
