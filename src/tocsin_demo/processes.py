"""Child processes: started on free ports, waited for, logged into files, and never left behind.

Every child is started through this module (`python -m tocsin_demo.processes PARENT -- COMMAND...`), which asks
the kernel to kill it when its parent dies, however that happens, and then becomes the command. Linux only; on
other systems a parent that is killed without notice leaves its children.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

STOP_SECONDS = 8.0
"""How long a child may take to end after SIGTERM before it is killed."""
POLL_SECONDS = 0.05
LOG_TAIL = 2000
PR_SET_PDEATHSIG = 1  # prctl(2)


class NotReady(Exception):
    """A child ended, or did not answer in time. The text holds the end of its log."""


@dataclass(slots=True)
class Child:
    """One child process."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def tail(self) -> str:
        """Return the end of its log."""
        return self.log.read_text(errors="replace")[-LOG_TAIL:] if self.log.exists() else ""


class Processes:
    """Starts children and stops them all at the end: `with Processes(directory) as processes:`.

    Start children from the main thread: the kernel ties a child to the thread that started it.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._children: list[Child] = []
        logs.mkdir(parents=True, exist_ok=True)

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        ready: Callable[[], bool] | None = None,
        seconds: float = 60.0,
        environment: Mapping[str, str] | None = None,
    ) -> Child:
        """Start `command`, its output going to `name`.log; with `ready`, wait until that is true.

        Raises:
            NotReady: the child ended, or `ready` was not true in time; the child is stopped then.
        """
        child = self._spawn(name, command, environment)
        if ready is not None:
            try:
                wait_until(ready, seconds, child)
            except BaseException:
                self.stop(child)
                raise
        return child

    def _spawn(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None) -> Child:
        log = self._logs / f"{name}.log"
        shim = [sys.executable, "-m", "tocsin_demo.processes", str(os.getpid()), "--", *command]
        with log.open("ab") as out:
            process = subprocess.Popen(  # noqa: S603 - the commands are the demonstration's own
                shim,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,  # Ctrl-C reaches the parent only, which stops the children in order
            )
        child = Child(name, process, log)
        self._children.append(child)
        return child

    def stop(self, child: Child) -> None:
        """End one child: SIGTERM, then SIGKILL when it takes too long."""
        end(child.process)
        if child in self._children:
            self._children.remove(child)

    def stop_all(self) -> None:
        """End every child, the last started first."""
        for child in reversed(list(self._children)):
            self.stop(child)

    @property
    def running(self) -> tuple[str, ...]:
        """The names of the children that run now."""
        return tuple(child.name for child in self._children if child.process.poll() is None)

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop_all()


def end(process: subprocess.Popen[bytes], seconds: float = STOP_SECONDS) -> None:
    """End a process and wait for it."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    if process.poll() is None:
        process.kill()
    process.wait()


def wait_until(ready: Callable[[], bool], seconds: float, child: Child | None = None) -> None:
    """Return when `ready` is true; raise `NotReady` when the child ends or the time is over."""
    deadline = time.monotonic() + seconds
    name = child.name if child else "It"
    while not ready():
        if child is not None and child.process.poll() is not None:
            raise NotReady(f"{name} ended with status {child.process.returncode}:\n{child.tail()}")
        if time.monotonic() > deadline:
            raise NotReady(f"{name} was not ready after {seconds:g} s.\n{child.tail() if child else ''}")
        time.sleep(POLL_SECONDS)


def answers(url: str) -> Callable[[], bool]:
    """Return a question for `wait_until`: does this loopback address answer with 200?"""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask() -> bool:
        try:
            with opener.open(url, timeout=2.0) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    return ask


def free_ports(count: int) -> list[int]:
    """Return `count` different loopback ports that are free now."""
    with contextlib.ExitStack() as held:
        found = []
        for _ in range(count):
            one = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            one.bind(("127.0.0.1", 0))
            found.append(int(one.getsockname()[1]))
        return found


def python(module: str, *arguments: str) -> list[str]:
    """Return the command that runs `module` with this interpreter."""
    return [sys.executable, "-m", module, *arguments]


def tie_to(parent: int) -> None:
    """Have the kernel kill this process when its parent ends. Kept across exec."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:  # it ended before we could ask
        raise SystemExit(1)


def main() -> None:
    """Tie this process to its parent and become the command after `--`."""
    parent, command = int(sys.argv[1]), sys.argv[3:]
    tie_to(parent)
    os.execvp(command[0], command)  # noqa: S606 - the commands are the demonstration's own


if __name__ == "__main__":
    main()
