#!/usr/bin/env python3
"""An actor that runs shell scripts, one at a time. docs/tutorial.md leads to it, docs/actor-protocol.md has the rules."""

import argparse
import json
import os
import random
import selectors
import signal
import subprocess
import sys
import time
import uuid

import resp

flags = argparse.ArgumentParser()
flags.add_argument("--redis-url", default=os.environ.get("REDIS_URL", "redis://127.0.0.1:6379"))
flags.add_argument("--actor-id", default=os.environ.get("HERO_ACTOR_ID", "shell"))
flags.add_argument("--lease", default=os.environ.get("HERO_LEASE", "15s"))
flags.add_argument("--health-check", action="store_true")
options, _ = flags.parse_known_args()

ACTOR = options.actor_id
CONSUMER = f"{ACTOR}.{os.getpid()}.{uuid.uuid4().hex[:8]}"
LEASE = float(options.lease[:-2]) / 1000 if options.lease.endswith("ms") else float(options.lease.rstrip("s"))
QUEUE, FRONT, INBOX, CONTROL = (f"hero:{{sal}}:{part}" for part in ("q", "front", f"in:{ACTOR}", f"ctl:{ACTOR}"))
LETTER = {FRONT: "f", INBOX: "i", QUEUE: "q"}
TASK = "script", "caller_id", "context_id", "env_vars", "timeout", "backoff", "kind"


def call(function, *arguments):
    return redis("FCALL", function, 1, QUEUE, *arguments)


def milliseconds():
    return int(time.time() * 1000)


class Actor:
    def __init__(self):
        self.ends = False  # SIGTERM has come
        self.drains_until = 0
        self.pause = 0  # odd while the queue is paused
        self.announced = None, 0.0
        self.last_job = None

    def drains(self):
        return self.ends or milliseconds() < self.drains_until

    def announce(self):
        """Says that this process is there: every few seconds, and when a drain begins or ends."""
        draining, when = self.announced
        if draining != self.drains() or time.time() > when + 4:
            idle = milliseconds() - self.last_job if self.last_job else ""
            self.announced = self.drains(), time.time()
            self.heard(call("hero_announce", ACTOR, CONSUMER, os.getpid(), int(self.drains()), idle, "shell"))

    def heard(self, pause):
        self.pause = max(self.pause, int(pause))

    def read_messages(self, entries):
        """Does what messages say, and returns the leases that were cancelled."""
        cancelled = []
        for entry, fields in entries:
            redis("XACK", CONTROL, "g", entry)
            redis("XDEL", CONTROL, entry)
            message = dict(zip(fields[::2], fields[1::2]))
            if message.get("for") != CONSUMER:
                continue
            if message["x"] == "drain":
                self.drains_until = int(message["until"])
            elif message["x"] == "pause":
                self.heard(message["n"])
            elif message["x"] == "cancel":
                cancelled.append(message["lease"])
        return cancelled

    def loop(self):
        while not self.ends:
            self.announce()
            takes = not self.drains() and self.pause % 2 == 0
            streams = [FRONT, INBOX, CONTROL, QUEUE] if takes else [CONTROL]
            sent = time.time()
            read = redis("XREADGROUP", "GROUP", "g", CONSUMER, "COUNT", 1, "BLOCK", int(min(LEASE / 3, 1) * 1000),
                         "STREAMS", *streams, *">" * len(streams))
            taken = dict(read or [])
            self.read_messages(taken.pop(CONTROL, []))
            jobs = [(stream, entry, fields) for stream in streams for entry, fields in taken.get(stream, [])]
            for number, (stream, entry, fields) in enumerate(jobs):
                job = dict(zip(fields[::2], fields[1::2]))
                # A process that was frozen since the read may have lost the job to another one.
                if time.time() > sent + LEASE / 2 and not claim(stream, entry):
                    continue
                if number or self.drains() or (self.pause % 2 and job.get("kind") != "ping"):
                    call("hero_release", ACTOR, LETTER[stream], entry, job["id"])
                else:
                    Attempt(self, stream, entry, job).run()
        self.announce()
        call("hero_leave", ACTOR, CONSUMER)


def claim(stream, entry):
    """Sends the heartbeat of a job: false if its lease is void."""
    return bool(redis("XCLAIM", stream, "g", CONSUMER, 0, entry, "JUSTID"))


class Attempt:
    """One job, from its start to its end."""

    def __init__(self, actor, stream, entry, job):
        if "script" not in job:  # too large for the entry
            values = redis("HMGET", f"hero:job:{{sal}}:{job['id']}", *TASK)
            job.update((name, value) for name, value in zip(TASK, values) if value is not None)
        self.actor, self.stream, self.entry, self.job = actor, stream, entry, job
        self.lease = LETTER[stream], entry, job["id"], job["attempt"]
        self.started = milliseconds()
        self.count, self.printed = 0, {"out": [], "err": []}

    def run(self):
        is_ping = self.job.get("kind") == "ping"
        script = "echo pong" if is_ping else self.job["script"]
        checked = subprocess.run(["sh", "-n", "-c", script], stderr=subprocess.PIPE, text=True)
        if checked.returncode:
            end = failed("error", "script_invalid", checked.stderr.strip())
        else:
            end = self.watch(script)
        if not is_ping:
            self.actor.last_job = milliseconds()
        if end:
            first, longest = map(int, (self.job.get("backoff") or "1000 60000").split())
            delay = min(first * 2 ** (int(self.job["attempt"]) - 1), longest) * random.uniform(0.5, 1)
            call("hero_finish", ACTOR, *self.lease, self.started, *end, int(delay))

    def watch(self, script):
        """Runs a script to its end; without one if the lease is lost."""
        environment = {"PATH": os.defpath, **json.loads(self.job.get("env_vars") or "{}")}
        environment |= {"CALLER_ID": self.job.get("caller_id", ""), "CONTEXT_ID": self.job.get("context_id", "")}
        process = subprocess.Popen(["sh", "-c", script], env=environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        try:
            return self.follow(process)
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)  # and what it has left behind
            except ProcessLookupError:
                pass
            process.wait()

    def follow(self, process):
        pipes = selectors.DefaultSelector()
        for kind, pipe in ("out", process.stdout), ("err", process.stderr):
            pipes.register(pipe, selectors.EVENT_READ, [kind, b""])
        void = call("hero_start", ACTOR, *self.lease, self.started) == [0]
        heartbeat, limit = time.time(), float(self.job.get("timeout") or 300)
        while pipes.get_map() and not void:
            for key, _ in pipes.select(0.05):
                data = os.read(key.fd, 65536)
                *lines, rest = (key.data[1] + data).split(b"\n")
                key.data[1] = rest
                if not data:
                    pipes.unregister(key.fileobj)
                    lines += [rest] if rest else []
                void |= not self.send_lines(key.data[0], lines)
            if time.time() > heartbeat + LEASE / 4:
                heartbeat = time.time()
                void |= not claim(self.stream, self.entry)
            messages = redis("XREADGROUP", "GROUP", "g", CONSUMER, "COUNT", 9, "STREAMS", CONTROL, ">")
            cancelled = self.actor.read_messages(dict(messages or []).get(CONTROL, []))
            void |= f"{self.lease[0]}:{self.entry}" in cancelled
            self.actor.announce()
            if milliseconds() > self.started + 1000 * limit:
                return failed("retry", "run_timeout", f"it ran longer than {limit:g} s")
        if void:
            return None
        code = process.wait()
        if code:
            message = "\n".join(self.printed["err"][-5:]) or f"exit code {code}"
            return failed("retry", "script_error", message, exit_code=code)
        return "ok", "\n".join(self.printed["out"]).strip(), "none"

    def send_lines(self, kind, lines):
        """Hands on what the script has printed; false if the lease is void."""
        said = []
        for line in lines:
            text = line.decode(errors="replace")
            self.printed[kind].append(text)
            self.count += 1
            said += [self.count, milliseconds(), kind, text]
        return not said or call("hero_log", ACTOR, *self.lease, len(lines), *said) != [0]


def failed(verdict, kind, message, **more):
    return verdict, message, json.dumps({"kind": kind, "message": message, **more})


try:
    redis = resp.connect(options.redis_url)
    if options.health_check:
        print("shell_actor: ok: Redis says", redis("PING"))
        sys.exit(0)
except OSError as error:
    sys.exit(f"shell_actor: Redis cannot be reached: {error}")
actor = Actor()
signal.signal(signal.SIGTERM, lambda *_: setattr(actor, "ends", True))
actor.loop()
