"""Children are waited for, logged, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tocsin_demo import processes
from tocsin_demo.processes import NotReady, Processes, answers, free_ports, wait_until

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
DEAF = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)",
]
PARENT = """
import sys, time
from pathlib import Path
from tocsin_demo.processes import Processes
with Processes(Path(sys.argv[1])) as processes:
    child = processes.start("child", [sys.executable, "-c", "import time; time.sleep(600)"])
    print(child.process.pid, flush=True)
    time.sleep(600)
"""


def logged(child: processes.Child) -> Callable[[], bool]:
    return lambda: "up" in child.tail()


def gone(pid: int) -> bool:
    """Whether no process has this id, or it is only waiting to be reaped."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in ("Z", "X")


def test_children_run_until_the_end_of_the_block_and_their_output_is_kept(tmp_path: Path) -> None:
    with Processes(tmp_path) as running:
        child = running.start("sleeper", SLEEPER)
        wait_until(logged(child), 20, child)
        assert running.running == ("sleeper",)
    assert child.process.returncode == -signal.SIGTERM
    assert (tmp_path / "sleeper.log").read_text() == "up\n"
    assert running.running == ()


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    with Processes(tmp_path) as running:
        child = running.start("deaf", DEAF)
        wait_until(logged(child), 20, child)
        processes.end(child.process, seconds=0.1)
    assert child.process.returncode == -signal.SIGKILL


def test_a_child_that_ends_too_early_is_reported_with_its_log(tmp_path: Path) -> None:
    with Processes(tmp_path) as running, pytest.raises(NotReady) as refused:
        running.start("broken", [sys.executable, "-c", "raise SystemExit('no port')"], ready=lambda: False)
    assert "status 1" in str(refused.value)
    assert "no port" in str(refused.value)


def test_a_child_that_is_never_ready_is_stopped(tmp_path: Path) -> None:
    with Processes(tmp_path) as running:
        with pytest.raises(NotReady):
            running.start("slow", SLEEPER, ready=lambda: False, seconds=0.2)
        assert running.running == ()


def test_an_error_in_the_block_ends_the_children_too(tmp_path: Path) -> None:
    started = []

    def fails() -> None:
        with Processes(tmp_path) as running:
            started.append(running.start("sleeper", SLEEPER))
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert started[0].process.poll() is not None


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux")
def test_children_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    wait_until(lambda: b"sleep(600)" in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")[2], 20)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    began = time.monotonic()
    wait_until(lambda: gone(child), 10)
    assert time.monotonic() - began < 10


def test_free_ports_differ() -> None:
    assert len(set(free_ports(20))) == 20


def test_nobody_at_home_is_not_ready() -> None:
    assert not answers("http://127.0.0.1:9/healthz")()
