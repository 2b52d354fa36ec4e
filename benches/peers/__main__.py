"""Measures this service beside its peers, in turns on one Redis. README.md says how, and what is fair about it."""

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import figures
import report
from install import HERE, install
from processes import Failure, adopt_orphans, end_descendants
from rows import ROWS, TITLES, results
from systems import STARTS, Stage, start_ours

ROOT = HERE.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute()
# Jobs of the first drain, which only says how many the others are to have.
FIRST_DRAIN = 3000
# Turns of each side before those that count: programs warm up.
WARM_TURNS = 2


def options_of(arguments):
    def some_of(known):
        def names(text):
            chosen = [name for name in text.split(",") if name]
            if not chosen or set(chosen) - set(known):
                raise argparse.ArgumentTypeError(f"{text!r}: some of {','.join(known)}, with commas between them")
            return [name for name in known if name in chosen]

        return names

    rows = [row.key for row in ROWS]
    parser = argparse.ArgumentParser(prog="python3 benches/peers", description=__doc__)
    parser.add_argument("--peers", type=some_of(list(TITLES)), default=list(TITLES), help=",".join(TITLES))
    parser.add_argument("--rows", type=some_of(rows), default=rows, help=",".join(rows))
    parser.add_argument("--rounds", type=int, default=8, help="turns of each peer in each row (default: 8)")
    parser.add_argument("--seconds", type=float, default=0.8, help="length of a turn (default: 0.8)")
    parser.add_argument("--programs", type=Path, default=TARGET / "release", help="folder of the built programs")
    options = parser.parse_args(arguments)
    if options.rounds < 1 or not 0.01 <= options.seconds <= 60:
        parser.error("--rounds is at least 1, and --seconds 0.01 to 60")
    options.programs = options.programs.absolute()
    return options


def main():
    options = options_of(sys.argv[1:])
    signal.signal(signal.SIGTERM, end_by_signal)
    signal.signal(signal.SIGHUP, end_by_signal)
    adopt_orphans()
    folder = Path(tempfile.mkdtemp(prefix="peers"))
    try:
        measure(options, folder)
    except Failure as failure:
        sys.exit(f"peers: {failure}")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    finally:
        end_descendants()
        shutil.rmtree(folder, ignore_errors=True)


def end_by_signal(number, _frame):
    sys.exit(128 + number)


def measure(options, folder):
    install(TARGET / "peers", options.peers)
    versions = versions_of(options)
    shown = {name: getattr(options, name) for name in ("peers", "rows", "rounds", "seconds")}
    begin, found = report.Moment(), []
    print(report.HEAD, flush=True)
    for row in ROWS:
        peers = [peer for peer in row.peers if peer in options.peers]
        if row.key in options.rows and peers:
            found += results(row, turns_of(row, peers, options, folder / row.key))
            print("\n".join(report.lines(found[-len(peers) :])), flush=True)
            # Again after each row, so that a failure takes no row with it.
            report.write(TARGET / "bench", begin, versions, shown, found)
    missed = sum(result["met"] is False for result in found)
    print(f"written to {TARGET / 'bench'}: peers.md and peers.json; goals missed: {missed}", file=sys.stderr)


def turns_of(row, peers, options, folder):
    """All turns of a row as (name, figures), in their order."""
    folder.mkdir()
    with Stage(folder, options.programs, TARGET / "peers") as stage, contextlib.ExitStack() as all_awake:
        systems = {peer: STARTS[peer](stage) for peer in peers}
        systems[figures.OURS] = start_ours(stage, row.language, row.flags)
        for system in systems.values():
            all_awake.enter_context(system)
            # The fact that it works.
            system.run(1, 0)
        all_awake.close()
        jobs = {name: warm_up(row, system, options.seconds) for name, system in systems.items()}
        turns = []
        for name in figures.turn_order(peers, options.rounds):
            with systems[name] as system:
                turns.append((name, turn(row, system, options.seconds, jobs[name])))
    return turns


def warm_up(row, system, seconds):
    """Runs some turns that do not count. Returns how many jobs a drain of this system is to have."""
    jobs = FIRST_DRAIN
    with system:
        for _ in range(WARM_TURNS):
            shown = turn(row, system, seconds, jobs)
            if "per_second" in shown:
                jobs = figures.drain_size(shown["per_second"], seconds, FIRST_DRAIN)
    return jobs


def turn(row, system, seconds, jobs):
    return system.run(row.callers, seconds) if row.callers else system.drain(jobs)


def versions_of(options):
    """What is compared, by the lock files, and what it runs on, by what the programs say."""
    asked = {
        "ours": [options.programs / "hero-supervisor", "--version"],
        "Redis": ["redis-server", "--version"],
        "Go": ["go", "env", "GOVERSION"],
        "Node": ["node", "--version"],
        "Python": [sys.executable, "--version"],
    }
    versions = {name: number_in(said(command)) for name, command in asked.items()}
    pinned = {
        "BullMQ": ("node/package.json", r'"bullmq": "(.*)"'),
        "asynq": ("go/go.mod", r"hibiken/asynq v(.*)"),
        "Celery": ("python/requirements.txt", r"(?m)^celery==(.*)$"),
        "RQ": ("python/requirements.txt", r"(?m)^rq==(.*)$"),
    }
    for name, (file, pattern) in pinned.items():
        versions[name] = re.search(pattern, (HERE / file).read_text())[1]
    return versions


def said(command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError) as failure:
        raise Failure(f"{command[0]}: {failure}") from failure


def number_in(text):
    return re.search(r"\d+(\.\d+)+\S*", text)[0]


if __name__ == "__main__":
    main()
