"""Named points at which a test may kill the process, to show that nothing acknowledged is lost.

Inert unless `TOCSIN_CRASH_AT` names a point. Then the process kills itself there with SIGKILL, the first time
it is reached; a file beside it (`TOCSIN_CRASH_MARK`) keeps it from dying at the same point after the restart.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

POINTS = (
    "intake.before_commit",
    "intake.after_commit",
    "derive.before_commit",
    "derive.after_commit",
    "page.before_send",
    "page.after_send",
    "page.after_acknowledge",
    "probe.after_measure",
    "contain.after_request",
    "contain.after_approve",
    "contain.before_snapshot",
    "contain.after_snapshot",
    "contain.before_act",
    "contain.after_act",
    "contain.after_verify",
    "update.before_send",
    "update.after_send",
    "incident.after_command",
    "review.after_open",
    "review.after_command",
    "export.after_seal",
)
"""Every point, in the order of the story."""


def point(name: str) -> None:
    """Die here when a test asked for it; otherwise do nothing."""
    if os.environ.get("TOCSIN_CRASH_AT") != name:
        return
    mark = Path(os.environ["TOCSIN_CRASH_MARK"])
    if mark.exists():
        return
    mark.write_text(name)
    os.kill(os.getpid(), signal.SIGKILL)
