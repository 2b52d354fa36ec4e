# What an interpreter does at its end, done for one script: its process ends without that, since to take down all that
# was imported before the fork costs more than most scripts. So what the script holds open is closed here: files and
# archives get what was written to them, programs that read from it get their end of input, temporary files go.
import _io
import atexit
import gc
import os
import sys
import threading
import time
import types

# What was imported before the fork.
_modules = frozenset()
# A program that was still reading from the script when that ended has this long to use what it has read.
PATIENCE = 2.0


def flush(stream):
    """Flushes a stream of the script, which may be None, closed, detached, or something of its own."""
    if stream is None:
        return
    try:
        if stream.closed:
            return
    except AttributeError:
        pass
    except ValueError:  # detached: there is nothing behind it
        return
    write_out = getattr(stream, "flush", None)
    if write_out is not None:
        write_out()


def say(text):
    """Writes to standard error, wherever the script has left that."""
    for stream in (sys.stderr, sys.__stderr__):
        try:
            stream.write(text)
            stream.flush()
            return
        except Exception:
            pass
    try:
        os.write(2, text.encode("utf-8", "backslashreplace"))
    except OSError:
        pass


def run_exit_functions():
    """Waits for the threads of the script, and runs what it has left for its end."""
    threading._shutdown()
    atexit._run_exitfuncs()
    flush(sys.stdout)


def remember_modules():
    """Takes note of the modules that are there before a script."""
    global _modules
    if len(sys.modules) != len(_modules):
        _modules = frozenset(sys.modules)


def finalize(names, for_good=True):
    """Lets go of all that the script holds (its global `names`, above all), so that it is closed as at the end of an
    interpreter: by the counts of references, what was made last first. Cycles come last, in no order, which is why
    their files are written out before. For good: what modules hold is closed as well."""
    # Threads that nobody waits for go on while names disappear under them; what they say about that helps nobody.
    threading.excepthook = _hear_nothing
    sys.stdin, sys.stdout, sys.stderr = sys.__stdin__, sys.__stdout__, sys.__stderr__
    readers = _readers()
    # A module of this name has to be there.
    sys.modules["__main__"] = types.ModuleType("__main__")
    for one in _streams():
        _attempt(one.flush)
    for scope in [names, *_own_modules()]:
        _clear(scope)
    if for_good:
        _close_what_stays()
    gc.collect()
    _let_end(readers)


def _attempt(call):
    try:
        call()
    except Exception:
        pass


def _hear_nothing(_):
    pass


def _own_modules():
    """Names of modules that are the script's own, which go with it. Those that were installed hold nothing of it, and
    to clear them takes long."""
    if len(sys.modules) <= len(_modules):
        return []
    own = [name for name in sys.modules.keys() - _modules if is_own(sys.modules[name])]
    return [vars(sys.modules.pop(name)) for name in own]


def is_own(module):
    """True for a module that is the script's own, and not installed."""
    file = getattr(module, "__file__", None)
    installed = tuple({sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix})
    return isinstance(file, str) and not file.startswith(installed)


def _clear(names):
    """Values first, since what they do at their end needs functions, classes and modules."""
    kept = (types.FunctionType, type, types.ModuleType)
    for name in [name for name, value in names.items() if not isinstance(value, kept)][::-1]:
        if name != "__builtins__":
            names[name] = None
    for name in list(names):
        if name != "__builtins__":
            names[name] = None


def _streams():
    return [one for one in gc.get_objects() if type(one).__module__ == "_io" and isinstance(one, _io._IOBase)]


def _close_what_stays():
    """Closes what is in a cycle, or held by something that was imported: what is written in Python (an archive, for
    instance) and would close itself, latest first; then files."""
    closes = {}
    for one in gc.get_objects()[::-1]:
        kind = type(one)
        if kind not in closes:
            closes[kind] = _closes_itself(kind)
        if closes[kind]:
            _attempt(one.close)
    for one in _streams():
        _attempt(one.flush)


def _closes_itself(kind):
    if kind.__module__ == "_io":
        return False
    close = getattr(kind, "close", None)
    if not isinstance(close, types.FunctionType) or close.__code__.co_flags & 0x80:  # of a coroutine
        return False
    return issubclass(kind, _io._IOBase) or isinstance(getattr(kind, "__del__", None), types.FunctionType)


def _readers():
    """Programs that the script has started and that still read from it."""
    subprocess = sys.modules.get("subprocess")
    if subprocess is None:
        return []
    started = [one for one in gc.get_objects() if issubclass(type(one), subprocess.Popen)]
    return [one for one in started if one.stdin is not None and not one.stdin.closed and one.poll() is None]


def _let_end(readers):
    until = time.monotonic() + PATIENCE
    for reader in readers:
        _attempt(reader.stdin.close)
    for reader in readers:
        _attempt(lambda: reader.wait(max(0.0, until - time.monotonic())))
