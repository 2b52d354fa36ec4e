"""Callers of Celery and of RQ, a thread each. Commands and answers are those of ../go/caller/caller.go."""

import json
import math
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

LIMIT = 60
MOST_CALLERS = 64
PAYLOAD = "x" * 100
RESULT = "result-ok"


def celery_job():
    """Runs a task and waits for its result as Celery's documentation says."""
    from celery_app import noop

    def run():
        return noop.delay(PAYLOAD).get(timeout=LIMIT)

    return run


def rq_job():
    """Runs a job and blocks until its result is there, which RQ can since it keeps results in streams."""
    import redis
    from rq import Queue
    from rq_job import noop

    own = threading.local()

    def run():
        if not hasattr(own, "queue"):
            own.queue = Queue(connection=redis.Redis.from_url(os.environ["PEERS_REDIS"]))
        return own.queue.enqueue(noop, PAYLOAD).latest_result(timeout=LIMIT).return_value

    return run


def run_callers(pool, job, callers, span):
    """Lets so many callers run one job after the other, at least one each."""
    begun = time.perf_counter()

    def one(_caller):
        latencies = []
        while not latencies or time.perf_counter() - begun < span:
            sent = time.perf_counter()
            result = job()
            latencies.append(time.perf_counter() - sent)
            if result != RESULT:
                raise RuntimeError(f"result {result!r}")
        return latencies

    latencies = sorted(latency for each in pool.map(one, range(callers)) for latency in each)
    seconds = time.perf_counter() - begun
    return {
        "jobs": len(latencies),
        "seconds": seconds,
        "p50_ms": percentile(latencies, 0.50) * 1000,
        "p99_ms": percentile(latencies, 0.99) * 1000,
    }


def percentile(ordered, share):
    """The value of the nearest rank."""
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def main():
    job = {"celery": celery_job, "rq": rq_job}[sys.argv[1]]()
    with ThreadPoolExecutor(MOST_CALLERS) as pool:
        for line in sys.stdin:
            command, *words = line.split()
            if command != "run":
                raise ValueError(f"no such command: {line}")
            print(json.dumps(run_callers(pool, job, int(words[0]), float(words[1]))), flush=True)


if __name__ == "__main__":
    main()
