"""`tocsin demo --headless --json` plays the whole story with real processes, and leaves nothing behind but its export."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_whole_story_is_seen_from_outside(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    played = subprocess.run(
        [sys.executable, "-m", "tocsin.cli", "demo", "--headless", "--json", "--dir", str(tmp_path / "demo")],
        capture_output=True,
        text=True,
        env=environment | {"TMPDIR": str(tmp_path)},
        timeout=560,
    )
    told = json.loads(played.stdout)  # exactly one object
    assert played.returncode == 0, (told.get("failed"), played.stderr[-4000:])
    assert told["ok"] is True
    export = Path(told["export"])
    assert export.is_absolute()
    verify = [sys.executable, "-m", "tocsin.cli", "verify"]
    assert subprocess.run([*verify, str(export), "--key", told["vkey"]], capture_output=True).returncode == 0
    running = (
        subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
        if shutil.which("ps")
        else ""
    )
    assert str(tmp_path / "demo") not in running
