# What a job tells its host at its end: the bytes of its result, or its error in words.
import codecs
import json
import linecache
import traceback

NAME = "<job>"
MAX_MESSAGE = 16 * 1024


def plain(text):
    """A text that UTF-8 can carry: what it cannot (odd bytes in the name of a file, for instance) becomes escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _escaped_in_json(error):
    """The same inside of JSON, where a backslash needs another one."""
    return "".join("\\\\u%04x" % ord(one) for one in error.object[error.start : error.end]), error.end


codecs.register_error("hero_json", _escaped_in_json)


def _key(key):
    """The name that JSON gives to a key."""
    if isinstance(key, str):
        return key
    return {True: "true", False: "false", None: "null"}[key] if key is None or isinstance(key, bool) else repr(key)


def _names_twice(value):
    """True if JSON would have one name twice in an object: `{1: "a", "1": "b"}`."""
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, dict):
            if not all(type(key) is str for key in one) and len({_key(key) for key in one}) < len(one):
                return True
            one = one.values()
        todo.extend(part for part in one if isinstance(part, (dict, list, tuple)))
    return False


def rendered(value):
    """The bytes of a result, its kind in front: text as it is, else JSON, else what repr says."""
    if isinstance(value, str):
        return b"T" + value.encode("utf-8", "backslashreplace")
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        if "{" not in text or not _names_twice(value):
            return b"J" + text.encode("utf-8", "hero_json")
    except (TypeError, ValueError, RecursionError):
        pass
    return b"T" + repr(value).encode("utf-8", "backslashreplace")


def _column(frame):
    """The 1-based column of where a frame is, if this Python knows it."""
    try:
        positions = list(frame.tb_frame.f_code.co_positions())
        line, _, column, _ = positions[frame.tb_lasti // 2]
        text = linecache.getline(NAME, line).encode()[:column]
        return None if column is None else len(text.decode("utf-8", "replace")) + 1
    except (AttributeError, IndexError, TypeError):
        return None


def _shown(error, trace):
    """A traceback with causes and contexts, and its last words: the type of an error and its text, then its notes."""
    # Deep recursion is cut by the traceback module itself.
    shown = traceback.TracebackException(type(error), error, trace)
    whole = "".join(shown.format())
    shown.__notes__ = None
    words = list(shown.format_exception_only())[-1].strip()
    notes = getattr(error, "__notes__", None)
    notes = notes if isinstance(notes, (list, tuple)) else ()
    return whole, "\n".join([words, *(note for note in notes if isinstance(note, str))])


def explained(error, invalid=False):
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
        whole, words = _shown(error, trace)
    except BaseException as broken:  # an exception may have a __str__ that fails
        whole, words = "", type(error).__name__ + ": it cannot be shown: " + type(broken).__name__
    kind = "script_error"
    if invalid:
        kind = "script_invalid"
    elif isinstance(error, MemoryError):
        kind, words = "limit_exceeded", "the script needs more memory than it may use"
    elif isinstance(error, RecursionError):
        kind = "limit_exceeded"
    elif isinstance(error, OSError) and error.errno == 27:
        kind = "limit_exceeded"
    return failure(kind, words, line=line, column=column), whole


def failure(kind, words, **more):
    """An error as the host tells it."""
    return {"kind": kind, "message": plain(words[:MAX_MESSAGE]), **more}


def exit_code(error):
    """What an exit means, and what it says."""
    if error.code is None:
        return 0, None
    if isinstance(error.code, int):
        return error.code & 0xFF, None
    return 1, str(error.code)
