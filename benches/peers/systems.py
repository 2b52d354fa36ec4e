"""The systems side by side: how each is started, with which settings. README.md says why."""

import json
import signal
import time

import figures
from processes import LIMIT, Caller, Failure, Process, answers_ping, end_all, eventually, free_port

# Processes that run Python jobs, on every side.
PYTHON_PROCESSES = 2
# Between two looks at a queue that is worked off.
SAMPLE = 0.02
# What a turn has begun is answered by then; a process that stands still too early finds its call late when it goes on.
SETTLE = 0.05
# Part of a turn that is run before it and does not count.
WARM_UP = 0.2


class Stage:
    """A fresh Redis, and what runs on it. Everything ends with the stage."""

    def __init__(self, folder, programs, tools):
        self.folder = folder
        self.programs = programs
        self.tools = tools
        self.port = 0
        self.processes = []
        self.databases = 0

    def __enter__(self):
        try:
            self.port = free_port()
            options = ["--port", self.port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
            redis = self.start("redis", ["redis-server", *options])
            eventually(lambda: answers_ping(self.port), "Redis does not answer", redis)
        except BaseException:
            end_all(self.processes)
            raise
        return self

    def __exit__(self, *_failure):
        # The server last, so that nobody misses it.
        end_all(self.processes[1:])
        end_all(self.processes[:1])

    def start(self, name, command, env=None, kind=Process):
        process = kind(name, command, self.folder, env=env)
        self.processes.append(process)
        return process

    def database(self):
        """The number of a database that no other system uses."""
        self.databases += 1
        return self.databases - 1

    def url(self, database):
        return f"redis://127.0.0.1:{self.port}/{database}"


class System:
    """A system that runs: its processes, of which one is the caller. They stand still but for its turns."""

    def __init__(self, name, processes):
        self.name = name
        self.processes = processes
        self.caller = processes[-1]

    def __enter__(self):
        for process in self.processes:
            process.must_live()
            process.signal(signal.SIGCONT)
        return self

    def __exit__(self, *_failure):
        time.sleep(SETTLE)
        for process in self.processes:
            process.signal(signal.SIGSTOP)

    def run(self, callers, seconds):
        """What so many callers see."""
        self.caller.ask("run", callers, seconds * WARM_UP)
        return self.caller.ask("run", callers, seconds)

    def drain(self, jobs):
        """Fills the paused queue, lets the worker have it, and looks on."""
        queued = self.caller.ask("queue", jobs)
        begun, samples = time.monotonic(), [(0.0, jobs)]
        self.caller.ask("resume")
        while samples[-1][1] > 0:
            left = self.caller.ask("left")["left"]
            samples.append((time.monotonic() - begun, left))
            if samples[-1][0] > LIMIT:
                raise Failure(f"{self.name}: {left} of {jobs} jobs left after {LIMIT:.0f} s")
            time.sleep(SAMPLE)
        rate = figures.steady_rate(samples, jobs)
        return {"jobs": jobs, "per_second": rate, "queued_per_second": queued["jobs"] / queued["seconds"]}


def start_ours(stage, language, more):
    """The supervisor and one actor, both on Redis over TCP; the caller reaches the supervisor over TCP."""
    url, ready = stage.url(stage.database()), stage.folder / "ready.json"
    serve = ["serve", "--process-manager", "local", "--listen", "127.0.0.1:0", "--log-filter", "warn"]
    files = ["--ready-file", ready, "--data-dir", stage.folder / "data"]
    supervisor = stage.start("supervisor", [stage.programs / "hero-supervisor", *serve, "--redis-url", url, *files])
    eventually(lambda: ready.exists() and ready.stat().st_size, "the supervisor is not ready", supervisor)
    address = json.loads(ready.read_text())["addresses"][0]
    flags = [f"--concurrency={PYTHON_PROCESSES}", *more] if language == "python" else more
    command = [stage.programs / f"{language}_actor", "--redis-url", url, "--actor-id", "peers_0", *flags]
    actor = stage.start("actor", command, {"RUST_LOG": "warn"})
    caller = stage.start("ours-caller", [stage.tools / "go/hero", address, language], kind=Caller)
    return System(figures.OURS, [supervisor, actor, caller])


def start_bullmq(stage):
    program, place = stage.tools / "node/bullmq.mjs", [stage.port, stage.database()]
    worker = stage.start("bullmq-worker", ["node", program, "worker", *place])
    caller = stage.start("bullmq-caller", ["node", program, "caller", *place], kind=Caller)
    return System("bullmq", [worker, caller])


def start_asynq(stage):
    program, place = stage.tools / "go/asynq", [f"127.0.0.1:{stage.port}", stage.database()]
    worker = stage.start("asynq-worker", [program, "worker", *place])
    caller = stage.start("asynq-caller", [program, "caller", *place], kind=Caller)
    return System("asynq", [worker, caller])


def start_celery(stage, name, pool):
    bin_folder, env = python_of(stage)
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "ERROR"]
    worker = [bin_folder / "celery", "-A", "celery_app", "worker", *pool, *quiet]
    worker = stage.start(f"{name}-worker", worker, env)
    caller = stage.start(f"{name}-caller", caller_of(stage, "celery"), env, kind=Caller)
    return System(name, [worker, caller])


def start_celery_prefork(stage):
    return start_celery(stage, "celery", ["--pool", "prefork", "--concurrency", PYTHON_PROCESSES])


def start_celery_threads(stage):
    pool = ["--pool", "threads", "--concurrency", "8", "--prefetch-multiplier", "8"]
    return start_celery(stage, "celery-threads", pool)


def start_rq(stage):
    bin_folder, env = python_of(stage)
    worker = [bin_folder / "rq", "worker", "--quiet", "--url", env["PEERS_REDIS"]]
    workers = [stage.start(f"rq-worker-{number}", worker, env) for number in range(PYTHON_PROCESSES)]
    return System("rq", [*workers, stage.start("rq-caller", caller_of(stage, "rq"), env, kind=Caller)])


def python_of(stage):
    """The programs of the peers in Python, and what they find their database and their jobs by."""
    env = {"PEERS_REDIS": stage.url(stage.database()), "PYTHONPATH": str(stage.tools / "python")}
    return stage.tools / "python/venv/bin", env


def caller_of(stage, peer):
    return [stage.tools / "python/venv/bin/python", stage.tools / "python/caller.py", peer]


STARTS = {
    "bullmq": start_bullmq,
    "asynq": start_asynq,
    "celery-threads": start_celery_threads,
    "celery": start_celery_prefork,
    "rq": start_rq,
}
