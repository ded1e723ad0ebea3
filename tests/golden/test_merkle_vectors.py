"""Our proofs against other people's vectors (tests/data/vectors/ORIGIN.md)."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tocsin.evidence import merkle
from tocsin.kernel.errors import Invalid

VECTORS = Path(__file__).resolve().parent.parent / "data" / "vectors" / "merkle" / "inclusion"
FILES = sorted(VECTORS.glob("*/*.json"))

# The reference tree of RFC 6962 implementations: eight leaves, and the root after each.
LEAVES = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


def test_all_vectors_are_there() -> None:
    assert len(FILES) == 49


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_inclusion_is_judged_as_the_vector_says(file: Path) -> None:
    vector = json.loads(file.read_text())
    arguments = (
        base64.b64decode(vector["leafHash"] or ""),
        vector["leafIdx"],
        vector["treeSize"],
        [base64.b64decode(text) for text in vector["proof"] or []],
        base64.b64decode(vector["root"] or ""),
    )
    if vector["wantErr"]:
        with pytest.raises(Invalid):
            merkle.verify_inclusion(*arguments)
    else:
        merkle.verify_inclusion(*arguments)


@pytest.mark.parametrize("size", range(1, 9))
def test_the_root_is_that_of_the_reference_tree(size: int) -> None:
    hashes = [merkle.leaf_hash(bytes.fromhex(text)) for text in LEAVES[:size]]
    assert merkle.root_of(hashes).hex() == ROOTS[size - 1]
