# The Python side of an engine host: imports once, then forks for each job.
#
# A fork costs more than most scripts: hundreds of pages are copied when they are first written to. So the next job's
# process is forked before there is a job, does what does not depend on one, and waits; it runs one job and no other.
#
# Descriptor 0 is the socket to the host, 1 and 2 are pipes that carry what jobs write, and the one named by the first
# argument is the pipe that carries results. They live as long as this process; the host drains them after each job.
import ast
import builtins
import collections
import fcntl
import gc
import json
import linecache
import os
import re
import resource
import select
import signal
import struct
import sys
import time
import types

NAME = report.NAME
SETTINGS = None
CONTROL = None
RESULTS = streams.RESULTS
BASE = 0
# The process of the job that runs; one that its script has forked is another.
MAIN = None
# The global names of the script.
NAMES = {}
# Processes that handlers have started for all jobs.
KEPT = frozenset()
# Processor time in microseconds of the processes of a job that have ended, and the largest resident memory of one in KiB.
USED = [0, 0]
# What is left of a job after a SIGKILL is gone at once, unless the kernel itself is stuck.
SWEEP_LIMIT = 2.0


# --- one job -----------------------------------------------------------------------------------------------------


def _limit(what, value):
    _, hard = resource.getrlimit(what)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(what, (value, value))


def _prepare():
    """From a copy of the server to a process that waits for its job."""
    global MAIN
    os.setsid()
    MAIN = os.getpid()
    kernel.end_with_parent()
    os.close(CONTROL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ.clear()
    _limit(resource.RLIMIT_AS, BASE + SETTINGS["memory"])
    _limit(resource.RLIMIT_FSIZE, SETTINGS["file"])
    _limit(resource.RLIMIT_NOFILE, SETTINGS["files"])
    # Writes to the pages that every job writes to.
    exec(_compiled("0"), {})
    gc.collect()


def _become(job):
    """From a process that waits to the one of this job."""
    os.chdir(job["folder"])
    os.environ.update(job["env"])
    _limit(resource.RLIMIT_CPU, job["cpu"])


def _compiled(text):
    """The code of a script; the value of its last line, if that is an expression, is kept under a name of ours."""
    tree = ast.parse(text, NAME, "exec")
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = tree.body[-1]
        target = ast.copy_location(ast.Name("__value__", ast.Store()), last)
        tree.body[-1] = ast.copy_location(ast.Assign([target], last.value), last)
        ast.fix_missing_locations(tree)
    return compile(tree, NAME, "exec", dont_inherit=True)


def _input(job):
    """The input of the job, parsed; None without one."""
    return None if job["input"] is None else json.loads(job["input"])


def _module(job, text):
    global NAMES
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    sys.argv[:] = [NAME]
    linecache.cache[NAME] = (len(text), None, text.splitlines(True), NAME)
    names = NAMES = main.__dict__
    names["INPUT"] = _input(job)
    names["CALLER_ID"] = job["env"]["HERO_CALLER_ID"]
    names["CONTEXT_ID"] = job["env"]["HERO_CONTEXT_ID"]
    names["progress"] = streams.progress
    names["__builtins__"] = builtins
    return names


def _value(job):
    text = job["script"]
    if job["heroscript"]:
        import heroscript

        heroscript.INPUT = _input(job)
        return heroscript.run(text)
    names = _module(job, text)
    try:
        code = _compiled(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return _broken(error, True)
    try:
        exec(code, names)
    except SystemExit as left:
        code, words = report.exit_code(left)
        if words is not None:
            cleanup.say(words + "\n")
        if code:
            words = words or "the script exited with code %d" % code
            return _Failed(report.failure("script_error", words, exit_code=code))
        names.pop("__value__", None)
    value = names.get("__value__")
    return names.get("result") if value is None else value


class _Failed:
    def __init__(self, explained):
        self.explained = explained


def _broken(error, invalid=False):
    explained, trace = report.explained(error, invalid)
    cleanup.say(trace)
    return _Failed(explained)


def _heroscript_error(error):
    module = sys.modules.get("heroscript")
    if module is None or not isinstance(error, module.Error):
        return None
    kind = "script_invalid" if isinstance(error, module.Invalid) else "script_error"
    return _Failed(report.failure(kind, error.message, line=error.line, column=error.column))


def _end(value):
    """What is said about the end of a job, and the exit code of its process."""
    if isinstance(value, _Failed):
        explained = value.explained
        return b"E", json.dumps(explained).encode(), explained.get("exit_code", 1)
    if value is None:
        return b"R", b"N", 0
    data = report.rendered(value)
    length, most = len(data) - 1, SETTINGS["result"]
    if length > most:
        words = "the result has %d bytes, more than the %d that are allowed" % (length, most)
        return b"E", json.dumps(report.failure("limit_exceeded", words)).encode(), 1
    return b"R", data, 0


def _run(job):
    try:
        _become(job)
        value = _value(job)
    except BaseException as error:
        value = job["heroscript"] and _heroscript_error(error) or _broken(error)
    try:
        cleanup.run_exit_functions()
        kind, data, code = _end(value)
        del value
        cleanup.finalize(NAMES)
        cleanup.flush(sys.stdout)
        # A process that the script has forked has nothing to say about the job at its end.
        if os.getpid() == MAIN:
            streams.send(kind, data)
    except BaseException as error:
        code = 1
        explained, trace = report.explained(error)
        cleanup.say(trace)
        if os.getpid() == MAIN:
            streams.fail(explained)
    os._exit(code)


# --- the server --------------------------------------------------------------------------------------------------


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


def _children():
    """Processes whose parent is this one; it has only one thread that starts some."""
    found = []
    for thread in os.listdir("/proc/self/task"):
        try:
            with open("/proc/self/task/%s/children" % thread, encoding="ascii") as file:
                found += map(int, file.read().split())
        except FileNotFoundError:
            pass
    return [pid for pid in found if pid not in KEPT]


def _kill(call, pid):
    try:
        call(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def _waited(ended):
    """The pid and the status of a process that was waited for, after a note of what it and its own have used."""
    pid, status, used = ended
    if pid:
        USED[0] += int((used.ru_utime + used.ru_stime) * 1e6)
        USED[1] = max(USED[1], used.ru_maxrss)
    return pid, status


def _sweep():
    """Ends what a job has left behind: it has come to this process. Nothing left costs one call."""
    until = time.monotonic() + SWEEP_LIMIT
    while time.monotonic() < until:
        try:
            while not KEPT and _waited(os.wait4(-1, os.WNOHANG))[0]:
                pass
        except ChildProcessError:
            return
        left = _children()
        if not left:
            return
        for pid in left:
            _kill(os.kill, pid)
            if KEPT:
                _waited(os.wait4(pid, os.WNOHANG))
        time.sleep(0.0002)


def _await(child):
    """Waits for the end of a job; all that it has started goes with it. Without a host, all of it ends at once."""
    ended = os.pidfd_open(child)
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    poll.register(CONTROL, 0)
    if any(fd == CONTROL for fd, _ in poll.poll()):
        _kill(os.killpg, child)
        _sweep()
        os._exit(0)
    os.close(ended)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    _kill(os.killpg, child)
    USED[:] = 0, 0
    status = _waited(os.wait4(child, 0))[1]
    _sweep()
    return status


def _spare():
    """A process for the next job, and the pipe through which it gets it."""
    waits, way = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(way)
            _run(_next_job(waits))
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
        job = json.loads(message[4:])
        os.close(waits)
        return job
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


# Flags of an open pipe are shared by all who have it, and stay when those have gone.
_SHARED = (0, 1, 2, RESULTS)


def _as_shared():
    """What jobs find the descriptors like that all of them share."""
    sizes = {fd: fcntl.fcntl(fd, kernel.F_GETPIPE_SZ) for fd in _SHARED if fd}
    return {fd: fcntl.fcntl(fd, fcntl.F_GETFL) for fd in _SHARED}, sizes, os.fstat(1).st_mode & 0o777


def _restore(flags, sizes, mode):
    """Makes them so again; false when a pipe is too full to become smaller, which it is not for long."""
    whole = True
    for fd, value in flags.items():
        fcntl.fcntl(fd, fcntl.F_SETFL, value)
    for fd, size in sizes.items():
        try:
            if fcntl.fcntl(fd, kernel.F_GETPIPE_SZ) != size:
                fcntl.fcntl(fd, kernel.F_SETPIPE_SZ, size)
            if os.fstat(fd).st_mode & 0o777 != mode:
                os.fchmod(fd, mode)
        except OSError:
            whole = False
    return whole


def _serve():
    shared = _as_shared()
    spare, restored = _spare(), True
    while True:
        message = _message(CONTROL)
        if not restored:
            _restore(*shared)
        child = _hand_over(message, spare)
        del message
        os.write(CONTROL, struct.pack("<iQQ", _await(child), *USED))
        try:
            restored = _restore(*shared)
            spare = _spare()
        except OSError:
            # No process to be had now; the next job tries again, and it is that one's trouble.
            spare = None


# --- the start ---------------------------------------------------------------------------------------------------


def main(settings):
    global SETTINGS, CONTROL, BASE, KEPT

    SETTINGS = settings
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    CONTROL = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 64)
    nothing = os.open("/dev/null", os.O_RDWR)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.set_inheritable(RESULTS, False)
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)
    sys.stdout = sys.__stdout__ = streams.stream(1, "<stdout>")
    sys.stderr = sys.__stderr__ = streams.stream(2, "<stderr>")
    if settings["confined"]:
        kernel.give_up_privileges()
    for path in settings["handlers"]:
        with open(path, encoding="utf-8-sig") as file:
            exec(compile(file.read(), path, "exec", dont_inherit=True), {"__name__": "handlers"})
    KEPT = frozenset(_children())
    kernel.adopt()
    cleanup.remember_modules()
    with open("/proc/self/statm", encoding="ascii") as file:
        BASE = int(file.read().split()[0]) * resource.getpagesize()
    gc.collect()
    gc.freeze()
    version = "python %d.%d.%d" % sys.version_info[:3]
    data = json.dumps({"version": version}).encode()
    os.write(CONTROL, struct.pack("<I", len(data)) + data)
    _serve()
