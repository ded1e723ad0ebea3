"""Every table, once. Times are integers: microseconds since 1970 in UTC, the same on both databases."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)  # fmt: skip

from tocsin.kernel.clock import UTC, aware

EPOCH = dt.datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = dt.timedelta(microseconds=1)


class Moment(TypeDecorator[dt.datetime]):
    """An aware datetime, kept as whole microseconds since 1970."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> int | None:
        """Return the integer for the database."""
        return None if value is None else (aware(value) - EPOCH) // MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> dt.datetime | None:
        """Return the datetime for the program."""
        return None if value is None else EPOCH + value * MICROSECOND


BigId = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts by itself only in INTEGER PRIMARY KEY

metadata = MetaData()


def _table(name: str, *columns: Any) -> Table:
    return Table(name, metadata, *columns)


# --- the log --------------------------------------------------------------------------------------

stream = _table(
    "stream",
    Column("name", String(200), primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("key", String(160), nullable=False),
    Column("scope", String(60), nullable=False, index=True),
    Column("position", Integer, nullable=False),
    Column("state", LargeBinary, nullable=False),
    Column("updated_at", Moment, nullable=False),
)
event = _table(
    "event",
    Column("stream", String(200), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("type", String(80), nullable=False),
    Column("at", Moment, nullable=False),
    Column("actor", String(160), nullable=False),
    Column("scope", String(60), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)
leaf = _table(
    "leaf",
    Column("index", BigInteger, primary_key=True, autoincrement=False),
    Column("stream", String(200), nullable=False),
    Column("position", Integer, nullable=False),
    Column("scope", String(60), nullable=False, index=True),
    Column("hash", LargeBinary(32), nullable=False),
    UniqueConstraint("stream", "position"),
)
merkle_node = _table(
    "merkle_node",
    Column("height", Integer, primary_key=True, autoincrement=False),
    Column("index", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary(32), nullable=False),
)
log_head = _table(
    "log_head",
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
)
checkpoint = _table(
    "checkpoint",
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("note", LargeBinary, nullable=False),
)
scope_key = _table(
    "scope_key",
    Column("scope", String(60), primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
)

# --- intake, jobs, counters -----------------------------------------------------------------------

inbox = _table(
    "inbox",
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("received_at", Moment, nullable=False),
    Column("format", String(40), nullable=False),
    Column("integration", String(160), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("note", Text, nullable=False, default=""),
    Column("quarantined", Boolean, nullable=False, default=False),
    Column("reason", Text),
    Index("inbox_quarantined", "quarantined", "id"),
)
cursor = _table(
    "cursor",
    Column("name", String(40), primary_key=True),
    Column("position", BigInteger, nullable=False),
)
installation = _table(
    "installation",
    Column("name", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)
counter = _table(
    "counter",
    Column("name", String(40), primary_key=True),
    Column("value", BigInteger, nullable=False),
)
job = _table(
    "job",
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("key", String(300), nullable=False, unique=True),
    Column("kind", String(60), nullable=False),
    Column("scope", String(60), nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("state", String(10), nullable=False, default="waiting"),
    Column("attempts", Integer, nullable=False, default=0),
    Column("lease_token", String(40)),
    Column("lease_until", Moment),
    Column("error", Text),
    Column("done_at", Moment),
    Index("job_due", "state", "due_at"),
    Index("job_scope", "scope"),
)

# --- alerts ---------------------------------------------------------------------------------------

alert = _table(
    "alert",
    Column("id", String(60), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("episode", Integer, nullable=False),
    Column("current", Boolean, nullable=False),
    Column("source", String(40), nullable=False),
    Column("status", String(20), nullable=False),
    Column("severity", Integer),
    Column("category", String(60)),
    Column("system", String(120)),
    Column("title", Text, nullable=False),
    Column("starts_at", Moment, nullable=False),
    Column("last_seen", Moment, nullable=False),
    Column("group_id", String(60)),
    Column("incident", String(60)),
    Column("document", LargeBinary, nullable=False),
    UniqueConstraint("fingerprint", "episode"),
    Index("alert_current", "current", "fingerprint"),
    Index("alert_recent", "last_seen"),
    Index("alert_incident", "incident"),
)
alert_group = _table(
    "alert_group",
    Column("id", String(60), primary_key=True),
    Column("key", String(600), nullable=False),
    Column("open", Boolean, nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("alerts", Integer, nullable=False),
    Column("incident", String(60)),
    Column("document", LargeBinary, nullable=False),
    Index("alert_group_open", "open", "key"),
)

# --- read models of the streams -------------------------------------------------------------------

incident = _table(
    "incident",
    Column("id", String(60), primary_key=True),
    Column("number", Integer, nullable=False, unique=True),
    Column("title", Text, nullable=False),
    Column("status", String(20), nullable=False),
    Column("severity", Integer),
    Column("category", String(60)),
    Column("system", String(120)),
    Column("commander", String(120)),
    Column("declared_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("respond_by", Moment),
    Column("resolve_by", Moment),
    Column("next_update_by", Moment),
    Index("incident_status", "status", "severity", "declared_at"),
    Index("incident_system", "system"),
)
page = _table(
    "page",
    Column("incident", String(60), primary_key=True),
    Column("page", String(200), primary_key=True),
    Column("person", String(120), nullable=False, index=True),
    Column("level", Integer, nullable=False),
    Column("round", Integer, nullable=False),
    Column("state", String(20), nullable=False),
    Column("requested_at", Moment, nullable=False),
    Column("acknowledge_by", Moment),
    Column("acknowledged_at", Moment),
)
delivery = _table(
    "delivery",
    Column("key", String(300), primary_key=True),
    Column("scope", String(60), nullable=False, index=True),
    Column("purpose", String(20), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("person", String(160), nullable=False),
    Column("method", String(60), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("state", String(20), nullable=False),
    Column("queued_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("detail", Text, nullable=False, default=""),
    Index("delivery_recent", "updated_at"),
)
run = _table(
    "run",
    Column("id", String(60), primary_key=True),
    Column("incident", String(60), nullable=False, index=True),
    Column("playbook", String(120), nullable=False),
    Column("title", Text, nullable=False),
    Column("step", String(120)),
    Column("waiting_for", String(20)),
    Column("started_at", Moment, nullable=False),
    Column("finished", Boolean, nullable=False),
)
containment = _table(
    "containment",
    Column("id", String(60), primary_key=True),
    Column("incident", String(60), nullable=False, index=True),
    Column("system", String(120), nullable=False),
    Column("action", String(120), nullable=False),
    Column("state", String(20), nullable=False),
    Column("requested_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
)
notice = _table(
    "notice",
    Column("id", String(60), primary_key=True),
    Column("incident", String(60), nullable=False, index=True),
    Column("audience", String(60), nullable=False),
    Column("subject", Text, nullable=False),
    Column("state", String(20), nullable=False),
    Column("drafted_at", Moment, nullable=False),
    Column("released_at", Moment),
)
review = _table(
    "review",
    Column("incident", String(60), primary_key=True),
    Column("opened_at", Moment, nullable=False),
    Column("finished_at", Moment),
)
action_item = _table(
    "action_item",
    Column("id", String(60), primary_key=True),
    Column("incident", String(60), nullable=False, index=True),
    Column("text", Text, nullable=False),
    Column("owner", String(120), nullable=False),
    Column("due", String(10), nullable=False),
    Column("measure", Text, nullable=False),
    Column("done", Boolean, nullable=False),
)
evidence_item = _table(
    "evidence_item",
    Column("id", String(60), primary_key=True),
    Column("incident", String(60), nullable=False, index=True),
    Column("sha256", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("media_type", String(120), nullable=False),
    Column("what", Text, nullable=False),
    Column("collected_at", Moment, nullable=False),
)

# --- configuration, telemetry, monitors -----------------------------------------------------------

configuration = _table(
    "configuration",
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("digest", String(64), nullable=False),
    Column("files", LargeBinary, nullable=False),
    Column("applied_at", Moment, nullable=False),
    Column("applied_by", String(160), nullable=False),
)
profile = _table(
    "profile",
    Column("system", String(120), primary_key=True),
    Column("window_start", Moment, primary_key=True),
    Column("segment", String(120), primary_key=True),
    Column("model_version", String(120), primary_key=True),
    Column("producer", String(120), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("window_seconds", Integer, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("predictions", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
prediction = _table(
    "prediction",
    Column("system", String(120), primary_key=True),
    Column("id", String(120), primary_key=True),
    Column("at", Moment, nullable=False),
    Column("document", LargeBinary, nullable=False),
)
reference = _table(
    "reference",
    Column("system", String(120), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("model_version", String(120), nullable=False),
    Column("note", Text, nullable=False),
    Column("pinned_at", Moment, nullable=False),
    Column("pinned_by", String(160), nullable=False),
    Column("body", LargeBinary, nullable=False),
)
deployment = _table(
    "deployment",
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("system", String(120), nullable=False),
    Column("version", String(120), nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Index("deployment_system", "system", "seen_at"),
)
monitor_state = _table(
    "monitor_state",
    Column("monitor", String(120), primary_key=True),
    Column("system", String(120), nullable=False),
    Column("at", Moment, nullable=False),
    Column("state", String(20), nullable=False),
    Column("runs", BigInteger, nullable=False),
    Column("alarm", LargeBinary, nullable=False),
    Column("reading", LargeBinary, nullable=False),
)
reading = _table(
    "reading",
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("monitor", String(120), nullable=False),
    Column("at", Moment, nullable=False),
    Column("state", String(20), nullable=False),
    Column("document", LargeBinary, nullable=False),
    Index("reading_monitor", "monitor", "at"),
)

# --- who may come in ------------------------------------------------------------------------------

account = _table(
    "account",
    Column("id", String(60), primary_key=True),
    Column("email", String(200), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("person", String(120)),
    Column("password", String(300), nullable=False),
    Column("role", String(20), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("disabled", Boolean, nullable=False, default=False),
)
session = _table(
    "session",
    Column("digest", String(64), primary_key=True),
    Column("account", String(60), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
)
api_token = _table(
    "api_token",
    Column("digest", String(64), primary_key=True),
    Column("id", String(60), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("account", String(60), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("last_used_at", Moment),
    Column("revoked_at", Moment),
)
integration_key = _table(
    "integration_key",
    Column("digest", String(64), primary_key=True),
    Column("id", String(60), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("revoked_at", Moment),
)
sign_in_failure = _table(
    "sign_in_failure",
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("email", String(200), nullable=False),
    Column("source", String(80), nullable=False),
    Column("at", Moment, nullable=False),
    Index("sign_in_failure_email", "email", "source", "at"),
)
