"""Processes of a run. None is left when the run ends, however it ends."""

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

# For what needs milliseconds on an idle machine.
LIMIT = 60.0
# A command of a caller has two minutes (go/caller/caller.go).
ANSWER_LIMIT = 150.0
# Between being asked to end and being killed.
GRACE = 5.0
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class Failure(Exception):
    """Why a run cannot go on."""


def adopt_orphans():
    """Makes orphaned descendants children of this process, where Linux can, so that end_descendants() finds all."""
    if _libc:
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_descendants():
    """Kills whatever this process still has started, directly or not."""
    if not _libc:
        return
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    while children := path.read_text().split():
        for child in map(int, children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)


def _die_with_parent():
    if _libc:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Process:
    """A process with a group of its own and a log."""

    def __init__(self, name, command, folder, env=None, pipes=False):
        self.name = name
        self.log = folder / f"{name}.log"
        pipe = subprocess.PIPE if pipes else None
        with self.log.open("wb") as log:
            self.popen = subprocess.Popen(
                [str(word) for word in command],
                stdin=pipe or subprocess.DEVNULL,
                stdout=pipe or log,
                stderr=log,
                env={**os.environ, **(env or {})},
                cwd=folder,
                bufsize=0,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    def signal(self, number):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.popen.pid, number)

    def must_live(self):
        if self.popen.poll() is not None:
            raise Failure(f"{self.name}: ended with {self.popen.returncode}; its last words:\n{self.last_words()}")

    def last_words(self):
        return self.log.read_bytes()[-2000:].decode(errors="replace")


class Caller(Process):
    """A process that obeys commands on stdin; see go/caller/caller.go."""

    def __init__(self, name, command, folder, env=None):
        super().__init__(name, command, folder, env, pipes=True)

    def ask(self, *words):
        """Sends a command, and returns the answer."""
        with contextlib.suppress(BrokenPipeError):
            self.popen.stdin.write((" ".join(map(str, words)) + "\n").encode())
        line, deadline = b"", time.monotonic() + ANSWER_LIMIT
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self.popen.stdout], [], [], max(deadline - time.monotonic(), 0))
            if not ready:
                raise Failure(f"{self.name}: no answer to {words} within {ANSWER_LIMIT:.0f} s")
            part = self.popen.stdout.read(65536)
            if not part:
                self.popen.wait(GRACE)
                self.must_live()
            line += part
        return json.loads(line)


def end_all(processes):
    """Asks all processes to end, and kills those that do not."""
    for process in processes:
        process.signal(signal.SIGCONT)
        process.signal(signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.popen.wait(max(deadline - time.monotonic(), 0))
        process.signal(signal.SIGKILL)
        process.popen.wait()
        for pipe in (process.popen.stdin, process.popen.stdout):
            if pipe:
                pipe.close()


def eventually(fact, what, alive):
    """Waits until fact() gives something, while a process lives."""
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        found = fact()
        if found:
            return found
        alive.must_live()
        time.sleep(0.01)
    raise Failure(f"{what} within {LIMIT:.0f} s; {alive.name} says:\n{alive.last_words()}")


def free_port():
    """A TCP port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def answers_ping(port):
    """Whether a Redis answers there."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(7) == b"+PONG\r\n"
    except OSError:
        return False
