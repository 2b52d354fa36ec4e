#!/usr/bin/env python3
"""An actor for Python scripts in plain Python, made from docs/actor-protocol.md: one job at a time, each in a process."""
import argparse, json, os, random, select, signal, sys, time, types, uuid
import resp, script
flags = argparse.ArgumentParser()
me = os.environ.get("HERO_ACTOR_ID", "plain")
where, lasts = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379"), os.environ.get("HERO_LEASE", "15s")
for flag, default in ("--redis-url", where), ("--actor-id", me), ("--lease", lasts):
    flags.add_argument(flag, default=default)
flags.add_argument("--health-check", action="store_true")
opt = flags.parse_known_args()[0]
LEASE = float(opt.lease[:-2]) / 1000 if opt.lease.endswith("ms") else float(opt.lease.rstrip("s"))
ME, NAME, B = opt.actor_id, "%s.%d.%s" % (opt.actor_id, os.getpid(), uuid.uuid4().hex[:8]), "hero:{python}:"
Q, FRONT, INBOX, CTL = B + "q", B + "front", B + "in:" + ME, B + "ctl:" + ME
LANE = {FRONT: "f", INBOX: "i", Q: "q"}
TASK = "script", "input", "caller_id", "context_id", "env_vars", "timeout", "backoff", "kind"
state = types.SimpleNamespace(stop=False, until=0, last=None, told=None, at=0, pause=0)  # pause: odd while paused
now, draining = lambda: int(time.time() * 1000), lambda: state.stop or now() < state.until
call = lambda function, *args: redis("FCALL", function, 1, Q, *args)
def announce():
    if draining() != state.told or time.time() > state.at + 4:
        idle = now() - state.last if state.last else ""
        heard = call("hero_announce", ME, NAME, os.getpid(), int(draining()), idle, "plain")
        state.pause = max(state.pause, heard)
        state.told, state.at = draining(), time.time()

def heed(streams):  # messages; answers with the leases that were cancelled
    for entry, pairs in [entry for stream, entries in streams or [] if stream == CTL for entry in entries]:
        message = dict(zip(pairs[::2], pairs[1::2]))
        redis("XACK", CTL, "g", entry), redis("XDEL", CTL, entry)
        if message.get("for") == NAME and message["x"] == "drain": state.until = int(message["until"])
        if message.get("for") == NAME and message["x"] == "pause": state.pause = max(state.pause, int(message["n"]))
        if message.get("for") == NAME and message["x"] == "cancel": yield message["lease"]

def run(stream, entry, fields):
    job = dict(zip(fields[::2], fields[1::2]))
    if "script" not in job:
        job.update((n, v) for n, v in zip(TASK, redis("HMGET", "hero:job:{python}:" + job["id"], *TASK)) if v)
    lease, began, beat = (LANE[stream], entry, job["id"], job["attempt"]), now(), time.time()
    count, said, end, void, started, text = 0, [], None, False, False, b""
    pipe, out = os.pipe()
    pid = os.fork()
    if not pid: os.setsid(), script.run(out, job)
    os.close(out)
    while end is None and not void:
        if select.select([pipe], [], [], 0.05)[0]:
            data = os.read(pipe, 65536)
            *lines, text = (text + data).split(b"\n")
            for kind, what in map(json.loads, lines):
                if kind == "end": end = what
                else: count += 1; said += [count, now(), kind, what]
            if not data and end is None: end = script.failure("engine_crash", "the script has ended its process")
        if end is None and now() > began + 1000 * float(job.get("timeout") or 300):
            end = script.failure("run_timeout", "it ran too long")
        if end is None and not started: started = True; void |= call("hero_start", ME, *lease, began) == [0]
        if end is None and said: void |= call("hero_log", ME, *lease, len(said) // 4, *said) == [0]; said = []
        if time.time() > beat + LEASE / 4:
            beat = time.time(); void |= redis("XCLAIM", stream, "g", NAME, 0, entry, "JUSTID") == []
        news = redis("XREADGROUP", "GROUP", "g", NAME, "COUNT", 9, "STREAMS", CTL, ">")
        void |= "%s:%s" % lease[:2] in list(heed(news)); announce()
    for kill in (os.killpg, os.kill):
        try: kill(pid, signal.SIGKILL)
        except ProcessLookupError: pass
    os.waitpid(pid, 0), os.close(pipe)
    if job.get("kind") != "ping": state.last = now()
    first, longest = map(int, (job.get("backoff") or "1000 60000").split())
    pause = int(min(first * 2 ** (int(job["attempt"]) - 1), longest) * random.uniform(0.5, 1))
    words = ["log", *lease, len(said) // 4, *said] if said else []
    if not void: call("hero_finish", ME, *words, *lease, began, *end, pause)
try: redis = resp.connect(opt.redis_url)
except OSError as error: sys.exit("plain_actor: Redis cannot be reached: %s" % error)
if opt.health_check: sys.exit(print("plain_actor: ok: Redis says", redis("PING")))
signal.signal(signal.SIGTERM, lambda *_: setattr(state, "stop", True))
while announce() or not state.stop:
    streams, block = [CTL] if draining() or state.pause % 2 else [FRONT, INBOX, CTL, Q], int(min(LEASE * 333, 1000))
    asked = time.time()
    got = redis("XREADGROUP", "GROUP", "g", NAME, "COUNT", 1, "BLOCK", block, "STREAMS", *streams, *">" * len(streams))
    list(heed(got))
    jobs = [(stream, *job) for stream, entries in got or [] if stream != CTL for job in entries]
    for number, (stream, entry, fields) in enumerate(sorted(jobs, key=lambda job: streams.index(job[0]))):
        late = time.time() > asked + LEASE / 2  # frozen since then? The lease may be over
        if late and not redis("XCLAIM", stream, "g", NAME, 0, entry, "JUSTID"): continue
        if not draining() and not state.pause % 2 and not number: run(stream, entry, fields)
        else: call("hero_release", ME, LANE[stream], entry, fields[fields.index("id") + 1])
announce(), call("hero_leave", ME, NAME)
