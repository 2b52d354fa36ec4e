"""The rows of the table, their goals, and what the turns of a row say."""

import statistics
from dataclasses import dataclass

import figures

# Names of peers, as the option --peers takes them, and their titles.
TITLES = {
    "bullmq": "BullMQ",
    "asynq": "asynq",
    "celery-threads": "Celery, threads",
    "celery": "Celery, prefork",
    "rq": "RQ",
}


@dataclass(frozen=True)
class Row:
    """What is measured: callers of one language, or with callers = 0 a queue that is worked off."""

    key: str
    title: str
    language: str
    callers: int
    # The figure that is compared, and what it is shown with.
    figure: str
    # Peers, each with its goal: a bound of ours / peer, or None.
    peers: dict
    # Flags of our actor beside those of its language.
    flags: tuple = ()


ROWS = [
    Row(
        "one",
        "RunJob no-op, one at a time, p50",
        "osis",
        1,
        "p50_ms",
        {"bullmq": ("at most", 0.45), "asynq": None, "celery-threads": None},
    ),
    Row(
        "many",
        "RunJob no-op, 64 callers",
        "osis",
        64,
        "per_second",
        {"bullmq": ("at least", 4.5), "asynq": ("at least", 3.5), "celery-threads": None},
    ),
    Row(
        "drain",
        "a full queue, one worker process",
        "osis",
        0,
        "per_second",
        {"bullmq": ("at least", 3), "asynq": None},
    ),
    Row(
        "python-one",
        "Python no-op, one at a time, p50",
        "python",
        1,
        "p50_ms",
        {"celery": ("at most", 0.8), "rq": None},
    ),
    Row(
        "python-many",
        "Python no-op, 16 callers",
        "python",
        16,
        "per_second",
        {"celery": ("at least", 1.5), "rq": None},
    ),
    Row(
        "python-shared-one",
        "Python no-op, one process for all jobs of a host, one at a time, p50",
        "python",
        1,
        "p50_ms",
        {"celery": ("at most", 0.35)},
        ("--isolation=host",),
    ),
    Row(
        "python-shared-many",
        "the same, 16 callers",
        "python",
        16,
        "per_second",
        {"celery": None},
        ("--isolation=host",),
    ),
]


def results(row, turns):
    """What a row has shown, one result for each peer, from its turns as (name, figures) in their order."""
    values = [(name, value_of(row, turn)) for name, turn in turns]
    return [result(row, turns, values, peer) for peer in row.peers if any(name == peer for name, _ in turns)]


def value_of(row, turn):
    if row.figure == "per_second" and "per_second" not in turn:
        return turn["jobs"] / turn["seconds"]
    return turn[row.figure]


def result(row, turns, values, peer):
    ratios = figures.neighbour_ratios(values, peer)
    lower, median, upper = figures.middle_half(ratios)
    goal = row.peers[peer]
    return {
        "row": row.key,
        "what": row.title,
        "peer": peer,
        "ratio": median,
        "ratio_lower_quartile": lower,
        "ratio_upper_quartile": upper,
        "goal": goal and " ".join(map(str, goal)),
        "met": goal and figures.is_met(goal, median),
        "figure": row.figure,
        "ours": medians(turns, values, figures.OURS),
        "theirs": medians(turns, values, peer),
        "ratios": ratios,
    }


def medians(turns, values, name):
    """The medians of all figures of one side, and its values turn by turn."""
    own = [turn for turn_name, turn in turns if turn_name == name]
    shown = {figure: statistics.median(turn[figure] for turn in own) for figure in own[0]}
    each = [value for value_name, value in values if value_name == name]
    return {**shown, "value": statistics.median(each), "turns": each}
