"""The function that RQ's workers call."""


def noop(text):
    """Carries the payload and returns the result."""
    return "result-ok"
