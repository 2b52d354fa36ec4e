# One job: from its text to what is said about its end, in the process that runs it.
import ast
import builtins
import json
import linecache
import os
import resource
import signal
import sys
import types

NAME = report.NAME
SETTINGS = None
# The process of the job; one that its script has forked is another.
MAIN = None
# The global names of the script.
NAMES = {}


def bound(what, value):
    """Sets a limit for good, as far as it may be set."""
    _, hard = resource.getrlimit(what)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(what, (value, value))


def bound_softly(what, value):
    """Sets a limit that can be set anew for the next job."""
    _, hard = resource.getrlimit(what)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(what, (value, hard))


def prepare():
    """From a copy of the server to a process that waits for a job."""
    global MAIN
    os.setsid()
    MAIN = os.getpid()
    kernel.end_with_parent()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ.clear()
    bound(resource.RLIMIT_FSIZE, SETTINGS["file"])
    bound(resource.RLIMIT_NOFILE, SETTINGS["files"])


def compiled(text):
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
        code = compiled(text)
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


def run(job, become):
    """Runs the script, after `become` has made this process the one of its job. Returns its value, or how it failed."""
    try:
        become(job)
        return _value(job)
    except BaseException as error:
        return job["heroscript"] and _heroscript_error(error) or _broken(error)


def said(value):
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


def end(held):
    """Ends the job and its process, as an interpreter ends. The value is the only thing in the list `held`, so that
    nobody else has it."""
    try:
        cleanup.run_exit_functions()
        words = said(held.pop())
    except BaseException as error:
        os._exit(trouble(error))
    leave(words)


def leave(words):
    """Ends the process of the job, whose last words these are."""
    kind, data, code = words
    try:
        cleanup.finalize(NAMES)
        streams.flush()
        # A process that the script has forked has nothing to say about the job at its end.
        if os.getpid() == MAIN:
            streams.send(kind, data)
    except BaseException as error:
        code = trouble(error)
    os._exit(code)


def trouble(error):
    """Says what has gone wrong at the end of a job. Returns the exit code for it."""
    explained, trace = report.explained(error)
    cleanup.say(trace)
    if os.getpid() == MAIN:
        streams.fail(explained)
    return 1
