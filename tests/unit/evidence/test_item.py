"""The minimum custody record leaves nothing blank (EVI-1)."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Any

import msgspec
import pytest

from tests.unit.evidence.small_log import BLOB, MORNING, an_item
from tocsin.evidence.item import check, digest, is_digest
from tocsin.kernel.errors import Invalid


def test_a_digest_is_sha256_in_hex() -> None:
    assert digest(BLOB) == hashlib.sha256(BLOB).hexdigest()
    assert is_digest(digest(BLOB))


@pytest.mark.parametrize("text", ["", "ab" * 31, "ab" * 33, "AB" * 32, "g" * 64, "ab" * 32 + "\n", "١" * 64])
def test_nothing_else_is_a_digest(text: str) -> None:
    assert not is_digest(text)


def test_a_complete_record_passes() -> None:
    check(an_item())
    check(msgspec.structs.replace(an_item(b""), retention_until=MORNING + dt.timedelta(days=3 * 365)))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", ""),
        ("incident", " "),
        ("what", ""),
        ("media_type", ""),
        ("source_system", ""),
        ("source_locator", "\t"),
        ("collected_by", ""),
        ("acquisition_method", ""),
        ("tool", ""),
        ("tool_version", ""),
        ("reason", ""),
        ("classification", ""),
        ("sha256", "AB" * 32),
        ("sha256", ""),
        ("size", -1),
        ("collected_at", MORNING.replace(tzinfo=None)),
        ("retention_until", MORNING.replace(tzinfo=None)),
        ("retention_until", MORNING - dt.timedelta(seconds=1)),
    ],
)
def test_an_incomplete_record_is_refused_by_the_name_of_its_field(field: str, value: Any) -> None:
    with pytest.raises(Invalid) as caught:
        check(msgspec.structs.replace(an_item(), **{field: value}))
    assert caught.value.where == field
