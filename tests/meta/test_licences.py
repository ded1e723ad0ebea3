"""Everything that ships beside tocsin may be shipped: permissive, or one of the few that are allowed by name."""

from __future__ import annotations

import re
from importlib.metadata import metadata

import pytest
from packaging.markers import Marker

from tools import locks

PERMISSIVE = {
    "0BSD", "APACHE-2.0", "BSD-2-CLAUSE", "BSD-3-CLAUSE", "CC0-1.0", "ISC", "MIT", "MIT-0", "PSF-2.0", "UNLICENSE",
    "ZLIB",
}  # fmt: skip
ALLOWED = {
    "certifi": ("MPL-2.0", "a list of certificates, unmodified; the MPL covers its own files only"),
    "psycopg": ("LGPL-3.0-ONLY", "an optional extra, unmodified, replaced by any other version at will"),
    "psycopg-binary": (
        "LGPL-3.0-ONLY",
        "an optional extra, unmodified, replaced by any other version at will",
    ),
    "skops": ("MIT", "its metadata names no licence; the file that it ships is the MIT licence"),
}
"""Package -> (licence, why). Read once by a person."""
SAME = {
    "3-CLAUSE BSD LICENSE": "BSD-3-CLAUSE",
    "APACHE 2.0": "APACHE-2.0",
    "APACHE SOFTWARE LICENSE": "APACHE-2.0",
    "BSD": "BSD-3-CLAUSE",
    "BSD LICENSE": "BSD-3-CLAUSE",
    "ISC LICENSE (ISCL)": "ISC",
    "MIT LICENSE": "MIT",
    "MOZILLA PUBLIC LICENSE 2.0 (MPL 2.0)": "MPL-2.0",
}
"""How older metadata writes an SPDX identifier."""


def licences(package: str) -> set[str]:
    """Return what the installed metadata of a package says, best source first, in upper-case SPDX identifiers;
    of alternatives (OR) every one must pass, which none has failed yet."""
    told = metadata(package)
    if expression := told.get("License-Expression"):
        return {part.upper() for part in re.split(r"\s+(?:AND|OR)\s+|[()]", expression) if part}
    classified = [
        name.rpartition(" :: ")[2] for name in told.get_all("Classifier", []) if name.startswith("License")
    ]
    named = [name for name in classified if name != "OSI Approved"]
    words = told.get("License") or ""
    if not named and "\n" not in words and words:
        named = [words]
    return {SAME.get(name.upper(), name.upper()) for name in named}


def locked(name: str) -> list[str]:
    pins = locks.pins((locks.FOLDER / f"{name}.txt").read_text())
    return sorted({pin.name for pin in pins if not pin.marker or Marker(pin.marker).evaluate()})


@pytest.mark.parametrize("package", locked("demo"))
def test_what_is_shipped_may_be_shipped(package: str) -> None:
    told = licences(package)
    if package in ALLOWED:
        assert told <= {ALLOWED[package][0]}
    else:
        assert told, f"{package} names no licence: read its licence file and list it"
        assert told <= PERMISSIVE


def test_the_core_needs_no_copyleft_but_a_list_of_certificates() -> None:
    assert {package for package in locked("core") if not licences(package) <= PERMISSIVE} == {"certifi"}
