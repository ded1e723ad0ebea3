"""`tocsin demo`: the demonstration, for people in a browser or, with `--headless`, for machines.

tocsin demo                      starts everything, promotes the bad version, and waits for Ctrl-C
tocsin demo --headless --json    plays the whole story and prints one JSON object; exit 0 when all of it was seen
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import Any

from tocsin_demo import plot
from tocsin_demo.api import ApiError
from tocsin_demo.plot import CHAPTERS, Story
from tocsin_demo.processes import NotReady, Processes
from tocsin_demo.stage import ADMIN_EMAIL, RATE, Stage, finish

PORT = 8700
FIGURES = ("detection", "incident", "page", "acknowledged", "effect", "containment")
"""The moments that are told in seconds and predictions since the promotion of the bad version."""
QUIET_SECONDS = 60.0
"""How long people see a quiet system before the bad version is promoted."""


def main(argv: list[str] | None = None) -> int:
    """Run the demonstration; return 0, or 1 when something that the story promises was not seen."""
    asked = _arguments(argv)
    signal.signal(signal.SIGTERM, _interrupt)
    directory = asked.dir or Path(tempfile.mkdtemp(prefix="tocsin-demo-"))
    port = asked.port if asked.port is not None else (0 if asked.headless else PORT)
    ended_well = False
    try:
        with Processes(directory / "logs") as processes:
            stage = Stage(directory, processes, port=port, rate=asked.rate)
            story = Story(stage, Path(tempfile.mkdtemp(prefix="tocsin-export-")), _say)
            code = _headless(story) if asked.headless else _watched(story)
        ended_well = code == 0
        return code
    finally:
        if ended_well and asked.dir is None:
            shutil.rmtree(directory, ignore_errors=True)
        else:
            _say(f"Logs and data are in {directory}")


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tocsin demo", description="The demonstration.")
    parser.add_argument("--headless", action="store_true", help="play the whole story without a person")
    parser.add_argument(
        "--json", action="store_true", help="with --headless: print one JSON object (it always does)"
    )
    parser.add_argument("--port", type=int, help=f"port of tocsin (default {PORT}; headless: a free one)")
    parser.add_argument(
        "--rate", type=float, default=RATE, help="decisions a second of the simulated population"
    )
    parser.add_argument("--dir", type=Path, help="directory to run in; it is kept")
    return parser.parse_args(argv)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# --- headless ---


def _headless(story: Story) -> int:
    told: dict[str, Any] = {"ok": False, "steps": []}
    began = time.monotonic()
    try:
        for chapter in CHAPTERS:
            told["steps"].append(_play(story, chapter))
        told["ok"] = True
        told["figures"] = {name: story.since(name) for name in FIGURES}
        told["traffic"] = story.stage.stop_traffic()
    except KeyboardInterrupt:
        told["failed"] = "interrupted"
    except Exception as error:  # whatever was not seen is told in the one object that is promised
        told["failed"] = f"{type(error).__name__}: {error}"
    told["seconds"] = round(time.monotonic() - began, 1)
    told["export"] = str(story.export.resolve()) if story.export else None
    told["vkey"] = story.vkey or None
    print(json.dumps(told))
    return 0 if told["ok"] else 1


def _play(story: Story, chapter: Any) -> dict[str, Any]:
    began = time.monotonic()
    story.say(f"- {chapter.__name__}: {chapter.__doc__.splitlines()[0]}")
    seen = chapter(story)
    return {"step": chapter.__name__, "seconds": round(time.monotonic() - began, 1), "seen": seen}


# --- with people ---


def _watched(story: Story) -> int:
    """Let the fault come after a quiet minute; whatever people do meanwhile is theirs."""
    stage = story.stage
    try:
        _play(story, plot.opening)
        began = time.monotonic()
        print(_welcome(story), flush=True)
        finish(stage.start_retraining(), plot.PATIENCE_SECONDS)
        time.sleep(max(0.0, QUIET_SECONDS - (time.monotonic() - began)))
        _play(story, plot.promotion)
        print(
            "The bad version is in production. Watch the address above; Ctrl-C stops everything.", flush=True
        )
        while "tocsin" in stage.processes.running:
            time.sleep(1)
        _say("The server has ended.")
    except KeyboardInterrupt:
        return 0
    except (plot.NotSeen, NotReady, ApiError, OSError) as error:
        _say(f"{type(error).__name__}: {error}")
    return 1


def _welcome(story: Story) -> str:
    stage = story.stage
    people = ", ".join(f"{person}@example.org" for person in plot.PEOPLE)
    return (
        f"\nTocsin:            {stage.url('tocsin')}\n"
        f"Sign in as:        {people} or {ADMIN_EMAIL}\n"
        f"Password of all:   {stage.password}\n"
        f"Mailbox:           {stage.url('mailroom')}/   (pages and updates arrive here)\n"
        f"What is served:    {stage.url('model')}/version\n"
        "Traffic is a simulated population. In about a minute a version trained on corrupted data goes to\n"
        "production; Ada does not answer her page, so Ben is called next. What they do then is up to you.\n"
    )


if __name__ == "__main__":
    raise SystemExit(main())
