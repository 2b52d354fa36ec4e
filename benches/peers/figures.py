"""The arithmetic of a run: pure functions, tested by test_figures.py."""

import itertools
import math
import statistics

OURS = "ours"


def turn_order(peers, rounds):
    """Puts a turn of ours before and after each turn of a peer: ours A ours B ours A ours B ours."""
    order = [OURS]
    for _ in range(rounds):
        for peer in peers:
            order += [peer, OURS]
    return order


def neighbour_ratios(turns, peer):
    """The ratios ours / peer, one for each turn of the peer, from turns as (name, value) in their order.

    Ours is the geometric mean of the turns before and after, so a machine that grows faster or slower does no harm.
    """
    ratios = []
    for number, (name, value) in enumerate(turns):
        if name == peer:
            before, after = turns[number - 1][1], turns[number + 1][1]
            ratios.append(math.sqrt(before * after) / value)
    return ratios


def middle_half(values):
    """The lower quartile, the median and the upper quartile."""
    if len(values) == 1:
        return (values[0],) * 3
    lower, median, upper = statistics.quantiles(values, n=4, method="inclusive")
    return lower, median, upper


def steady_rate(samples, jobs):
    """Jobs a second while the middle four fifths of a queue are worked off, from samples as (seconds, jobs left).

    Neither the time that a worker needs to notice the first jobs counts, nor the time of its last ones.
    """
    begin, end = passed(samples, 0.9 * jobs), passed(samples, 0.1 * jobs)
    return 0.8 * jobs / (end - begin)


def passed(samples, level):
    """The time at which so many jobs were left, between two samples in proportion."""
    for (before, more), (after, fewer) in itertools.pairwise(samples):
        if fewer <= level < more:
            return before + (after - before) * (more - level) / (more - fewer)
    raise ValueError(f"the samples do not pass {level}")


def drain_size(rate, seconds, least):
    """As many jobs, in hundreds, as are worked off in that time."""
    return max(round(rate * seconds / 100) * 100, least)


def stolen_percent(before, after):
    """The share of the time that other machines on the same host took, from two first lines of /proc/stat."""
    passed_ticks = max(sum(after[:8]) - sum(before[:8]), 1)
    return 100 * (after[7] - before[7]) / passed_ticks


def is_met(goal, ratio):
    """Whether a ratio ours / peer reaches a goal ("at most" or "at least", factor)."""
    bound, factor = goal
    return ratio <= factor if bound == "at most" else ratio >= factor
