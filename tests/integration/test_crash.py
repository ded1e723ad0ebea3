"""kill -9 at every named point of the story, on both databases: the end is the same (PLT-2, CON-3, TEAM-4, RSP-5)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.harness.story import Story
from tocsin.engine import crash

# mlflow warns about its own use of other libraries, and differently with every release of them.
pytestmark = [
    pytest.mark.crash,
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.filterwarnings("ignore"),
]

ON_BOTH = (
    "intake.before_commit", "intake.after_commit", "derive.before_commit", "derive.after_commit", "page.after_send",
    "contain.after_snapshot", "contain.after_act", "review.after_open", "export.after_seal",
)  # fmt: skip
"""Where the database matters most: beside a commit, and between an effect outside and its record."""

SENT_TWICE = {"page.after_send", "update.after_send"}
"""Sent, and killed before that was on the record: it is sent again, with the same key."""

CASES = [
    pytest.param("sqlite", point, id=f"sqlite-{point}") for point in crash.POINTS
] + [
    pytest.param("postgres", point, id=f"postgres-{point}", marks=pytest.mark.postgres) for point in ON_BOTH
]  # fmt: skip


def test_the_points_on_both_databases_are_points() -> None:
    assert set(ON_BOTH) < set(crash.POINTS)


@pytest.mark.parametrize(("database_settings", "point"), CASES, indirect=["database_settings"])
def test_a_server_killed_at_a_named_point_comes_to_the_same_end(
    story: Story, point: str, tmp_path: Path
) -> None:
    mark = tmp_path / "reached"
    story.server.settings = {
        **story.server.settings,
        "TOCSIN_CRASH_AT": point,
        "TOCSIN_CRASH_MARK": str(mark),
    }
    story.server.start()
    story.play()
    assert story.server.deaths == 1
    assert mark.read_text() == point
    story.check_end(most_of_a_key=2 if point in SENT_TWICE else 1)
