# What a script can change in its process, remembered before the first job of the process and put back behind each one.
import _signal
import builtins
import fcntl
import gc
import heroscript
import os
import resource
import sys
import threading
import time
import types
import warnings

try:
    import _locale
except ImportError:
    _locale = None

# The lowest number of a descriptor that is kept out of the way.
HIGH = 64

_environ = os.environ
_kept = types.SimpleNamespace()


def moved_up(fd):
    """A copy of a descriptor, out of the way of those that scripts open."""
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, HIGH)


def remember():
    kept = _kept
    # `os.environ` makes these calls as well.
    os.putenv, os.unsetenv = _watched(os.putenv), _watched(os.unsetenv)
    kept.env, kept.touched = {}, True
    kept.signals = [(one, _signal.getsignal(one)) for one in _signal.valid_signals()]
    kept.signals = [(one, handler) for one, handler in kept.signals if handler is not None]
    kept.umask = os.umask(0)
    os.umask(kept.umask)
    kept.builtins = dict(builtins.__dict__)
    kept.path, kept.importers = list(sys.path), set(sys.path_importer_cache)
    kept.filters = list(warnings.filters)
    kept.recursion, kept.switch = sys.getrecursionlimit(), sys.getswitchinterval()
    kept.collection = gc.get_threshold()
    kept.thread_hook = threading.excepthook
    kept.locale = _locale and _locale.setlocale(_locale.LC_ALL, None)
    kept.handlers = dict(heroscript._handlers)
    kept.files = [(fd, _identity(fd), moved_up(fd)) for fd in (0, 1, 2, streams.RESULTS)]
    names = [name for name in dir(resource) if name.startswith("RLIMIT_")]
    kept.limits = {getattr(resource, name): None for name in names}
    for one in kept.limits:
        kept.limits[one] = resource.getrlimit(one)
    kept.rights = _rights()


def all():
    """Puts everything back; false for what cannot be."""
    _hooks()
    _modules()
    _signals()
    os.umask(_kept.umask)
    _files()
    return _limits() and _rights() == _kept.rights


def environment(env):
    """Makes these variables the whole environment, also for programs that a script starts."""
    kept = _kept
    os.environ = _environ
    if kept.touched:
        for name in [name for name in _environ if name not in env]:
            del _environ[name]
        # What was put there past `os.environ`.
        kernel.clear_environment()
        _environ.update(env)
    else:
        for name in kept.env.keys() - env.keys():
            del _environ[name]
        for name, value in env.items():
            if kept.env.get(name) != value:
                _environ[name] = value
    if kept.env.get("TZ") != env.get("TZ"):
        time.tzset()
    kept.env, kept.touched = env, False


def _watched(call):
    """A call that changes the environment; it is noted that somebody has done so."""

    def watched(*args):
        _kept.touched = True
        return call(*args)

    return watched


def tools():
    """Puts back what the end of a job itself is done with."""
    sys.setprofile(None)
    now, before = builtins.__dict__, _kept.builtins
    if now != before:
        now.clear()
        now.update(before)
    if sys.getrecursionlimit() != _kept.recursion:
        sys.setrecursionlimit(_kept.recursion)


def _hooks():
    threading.settrace(None)
    threading.setprofile(None)
    sys.excepthook, sys.displayhook = sys.__excepthook__, sys.__displayhook__
    sys.unraisablehook = sys.__unraisablehook__
    threading.excepthook = _kept.thread_hook
    if sys.getswitchinterval() != _kept.switch:
        sys.setswitchinterval(_kept.switch)
    gc.enable()
    gc.set_threshold(*_kept.collection)
    gc.set_debug(0)
    gc.callbacks.clear()


def _modules():
    if sys.path != _kept.path:
        sys.path[:] = _kept.path
    for path in sys.path_importer_cache.keys() - _kept.importers:
        # Those of folders of jobs are never asked again.
        if not os.path.isdir(path):
            del sys.path_importer_cache[path]
    if warnings.filters != _kept.filters:
        # So that what was decided by the filters before is decided anew.
        warnings.simplefilter("default")
        warnings.filters[:] = _kept.filters
    heroscript.__dict__.pop("INPUT", None)
    if heroscript._handlers != _kept.handlers:
        heroscript._handlers.clear()
        heroscript._handlers.update(_kept.handlers)
    if _locale and _locale.setlocale(_locale.LC_ALL, None) != _kept.locale:
        _locale.setlocale(_locale.LC_ALL, _kept.locale)
    # The folder in which temporary files were made is gone.
    tempfile = sys.modules.get("tempfile")
    if tempfile is not None:
        tempfile.tempdir = None
    random = sys.modules.get("random")
    if random is not None:
        random.seed()
    cleanup.remember_modules()


def _signals():
    for timer in (_signal.ITIMER_REAL, _signal.ITIMER_VIRTUAL, _signal.ITIMER_PROF):
        _signal.setitimer(timer, 0)
    for one, handler in _kept.signals:
        if _signal.getsignal(one) is not handler:
            _signal.signal(one, handler)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, [])
    _signal.set_wakeup_fd(-1)


def _identity(fd):
    found = os.fstat(fd)
    return found.st_dev, found.st_ino


def _files():
    for fd, identity, copy in _kept.files:
        try:
            same = _identity(fd) == identity
        except OSError:
            same = False
        if not same:
            os.dup2(copy, fd, fd <= 2)


def _limits():
    """Puts limits back; those that each job sets anew need only be as high as before."""
    anew = (resource.RLIMIT_AS, resource.RLIMIT_CPU)
    for one, before in _kept.limits.items():
        now = resource.getrlimit(one)
        if now == before or one in anew and now[1] == before[1]:
            continue
        try:
            resource.setrlimit(one, before)
        except (ValueError, OSError):
            return False
    return True


def _rights():
    return os.getresuid(), os.getresgid(), os.getgroups(), os.getpriority(os.PRIO_PROCESS, 0)
