# The Python side of an engine host: imports once, then forks for each job.
#
# A fork costs more than most scripts: hundreds of pages are copied when they are first written to. So the next job's
# process is forked before there is a job, does what does not depend on one, and waits; it runs one job and no other.
#
# Descriptor 0 is the socket to the host, 1 and 2 are pipes that carry what jobs write, and the one named by the first
# argument is the pipe that carries results. They live as long as this process; the host drains them after each job.
import ast
import atexit
import builtins
import collections
import fcntl
import io
import json
import linecache
import math
import os
import re
import resource
import select
import signal
import struct
import sys
import termios
import threading
import time
import traceback
import types

NAME = "<job>"
MAX_MESSAGE = 16 * 1024
SETTINGS = None
CONTROL = None
RESULTS = int(sys.argv[1])
BASE = 0
MAIN = None


# --- what a job writes -------------------------------------------------------------------------------------------

_last = None


def _turn(fd):
    """Keeps the order between pipes: before one is written to, the one that was written to last is read empty."""
    global _last
    if fd == _last:
        return
    if _last is not None:
        until = time.monotonic() + 0.1
        while _pending(_last) and time.monotonic() < until:
            time.sleep(0.00002)
    _last = fd


def _pending(fd):
    try:
        return struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0\0\0\0"))[0]
    except OSError:
        return 0


class _Pipe(io.RawIOBase):
    """One of the two output pipes, as the lowest layer of a stream."""

    def __init__(self, fd, name):
        self._fd = fd
        self.name = name

    def fileno(self):
        return self._fd

    def writable(self):
        return True

    def write(self, data):
        _turn(self._fd)
        return os.write(self._fd, data)


def _stream(fd, name):
    raw = io.BufferedWriter(_Pipe(fd, name))
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", line_buffering=True)


def _write(fd, data):
    data = memoryview(data)
    while data:
        data = data[os.write(fd, data) :]


def _send(kind, payload):
    """One message to the host: its kind, its length, itself."""
    _turn(RESULTS)
    _write(RESULTS, struct.pack("<cI", kind, len(payload)) + payload)


def progress(percent=None, message=""):
    """Tells whoever watches the job how far it is: 0 to 100, or None, and one line of text."""
    if percent is not None:
        percent = float(percent)
        if not math.isfinite(percent):
            raise ValueError("progress() takes 0 to 100, or None")
        percent = min(100.0, max(0.0, percent))
    sys.stdout.flush()
    _send(b"P", json.dumps({"percent": percent, "message": str(message)[:1024]}).encode())


# --- how a job ends ----------------------------------------------------------------------------------------------


def _rendered(value):
    """The bytes of a result, its kind in front: text as it is, else JSON, else what repr says."""
    if isinstance(value, str):
        kind, text = b"T", value
    else:
        try:
            kind, text = b"J", json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        except (TypeError, ValueError, RecursionError):
            kind, text = b"T", repr(value)
    return kind + text.encode("utf-8", "replace")


def _column(frame):
    """The 1-based column of where a frame is, if this Python knows it."""
    try:
        positions = list(frame.tb_frame.f_code.co_positions())
        line, _, column, _ = positions[frame.tb_lasti // 2]
        text = linecache.getline(NAME, line).encode()[:column]
        return None if column is None else len(text.decode("utf-8", "replace")) + 1
    except (AttributeError, IndexError, TypeError):
        return None


def _explained(error, invalid=False):
    """An error as the host tells it, and its traceback from the first line of the script on."""
    line = column = None
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != NAME:
        trace = trace.tb_next
    inner = trace
    while inner is not None:
        if inner.tb_frame.f_code.co_filename == NAME:
            line, column = inner.tb_lineno, _column(inner)
        inner = inner.tb_next
    if isinstance(error, SyntaxError) and error.filename == NAME and error.lineno:
        line, column = error.lineno, error.offset or None
    try:
        # Causes and contexts are shown whole; deep recursion is cut by the traceback module itself.
        lines = traceback.format_exception(type(error), error, trace)
        words = traceback.format_exception_only(type(error), error)[-1].strip()
    except BaseException as broken:  # an exception may have a __str__ that fails
        lines, words = [], type(error).__name__ + ": it cannot be shown: " + type(broken).__name__
    kind = "script_error"
    if invalid:
        kind = "script_invalid"
    elif isinstance(error, MemoryError):
        kind, words = "limit_exceeded", "the script needs more memory than it may use"
    elif isinstance(error, RecursionError):
        kind = "limit_exceeded"
    elif isinstance(error, OSError) and error.errno == 27:
        kind = "limit_exceeded"
    explained = {"kind": kind, "message": words[:MAX_MESSAGE], "line": line, "column": column}
    return explained, "".join(lines)


def _exit_code(error):
    """What an exit means, and what it says."""
    if error.code is None:
        return 0, None
    if isinstance(error.code, int):
        return error.code & 0xFF, None
    return 1, str(error.code)


def _fail(explained):
    data = json.dumps(explained).encode()
    _send(b"E", data)


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
    os.close(CONTROL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ.clear()
    _limit(resource.RLIMIT_AS, BASE + SETTINGS["memory"])
    _limit(resource.RLIMIT_FSIZE, SETTINGS["file"])
    _limit(resource.RLIMIT_NOFILE, SETTINGS["files"])
    # Writes to the pages that every job writes to.
    exec(_compiled("0"), {})


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


def _module(job, text):
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    sys.argv[:] = [NAME]
    linecache.cache[NAME] = (len(text), None, text.splitlines(True), NAME)
    names = main.__dict__
    names["CALLER_ID"] = job["env"]["HERO_CALLER_ID"]
    names["CONTEXT_ID"] = job["env"]["HERO_CONTEXT_ID"]
    names["progress"] = progress
    names["__builtins__"] = builtins
    return names


def _value(job):
    text = job["script"]
    if job["heroscript"]:
        import heroscript

        return heroscript.run(text)
    names = _module(job, text)
    try:
        code = _compiled(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return _broken(error, True)
    try:
        exec(code, names)
    except SystemExit as left:
        code, words = _exit_code(left)
        if words is not None:
            print(words, file=sys.stderr)
        if code:
            words = words or "the script exited with code %d" % code
            return _Failed({"kind": "script_error", "message": words[:MAX_MESSAGE], "exit_code": code})
        names.pop("__value__", None)
    value = names.get("__value__")
    return names.get("result") if value is None else value


class _Failed:
    def __init__(self, explained):
        self.explained = explained


def _broken(error, invalid=False):
    explained, trace = _explained(error, invalid)
    sys.stderr.write(trace)
    return _Failed(explained)


def _heroscript_error(error):
    module = sys.modules.get("heroscript")
    if module is None or not isinstance(error, module.Error):
        return None
    kind = "script_invalid" if isinstance(error, module.Invalid) else "script_error"
    return _Failed({"kind": kind, "message": error.message, "line": error.line, "column": error.column})


def _run(job):
    try:
        _become(job)
        value = _value(job)
    except BaseException as error:
        value = job["heroscript"] and _heroscript_error(error) or _broken(error)
    code = 0
    try:
        if os.getpid() == MAIN:
            threading._shutdown()
            atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        if os.getpid() != MAIN:
            # A process that the script has forked, at its end.
            os._exit(0)
        if isinstance(value, _Failed):
            _fail(value.explained)
            code = value.explained.get("exit_code", 1)
        elif value is not None:
            data = _rendered(value)
            if len(data) - 1 > SETTINGS["result"]:
                words = "the result has %d bytes, more than the %d that are allowed"
                _fail({"kind": "limit_exceeded", "message": words % (len(data) - 1, SETTINGS["result"])})
                code = 1
            else:
                _send(b"R", data)
        else:
            _send(b"R", b"N")
    except BaseException as error:
        code = 1
        _fail(_explained(error)[0])
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


def _await(child):
    """Waits for the end of a job; its group goes with it. Without a host, all of it ends at once."""
    ended = os.pidfd_open(child)
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    poll.register(CONTROL, 0)
    if any(fd == CONTROL for fd, _ in poll.poll()):
        os.killpg(child, signal.SIGKILL)
        os._exit(0)
    os.close(ended)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    try:
        os.killpg(child, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    return os.waitpid(child, 0)[1]


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
        _fail(_explained(error)[0])
        os._exit(1)


def _hand_over(message, spare):
    """Gives a process its job; another one, if somebody has ended the one that waited. Tells which one has it."""
    child, way = spare or _spare()
    try:
        _write(way, message)
    except BrokenPipeError:
        os.close(way)
        os.waitpid(child, 0)
        child, way = _spare()
        try:
            _write(way, message)
        except BrokenPipeError:
            # It cannot be prepared; how it ended is what becomes of the job.
            pass
    os.close(way)
    return child


def _serve():
    spare = _spare()
    while True:
        child = _hand_over(_message(CONTROL), spare)
        os.write(CONTROL, struct.pack("<i", _await(child)))
        try:
            spare = _spare()
        except OSError:
            # No process to be had now; the next job tries again, and it is that one's trouble.
            spare = None


def main(settings):
    global SETTINGS, CONTROL, BASE
    import gc

    SETTINGS = settings
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    CONTROL = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 64)
    nothing = os.open("/dev/null", os.O_RDWR)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.set_inheritable(RESULTS, False)
    sys.stdin = open(0, encoding="utf-8", closefd=False)
    sys.stdout = sys.__stdout__ = _stream(1, "<stdout>")
    sys.stderr = sys.__stderr__ = _stream(2, "<stderr>")
    for path in settings["handlers"]:
        with open(path, encoding="utf-8") as file:
            exec(compile(file.read(), path, "exec", dont_inherit=True), {"__name__": "handlers"})
    with open("/proc/self/statm", encoding="ascii") as file:
        BASE = int(file.read().split()[0]) * resource.getpagesize()
    gc.collect()
    gc.freeze()
    version = "python %d.%d.%d" % sys.version_info[:3]
    data = json.dumps({"version": version}).encode()
    os.write(CONTROL, struct.pack("<I", len(data)) + data)
    _serve()
