# Jobs one after another in one process, for scripts that are trusted: none of them waits for a fork. Each has names of
# its own, and what it has changed in the process is put back (see restore.py); modules stay as it leaves them. The
# process ends, and the server makes a fresh one, after a number of jobs, when it holds too much memory or too many
# files, and behind a job that leaves threads or processes, or limits that cannot be raised again.
#
# While it lives, this process reads jobs from the host and tells their ends. The server tells the end of a job that has
# taken this process with it; which one that is stands in memory that both share.
import _thread
import atexit
import contextvars
import functools
import gc
import json
import mmap
import os
import resource
import select
import struct
import sys
import time

# A job that is shorter tells no peak of memory: to read it and to set it back takes the kernel longer than the job took.
LOOK_AT_PEAK_AFTER = 2_000_000
PAGE = resource.getpagesize()
# Compiled scripts that are kept, since most queues have few different ones; and the length of one that is not kept.
SCRIPTS = 64
LONG_SCRIPT = 64 * 1024

# What the script has left for its end.
_exits = []
_register = atexit.register
_unregister = atexit.unregister
# Files of the kernel about this process: its size, its state, and where its peak of memory is set back, if it can be.
_statm = _status = _peak = None
# Pages that it held before its first job, and its size in pages after the last one.
_resident = _size = 0


class Record:
    """What process and server both know of the jobs, as numbers of them: the last one that was begun, that was read as
    a whole, that has ended; and the processor time of this process in microseconds before the last one."""

    def __init__(self):
        self._cells = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("Q")

    begun = property(lambda self: self._cells[0], lambda self, value: self._cells.__setitem__(0, value))
    whole = property(lambda self: self._cells[1], lambda self, value: self._cells.__setitem__(1, value))
    ended = property(lambda self: self._cells[2], lambda self, value: self._cells.__setitem__(2, value))
    used = property(lambda self: self._cells[3], lambda self, value: self._cells.__setitem__(3, value))


def serve(control, end, record, pipes):
    """Runs jobs until the process is used up, or until there is no host any more."""
    broken = None
    try:
        _prepare()
    except BaseException as error:
        broken = error
    poll = select.poll()
    poll.register(control, select.POLLIN)
    jobs, restored = 0, True
    while True:
        poll.poll()
        record.begun += 1
        what = _read_job(control)
        record.whole = record.begun
        if broken is not None:
            streams.fail(report.explained(broken)[0])
            os._exit(1)
        jobs += 1
        if not restored:
            streams.restore(pipes)
        begun = time.monotonic_ns()
        before, children = _usage()
        record.used = before
        code = _run(what, jobs)
        del what
        used, highest = _usage()
        peak = max(highest if highest > children else 0, _peak_since(begun))
        os.write(control, end.pack(record.begun, code << 8, max(0, used - before), peak))
        record.ended = record.begun
        restored = _restore(pipes)


def _prepare():
    global _statm, _status, _peak, _resident, _size
    job.prepare()
    kernel.adopt()
    processes.KEPT = frozenset()
    atexit.register, atexit.unregister = _register_exit, _unregister_exit
    _statm = _opened("/proc/self/statm", os.O_RDONLY)
    _status = _opened("/proc/self/status", os.O_RDONLY)
    try:
        _peak = _opened("/proc/self/clear_refs", os.O_WRONLY)
        os.write(_peak, b"5")
    except OSError:
        _peak = None
    exec(job.compiled("0"), {})
    job.compiled = _compiled
    restore.remember()
    gc.collect()
    gc.freeze()
    _size, _resident = _pages()


def _opened(path, flags):
    """A descriptor out of the way of those that scripts open."""
    fd = os.open(path, flags | os.O_CLOEXEC)
    try:
        return restore.moved_up(fd)
    finally:
        os.close(fd)


def _read_job(control):
    """The next job. Whatever happens to it, it is read to its end, since behind it comes another one."""
    left = struct.unpack("<I", _read(control, 4))[0]
    try:
        message = _read(control, left)
    except MemoryError:
        while left:
            left -= len(_read(control, min(left, 4096)))
        raise
    return json.loads(message)


def _read(fd, length):
    """That many bytes. A process whose host is gone has nothing left to do."""
    message = bytearray(length)
    rest = memoryview(message)
    while rest:
        count = os.readv(fd, [rest])
        if not count:
            os._exit(0)
        rest = rest[count:]
    return message


_compile = job.compiled
_compiled_before = functools.lru_cache(SCRIPTS)(_compile)


def _compiled(text):
    return _compile(text) if len(text) > LONG_SCRIPT else _compiled_before(text)


def _become(what):
    os.chdir(what["folder"])
    restore.environment(what["env"])
    job.bound_softly(resource.RLIMIT_AS, _size * PAGE + job.SETTINGS["memory"])
    job.bound_softly(resource.RLIMIT_CPU, _usage()[0] // 1_000_000 + what["cpu"])


def _run(what, jobs):
    """Runs a job and says its result. Returns the exit code that a process of its own would have had; ends this process
    where something is left of the job, or when it is used up."""
    held = [contextvars.Context().run(job.run, what, _become)]
    # Before anything else is called.
    sys.settrace(None)
    restore.tools()
    if os.getpid() != job.MAIN or _anything_left():
        for function, args, kwargs in _exits:
            _register(function, *args, **kwargs)
        job.end(held)
    try:
        _run_exits()
        words = job.said(held.pop())
        cleanup.finalize(job.NAMES, False)
        if _anything_left() or _is_used_up(jobs):
            gc.unfreeze()
            cleanup.run_exit_functions()
            job.leave(words)
        streams.flush()
        kind, data, code = words
        streams.send(kind, data)
    except BaseException as error:
        code = job.trouble(error)
        if _anything_left():
            os._exit(code)
    return code


def _anything_left():
    """True for threads and processes that the script has left."""
    return _thread._count() > 0 or processes.any_alive()


def _is_used_up(jobs):
    global _size
    most = job.SETTINGS["shared"]
    _size, resident = _pages()
    if jobs >= most["jobs"] or (resident - _resident) * PAGE > most["memory"]:
        return True
    # Descriptors are given out from the lowest one on.
    free = os.dup(0)
    os.close(free)
    return free > job.SETTINGS["files"] // 2


def _restore(pipes):
    """Puts back what the script has changed. False where a pipe has to be looked at once more."""
    streams.renew()
    if not restore.all():
        os._exit(0)
    gc.freeze()
    return streams.restore(pipes)


def _register_exit(function, *args, **kwargs):
    """Stands for `atexit.register`: what a script registers is for the end of its job, what an installed module
    registers is for that of the process."""
    names = sys._getframe(1).f_globals
    if names is job.NAMES or cleanup.is_own(sys.modules.get(names.get("__name__"))):
        _exits.append((function, args, kwargs))
        return function
    return _register(function, *args, **kwargs)


def _unregister_exit(function):
    _exits[:] = [one for one in _exits if one[0] != function]
    _unregister(function)


def _run_exits():
    while _exits:
        function, args, kwargs = _exits.pop()
        try:
            function(*args, **kwargs)
        except BaseException as error:
            cleanup.say("Exception ignored in atexit callback %r:\n" % (function,) + report.explained(error)[1])


def _pages():
    """Pages of the address space of this process, and pages in memory."""
    return [int(word) for word in os.pread(_statm, 128, 0).split()[:2]]


def _usage():
    """Processor time of this process and of the children that it has waited for, in microseconds; and the highest peak
    of memory of one of these, in KiB."""
    own, children = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    seconds = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    return int(seconds * 1e6), children.ru_maxrss


def _peak_since(begun):
    """The peak of memory of a job of this process in KiB; 0 if it is not known."""
    if _peak is None or time.monotonic_ns() - begun < LOOK_AT_PEAK_AFTER:
        return 0
    line = os.pread(_status, 4096, 0).partition(b"VmHWM:")[2]
    os.write(_peak, b"5")
    return int(line.split(None, 1)[0])
