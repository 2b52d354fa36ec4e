"""HeroScript: playbooks of actions. `parse(text)` reads one; `run(text)` hands each action to its handler, which
`@heroscript.action("actor.name")` has registered. The rules are those of every other actor."""

_MARKS = ("!", "!!", "!!!", "!!!!")
_KEY = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_,./")
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_DIGITS = frozenset("0123456789")
_SPACES = " \t\r\n"
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "'": "'", '"': '"'}
_MAX_ARGS = 1000


class Error(Exception):
    """What is wrong, and where (counted from 1, columns in characters)."""

    def __init__(self, message, line, column):
        super().__init__("line %d, column %d: %s" % (line, column, message))
        self.message = message
        self.line = line
        self.column = column


class Invalid(Error):
    """A text that is no playbook, or that asks for an action that nobody knows."""


class Action:
    """One thing to do: `actor`, `name`, `args` (pairs of a key, or None, and a value), `marks`, `comment`, place."""

    def __init__(self, marks, actor, name, comment, line, column):
        self.marks = marks
        self.actor = actor
        self.name = name
        self.args = []
        self.comment = comment
        self.line = line
        self.column = column

    def get(self, key, default=None):
        """The value of the argument with this key."""
        return next((value for known, value in self.args if known == key), default)

    def params(self):
        """The arguments that have keys."""
        return {key: value for key, value in self.args if key is not None}

    def values(self):
        """The arguments that have none."""
        return [value for key, value in self.args if key is None]

    def __repr__(self):
        return "<%s%s.%s at line %d>" % (self.marks, self.actor, self.name, self.line)


class _Cursor:
    def __init__(self, text):
        self.text = text
        self.at = 0
        self.line = 1
        self.start = 0

    @property
    def column(self):
        return self.at - self.start + 1

    def done(self):
        return self.at >= len(self.text)

    def peek(self):
        return self.text[self.at] if self.at < len(self.text) else ""

    def next(self):
        c = self.peek()
        if c:
            self.at += 1
            if c == "\n":
                self.line += 1
                self.start = self.at
        return c

    def starts(self, word):
        return self.text.startswith(word, self.at)

    def skip_line(self):
        begin = self.at
        end = self.text.find("\n", begin)
        self.at = len(self.text) if end < 0 else end
        line = self.text[begin : self.at]
        self.next()
        return line

    def skip_spaces(self):
        while self.peek() and self.peek() in " \t\r":
            self.at += 1

    def skip_indent(self):
        begin = self.at
        self.skip_spaces()
        return sum(map(_width, self.text[begin : self.at]))

    def at_end_of_line(self):
        return self.peek() in ("", "\n")

    def mistake(self, message):
        return Invalid(message, self.line, self.column)

    def marks(self):
        end = self.at
        while self.text.startswith("!", end):
            end += 1
        count = end - self.at
        first = self.text[end : end + 1]
        if count == 0 or first == "[" or count == 1 and first not in _LETTERS:
            return None
        if count > len(_MARKS):
            words = "an action begins with one to four exclamation marks, not with %d"
            raise self.mistake(words % count)
        return _MARKS[count - 1]

    def key(self):
        end = self.at
        while end < len(self.text) and self.text[end] in _KEY:
            end += 1
        is_key = end > self.at and self.text.startswith(":", end) and not self.text.startswith("://", end)
        return self.text[self.at : end] if is_key else None


def _width(c):
    return {"\t": 4, "\r": 0}.get(c, 1)


def _common_indent(text):
    widths = []
    for number, line in enumerate(text.split("\n")):
        if number == 0 and line.startswith("#!") or not line.strip(_SPACES):
            continue
        widths.append(sum(map(_width, line[: len(line) - len(line.lstrip(_SPACES))])))
    return min(widths, default=0)


def parse(text):
    """The actions of a text, in order; `Invalid` says what is wrong with it."""
    cursor = _Cursor(text[1:] if text.startswith("\ufeff") else text)
    common = _common_indent(cursor.text)
    if cursor.starts("#!"):
        cursor.skip_line()
    actions, is_open, comment = [], False, None
    while not cursor.done():
        indent = cursor.skip_indent()
        if cursor.at_end_of_line():
            comment = None
            cursor.skip_line()
            continue
        marks = cursor.marks()
        if marks is not None:
            actions.append(_action(cursor, marks, comment))
            comment, is_open = None, True
        elif is_open and indent >= common + 2 and cursor.peek() != "!":
            _args(cursor, actions[-1])
        else:
            is_open = False
            line = cursor.skip_line()
            if line.startswith("//"):
                line = line[2:].strip(_SPACES)
                comment = line if comment is None else comment + "\n" + line
            else:
                comment = None
    return actions


def _action(cursor, marks, comment):
    line, column = cursor.line, cursor.column
    cursor.at += len(marks)
    names = [""]
    while cursor.peek() and cursor.peek() not in _SPACES:
        c = cursor.peek()
        if c == "." and len(names) == 2:
            raise cursor.mistake("an action has at most two names: write !!actor.action")
        if c == "." and names[-1]:
            names.append("")
        elif c in _LETTERS or c in _DIGITS and names[-1]:
            names[-1] += c.lower()
        elif c == "-" and names[-1]:
            names[-1] += "_"
        else:
            raise cursor.mistake(
                "the name of an action is made of letters, digits and _, and begins with none of "
                "the digits: write !!actor.action"
            )
        cursor.next()
    if not names[-1]:
        raise cursor.mistake("the name of the action is missing: write !!actor.action")
    actor = names[0] if len(names) == 2 else "core"
    action = Action(marks, actor, names[-1], comment, line, column)
    _args(cursor, action)
    return action


def _args(cursor, action):
    while True:
        cursor.skip_spaces()
        if cursor.at_end_of_line() or cursor.starts("//"):
            cursor.skip_line()
            return
        if len(action.args) == _MAX_ARGS:
            raise cursor.mistake("an action has at most %d arguments" % _MAX_ARGS)
        line, column = cursor.line, cursor.column
        key = cursor.key()
        if key is None:
            action.args.append((None, _value(cursor)))
            continue
        cursor.at += len(key) + 1
        key = key.lower()
        if action.get(key) is not None:
            raise Invalid('"%s" is given twice' % key, line, column)
        action.args.append((key, _value_of_key(cursor)))


def _value_of_key(cursor):
    if cursor.peek() and cursor.peek() not in _SPACES:
        return _value(cursor)
    cursor.skip_spaces()
    if cursor.at_end_of_line() or cursor.starts("//") or cursor.key() is not None:
        return ""
    return _value(cursor)


def _value(cursor):
    if cursor.peek() in ("'", '"'):
        return _quoted(cursor, cursor.peek())
    begin = cursor.at
    while cursor.peek() and cursor.peek() not in _SPACES:
        cursor.at += 1
    return cursor.text[begin : cursor.at]


def _quoted(cursor, quote):
    begin = (cursor.line, cursor.column)
    cursor.next()
    value = []
    while True:
        place = (cursor.line, cursor.column)
        c = cursor.next()
        if not c:
            raise Invalid("the quote %s that begins here is never closed" % quote, *begin)
        if c == quote:
            break
        if c == "\\":
            c = _ESCAPES.get(cursor.next())
            if c is None:
                words = r"this escape is not known: there are \\ \' \" \n \r and \t; write \\ for " + "\\"
                raise Invalid(words, *place)
        value.append(c)
    if cursor.peek() and cursor.peek() not in _SPACES:
        words = "a space must follow a closing quote; write \\ in front of a quote inside the value"
        raise cursor.mistake(words)
    return "".join(value)


_handlers = {}


def action(name):
    """Registers the function below as handler of the action `actor.name`; it is called with an `Action`."""
    actor, dot, rest = name.lower().replace("-", "_").rpartition(".")
    known = (actor if dot else "core", rest)

    def register(function):
        _handlers[known] = function
        return function

    return register


def run(text):
    """Hands each action to its handler, in order; answers with what they return. Nothing runs if one is not known."""
    actions = parse(text)
    for one in actions:
        if (one.actor, one.name) not in _handlers:
            known = ", ".join(sorted("%s.%s" % key for key in _handlers))
            words = "there is no action %s.%s here; there are: %s" % (one.actor, one.name, known)
            raise Invalid(words, one.line, one.column)
    results = []
    for one in actions:
        try:
            results.append(_handlers[one.actor, one.name](one))
        except Exception as error:
            words = "%s.%s: %s: %s" % (one.actor, one.name, type(error).__name__, error)
            raise Error(words, one.line, one.column) from error
    return results


@action("play.echo")
def _echo(one):
    text = one.get("content", " ".join(one.values()))
    print(text)
    return text
