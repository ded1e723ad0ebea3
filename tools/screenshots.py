"""Take the pictures of docs/images anew: play the demonstration and photograph its own pages.

`PYTHONPATH=. python tools/screenshots.py` needs the demo extra and a chromium (`TOCSIN_CHROMIUM` or on the path).
It takes some minutes. Every picture is of the running program; none is edited.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tocsin_demo import plot
from tocsin_demo.plot import Story
from tocsin_demo.processes import Processes
from tocsin_demo.stage import Stage

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "images"
BEFORE = (plot.opening, plot.quiet, plot.promotion, plot.detection, plot.paging, plot.playbook)
WIDE = {"width": 1280, "height": 860}
PHONE = {"width": 390, "height": 844}
LARGEST = 300_000


class Camera:
    """Signs in as the commander of the demonstration and takes pictures of pages."""

    def __init__(self, browser: Browser, story: Story) -> None:
        self._browser = browser
        self._story = story

    def take(self, name: str, path: str, *, scheme: str = "light", phone: bool = False) -> None:
        """Keep a picture of the page at `path` as `name`.png."""
        size = PHONE if phone else WIDE
        context = self._browser.new_context(viewport=size, color_scheme=scheme, is_mobile=phone)  # type: ignore[arg-type]  # two words of its own
        page = context.new_page()
        url = self._story.stage.url("tocsin")
        page.goto(f"{url}/sign-in?next={path}")
        page.fill("#email", "ben@example.org")
        page.fill("#password", self._story.stage.password)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{url}{path}")
        file = FOLDER / f"{name}.png"
        page.screenshot(path=file)
        context.close()
        print(f"{file.name}: {file.stat().st_size:,} bytes")
        if file.stat().st_size > LARGEST:
            raise SystemExit(f"{file} is larger than {LARGEST:,} bytes")


def main() -> int:
    """Play the story and take the pictures on the way."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    chromium = os.environ.get("TOCSIN_CHROMIUM") or shutil.which("chromium")
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        with Processes(Path(place) / "logs") as processes:
            story = Story(Stage(Path(place), processes), Path(place), print)
            _play(story, Camera(browser, story))
        browser.close()
    return 0


def _play(story: Story, camera: Camera) -> None:
    for chapter in BEFORE:
        print(chapter.__name__)
        chapter(story)
    number = story.state()["number"]
    here = f"/incidents/{number}"
    camera.take("playbook", f"/runs/{story.run}")
    camera.take("containment", f"{here}/containment?action=rollback")
    camera.take("phone", here, phone=True)
    plot.containment(story)
    camera.take("console-light", here)
    camera.take("console-dark", here, scheme="dark")


if __name__ == "__main__":
    sys.exit(main())
