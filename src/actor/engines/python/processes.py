# The processes below this one, their end, and what they have used.
import os
import signal
import time

# Processes that handlers have started for all jobs.
KEPT = frozenset()
# Processor time in microseconds of the processes of a job that have ended, and the largest resident memory of one in KiB.
USED = [0, 0]
# What is left of a job after a SIGKILL is gone at once, unless the kernel itself is stuck.
SWEEP_LIMIT = 2.0


def children():
    """Processes whose parent is this one; it has only one thread that starts some."""
    found = []
    for thread in os.listdir("/proc/self/task"):
        try:
            with open("/proc/self/task/%s/children" % thread, encoding="ascii") as file:
                found += map(int, file.read().split())
        except FileNotFoundError:
            pass
    return [pid for pid in found if pid not in KEPT]


def kill(call, pid):
    try:
        call(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def waited(ended):
    """The pid and the status of a process that was waited for, after a note of what it and its own have used."""
    pid, status, used = ended
    if pid:
        USED[0] += int((used.ru_utime + used.ru_stime) * 1e6)
        USED[1] = max(USED[1], used.ru_maxrss)
    return pid, status


def sweep():
    """Ends what a job has left behind: it has come to this process. Nothing left costs one call."""
    until = time.monotonic() + SWEEP_LIMIT
    while time.monotonic() < until:
        try:
            while not KEPT and waited(os.wait4(-1, os.WNOHANG))[0]:
                pass
        except ChildProcessError:
            return
        left = children()
        if not left:
            return
        for pid in left:
            kill(os.kill, pid)
            if KEPT:
                waited(os.wait4(pid, os.WNOHANG))
        time.sleep(0.0002)


def any_alive():
    """True if a process is left below this one. Those that have ended are taken notice of."""
    try:
        while os.wait4(-1, os.WNOHANG)[0]:
            pass
        return True
    except ChildProcessError:
        return False
