"""Predictions sent one by one: counted into profiles here, kept until their labels arrive (SIG-2).

For senders without the SDK. A prediction id counts once; a label joins its prediction and counts into the
window in which the prediction was made.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

import msgspec
from sqlalchemy import and_, insert, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as lite_insert

from tocsin.kernel.clock import aware
from tocsin.store import tables
from tocsin.store.transaction import Transaction
from tocsin_sdk.profile import Profile

WINDOW_SECONDS = 10
PRODUCER = "server"

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=120)]
Moment = Annotated[dt.datetime, msgspec.Meta(tz=True)]
Value = str | int | float | bool | None


class SentPrediction(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One prediction."""

    id: Id
    at: Moment
    model_version: Id
    features: dict[str, Value] = {}
    prediction: Value = None
    score: float | None = None
    group: str | None = None
    latency_ms: float | None = None
    error: str | None = None


class SentPredictions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A batch of predictions of one system."""

    system: Id
    predictions: Annotated[tuple[SentPrediction, ...], msgspec.Meta(max_length=10_000)]


class SentLabel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was true of one prediction."""

    id: Id
    label: str | int | bool
    at: Moment | None = None


class SentLabels(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A batch of labels of one system."""

    system: Id
    labels: Annotated[tuple[SentLabel, ...], msgspec.Meta(max_length=10_000)]


def accept(tx: Transaction, sent: SentPredictions) -> int:
    """Keep predictions whose id is new and count them; return how many were."""
    new = lite_insert if tx.connection.dialect.name == "sqlite" else pg_insert
    windows: dict[tuple[dt.datetime, str], Profile] = {}
    accepted = 0
    for one in sent.predictions:
        row = {"system": sent.system, "id": one.id, "at": aware(one.at), "document": msgspec.json.encode(one)}
        if not tx.connection.execute(new(tables.prediction).values(**row).on_conflict_do_nothing()).rowcount:
            continue
        accepted += 1
        profile = windows.setdefault((_window(one.at), one.model_version), Profile())
        profile.add(
            features=one.features,
            prediction=one.prediction,
            score=one.score,
            group=one.group,
            latency_ms=one.latency_ms,
            error=one.error,
            at_ms=int(one.at.timestamp() * 1000),
        )
    _add(tx, sent.system, windows)
    return accepted


def label(tx: Transaction, sent: SentLabels) -> int:
    """Join labels to their predictions and count them; return how many found theirs."""
    table = tables.prediction
    windows: dict[tuple[dt.datetime, str], Profile] = {}
    joined = 0
    for given in sent.labels:
        mine = and_(table.c.system == sent.system, table.c.id == given.id)
        document = tx.connection.execute(select(table.c.document).where(mine)).scalar_one_or_none()
        if document is None:
            continue
        one = msgspec.json.decode(document, type=_Kept)
        if one.labelled:
            continue
        joined += 1
        kept = msgspec.structs.replace(one, labelled=True)
        tx.connection.execute(update(table).where(mine).values(document=msgspec.json.encode(kept)))
        profile = windows.setdefault((_window(one.at), one.model_version), Profile())
        profile.add_label(label=given.label, prediction=one.prediction, score=one.score, group=one.group)
    _add(tx, sent.system, windows)
    return joined


class _Kept(SentPrediction, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A prediction as it is kept: with whether its label has come."""

    labelled: bool = False


def _window(at: dt.datetime) -> dt.datetime:
    seconds = int(at.timestamp()) // WINDOW_SECONDS * WINDOW_SECONDS
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def _add(tx: Transaction, system: str, windows: dict[tuple[dt.datetime, str], Profile]) -> None:
    for (start, version), profile in windows.items():
        row: dict[str, Any] = {
            "system": system,
            "window_start": start,
            "segment": "",
            "model_version": version,
            "producer": PRODUCER,
            "sequence": tx.next_number("profile"),
            "window_seconds": WINDOW_SECONDS,
            "received_at": tx.now,
            "predictions": profile.operations.volume,
            "body": msgspec.json.encode(profile.to_wire()),
        }
        tx.connection.execute(insert(tables.profile).values(**row))
    if windows:
        tx.touched.add(f"system:{system}")
