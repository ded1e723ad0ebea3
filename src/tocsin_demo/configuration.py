"""The configuration of the demonstration: YAML files whose addresses are filled in before the start.

`write(directory, values)` makes the directory that `tocsin apply DIR` or `tocsin serve --config DIR` takes. The
core knows no variables: what it reads is final.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

BLANK = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")
BLANKS = ("TOCSIN_DEMO_REGISTRY", "TOCSIN_DEMO_MODEL_URL", "TOCSIN_DEMO_HOOK_URL")
"""Address of the model registry, of the model server, and of the webhook receiver; no slash at the end."""

SAFE = re.compile(r"[A-Za-z0-9:/._@+-]+")
"""What may be filled in: nothing that YAML could read in another way."""


def files(values: Mapping[str, str]) -> dict[str, str]:
    """Return the text of every file by name, filled in.

    Raises:
        ValueError: a blank has no value, a value is not one of `BLANKS`, or has characters beyond `SAFE`.
    """
    if set(values) != set(BLANKS):
        raise ValueError(f"the values must be exactly {', '.join(BLANKS)}")
    for name, value in values.items():
        if not SAFE.fullmatch(value):
            raise ValueError(f"{name} cannot be {value!r}")
    places = resources.files("tocsin_demo").joinpath("config").iterdir()
    return {
        place.name: BLANK.sub(lambda blank: values[blank[1]], place.read_text("utf-8"))
        for place in sorted(places, key=lambda place: place.name)
        if place.name.endswith(".yaml")
    }


def write(directory: Path, values: Mapping[str, str]) -> Path:
    """Write every file, filled in, into `directory` and return it."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files(values).items():
        (directory / name).write_text(text, "utf-8")
    return directory
