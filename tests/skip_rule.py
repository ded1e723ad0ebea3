"""The rule on skips: a skip is a failure in .ci/run unless tests/SKIPS lists its reason."""

from __future__ import annotations

import pytest


def listed_skips(text: str) -> tuple[str, ...]:
    """Return the parts of reasons that a SKIPS file allows: its lines, without comments and empty ones."""
    return tuple(line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#"))


class SkipRule:
    """A pytest plugin that gathers skips whose reason is not listed; when `strict` they fail the run."""

    def __init__(self, listed: tuple[str, ...], *, strict: bool) -> None:
        self.listed = listed
        self.strict = strict
        self.unlisted: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test that was skipped; an expected failure is none."""
        if report.skipped and not hasattr(report, "wasxfail"):
            self._note(report.nodeid, report.longrepr)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a whole module that was skipped."""
        if report.skipped:
            self._note(report.nodeid, report.longrepr)

    def _note(self, nodeid: str, longrepr: object) -> None:
        reason = str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)
        if not any(part in reason for part in self.listed):
            self.unlisted[nodeid] = reason.removeprefix("Skipped: ")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a run that would have passed."""
        if self.strict and self.unlisted and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name the skips that failed the run."""
        if not (self.strict and self.unlisted):
            return
        terminalreporter.section("skips that tests/SKIPS does not list: the run fails", red=True)
        for nodeid, reason in sorted(self.unlisted.items()):
            terminalreporter.line(f"{nodeid}: {reason}")
