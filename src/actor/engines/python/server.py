# The Python side of an engine host: imports once, then forks for the jobs.
#
# A fork costs more than most scripts: hundreds of pages are copied when they are first written to. So the next job's
# process is forked before there is a job, does what does not depend on one, and waits; it runs one job and no other.
# For scripts that are trusted, one process runs all jobs (see shared.py), and is forked anew when it ends.
#
# Descriptor 0 is the socket to the host, 1 and 2 are pipes that carry what jobs write, and the one named by the first
# argument is the pipe that carries results. They live as long as this process; the host drains them after each job.
import fcntl
import gc
import json
import os
import resource
import select
import signal
import struct
import sys

SETTINGS = None
CONTROL = None
RESULTS = streams.RESULTS
BASE = 0
# The end of a job, as the host is told: its number, its status, and what its processes have used.
END = struct.Struct("<QiQQ")


def _prepare():
    """From a copy of the server to a process that waits for its only job."""
    job.prepare()
    os.close(CONTROL)
    job.bound(resource.RLIMIT_AS, BASE + SETTINGS["memory"])
    # Writes to the pages that every job writes to.
    exec(job.compiled("0"), {})
    gc.collect()


def _become(what):
    """From a process that waits to the one of this job."""
    os.chdir(what["folder"])
    os.environ.update(what["env"])
    job.bound(resource.RLIMIT_CPU, what["cpu"])


def _read(fd, length):
    """That many bytes. A process whose other side is gone has nothing left to do."""
    data = b""
    while len(data) < length:
        more = os.read(fd, length - len(data))
        if not more:
            os._exit(0)
        data += more
    return data


def _message(fd):
    """One message, its length in front."""
    length = _read(fd, 4)
    return length + _read(fd, struct.unpack("<I", length)[0])


def _await(child):
    """Waits for the end of a process of jobs; all that it has started goes with it. Without a host, all of it ends at
    once."""
    ended = os.pidfd_open(child)
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    poll.register(CONTROL, 0)
    if any(fd == CONTROL for fd, _ in poll.poll()):
        processes.kill(os.killpg, child)
        processes.sweep()
        os._exit(0)
    os.close(ended)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    processes.kill(os.killpg, child)
    processes.USED[:] = 0, 0
    status = processes.waited(os.wait4(child, 0))[1]
    processes.sweep()
    return status


def _spare():
    """A process for the next job, and the pipe through which it gets it."""
    waits, way = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(way)
            what = _next_job(waits)
            job.end([job.run(what, _become)])
        finally:
            os._exit(70)
    os.close(waits)
    return child, way


def _next_job(waits):
    """Prepares a process and waits for its job. What goes wrong is said when there is one."""
    broken = None
    try:
        _prepare()
    except BaseException as error:
        broken = error
    try:
        message = _message(waits)
        if broken is not None:
            raise broken
        what = json.loads(message[4:])
        os.close(waits)
        return what
    except BaseException as error:
        streams.fail(report.explained(error)[0])
        os._exit(1)


def _hand_over(message, spare):
    """Gives a process its job; another one, if somebody has ended the one that waited. Tells which one has it."""
    child, way = spare or _spare()
    try:
        streams.write(way, message)
    except BrokenPipeError:
        os.close(way)
        os.waitpid(child, 0)
        child, way = _spare()
        try:
            streams.write(way, message)
        except BrokenPipeError:
            # It cannot be prepared; how it ended is what becomes of the job.
            pass
    os.close(way)
    return child


def _serve():
    """A process for each job."""
    pipes = streams.as_shared()
    spare, restored, number = _spare(), True, 0
    while True:
        message = _message(CONTROL)
        number += 1
        if not restored:
            streams.restore(pipes)
        child = _hand_over(message, spare)
        del message
        os.write(CONTROL, END.pack(number, _await(child), *processes.USED))
        try:
            restored = streams.restore(pipes)
            spare = _spare()
        except OSError:
            # No process to be had now; the next job tries again, and it is that one's trouble.
            spare = None


def _serve_shared():
    """One process for all jobs, and another one when it has ended."""
    pipes, record, idle = streams.as_shared(), shared.Record(), 0
    while True:
        child = os.fork()
        if child == 0:
            try:
                shared.serve(CONTROL, END, record, pipes)
            finally:
                os._exit(70)
        before = record.begun
        status = _await(child)
        streams.restore(pipes)
        if record.begun > record.whole:
            # A part of a job was read, and the rest would be taken for another one.
            os._exit(70)
        if record.begun > record.ended:
            record.ended = record.begun
            cpu, peak = processes.USED
            os.write(CONTROL, END.pack(record.begun, status, max(0, cpu - record.used), peak))
        # One that ends before its first job is made again less and less eagerly.
        idle = 0 if record.begun > before else min(idle + 1, 20)
        if idle > 1:
            select.select([], [], [], 0.005 * idle)


def main(settings):
    global SETTINGS, CONTROL, BASE

    SETTINGS = job.SETTINGS = settings
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    CONTROL = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 64)
    nothing = os.open("/dev/null", os.O_RDWR)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.set_inheritable(RESULTS, False)
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)
    streams.renew()
    if settings["confined"]:
        kernel.give_up_privileges()
    for path in settings["handlers"]:
        with open(path, encoding="utf-8-sig") as file:
            exec(compile(file.read(), path, "exec", dont_inherit=True), {"__name__": "handlers"})
    processes.KEPT = frozenset(processes.children())
    kernel.adopt()
    cleanup.remember_modules()
    with open("/proc/self/statm", encoding="ascii") as file:
        BASE = int(file.read().split()[0]) * resource.getpagesize()
    gc.collect()
    gc.freeze()
    version = "python %d.%d.%d" % sys.version_info[:3]
    data = json.dumps({"version": version, "adopts": kernel.PRCTL is not None}).encode()
    os.write(CONTROL, struct.pack("<I", len(data)) + data)
    if settings["shared"]:
        _serve_shared()
    _serve()
