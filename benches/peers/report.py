"""The table as a page and as data, with the machine that it was measured on."""

import json
import os
import platform
from pathlib import Path

import figures
from rows import TITLES

HEAD = "| what | ours / peer (middle half) | goal | ours | peer |\n|---|---|---|---|---|"


class Moment:
    """The machine at one moment; where there is no /proc, only its load."""

    def __init__(self):
        self.load = [round(load, 2) for load in os.getloadavg()]
        stat = Path("/proc/stat")
        first = stat.read_text().splitlines()[0] if stat.exists() else ""
        self.ticks = [int(word) for word in first.split()[1:]] or [0] * 10


def lines(results):
    """One line of the table for each result."""
    return [line(result) for result in results]


def line(result):
    ratio = f"**{result['ratio']:.2f}x** of {TITLES[result['peer']]}"
    half = f"({result['ratio_lower_quartile']:.2f} to {result['ratio_upper_quartile']:.2f})"
    goal = f"{result['goal']}x" if result["goal"] else ""
    if result["met"] is False:
        goal = f"**missed**: {goal}"
    sides = [side(result["figure"], result[name]) for name in ("ours", "theirs")]
    return f"| {result['what']} | {ratio} {half} | {goal} | {sides[0]} | {sides[1]} |"


def side(figure, shown):
    if figure == "p50_ms":
        return f"{shown['p50_ms']:.2f} ms (p99 {shown['p99_ms']:.2f})"
    rate = f"{shown['value']:,.0f} jobs/s".replace(",", " ")
    if "p50_ms" in shown:
        return f"{rate}, p50 {shown['p50_ms']:.1f} ms"
    return rate + f" (queued at {shown['queued_per_second']:,.0f})".replace(",", " ")


def write(folder, begin, versions, options, results):
    """Writes peers.md and peers.json."""
    end = Moment()
    stolen = figures.stolen_percent(begin.ticks, end.ticks)
    machine = {
        "processors": os.cpu_count(),
        "kernel": f"{platform.system()} {platform.release()}",
        "load_before": begin.load,
        "load_after": end.load,
        "stolen_percent": round(stolen, 2),
    }
    missed = sum(result["met"] is False for result in results)
    load = [" ".join(map(str, moment.load)) for moment in (begin, end)]
    page = "\n".join(
        [
            f"{machine['processors']} processors, {machine['kernel']}. "
            f"Load {load[0]} before and {load[1]} after, {stolen:.1f} % of the time stolen. "
            f"{options['rounds']} rounds, turns of {options['seconds']} s.",
            "",
            ", ".join(f"{name} {version}" for name, version in versions.items()) + ".",
            "",
            HEAD,
            *lines(results),
            "",
            f"Goals missed: {missed}",
            "",
        ]
    )
    data = {"machine": machine, "versions": versions, "options": options, "results": results}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "peers.md").write_text(page)
    (folder / "peers.json").write_text(json.dumps(data, indent=2) + "\n")
