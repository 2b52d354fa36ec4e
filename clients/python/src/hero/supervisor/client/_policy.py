"""What the blocking and the asyncio client have in common: how to connect, how long to wait, when to repeat."""

from __future__ import annotations

import json
import random
import time
import uuid

from google.protobuf import duration_pb2

from hero.supervisor.client._version import VERSION
from hero.supervisor.v1 import job_pb2, script_type_pb2, supervisor_service_pb2

_KEEPALIVE_MS = 60_000
"""The server answers pings that are no faster than this."""
_KEEPALIVE_TIMEOUT_MS = 20_000
_CONNECT_TIMEOUT_MS = 5_000
_LONGEST_RECONNECT_MS = 2_000
"""A server that was restarted is found again this fast."""

_POLL = 60.0
"""Longest wait of one call, in seconds; then the next one is made."""
_CALL_MARGIN = 10.0
"""What a call may take beyond its wait before it counts as lost."""
_FIRST_DELAY = 0.1
_LAST_DELAY = 5.0

# Reads may be repeated without harm, so gRPC does it by itself when the server is away. Calls that change something are
# repeated by `run`, which gives them a request id, and by nobody else.
_READS = (
    "GetServerInfo",
    "GetActor",
    "ListActors",
    "GetScriptType",
    "ListScriptTypes",
    "AwaitJob",
    "GetJob",
    "ListJobs",
    "ListEvents",
)

ChannelOptions = list[tuple[str, str | int]]


def channel_options(target: str, wishes: ChannelOptions | None) -> ChannelOptions:
    """How a channel is made; wishes win."""
    names = [{"service": "hero.supervisor.v1.Supervisor", "method": method} for method in _READS]
    retries = {
        "maxAttempts": 4,
        "initialBackoff": "0.2s",
        "maxBackoff": "2s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    defaults: ChannelOptions = [
        ("grpc.service_config", json.dumps({"methodConfig": [{"name": names, "retryPolicy": retries}]})),
        ("grpc.primary_user_agent", f"hero-supervisor-python/{VERSION}"),
        ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
        # Who only listens sends no data, and is to be heard of nevertheless.
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.initial_reconnect_backoff_ms", 100),
        # The name misleads: it is how long an attempt may take at least.
        ("grpc.min_reconnect_backoff_ms", _CONNECT_TIMEOUT_MS),
        ("grpc.max_reconnect_backoff_ms", _LONGEST_RECONNECT_MS),
    ]
    if target.startswith("unix"):
        # gRPC would name the host by the path of the socket, which is no name of a host: the server refuses it.
        defaults.append(("grpc.default_authority", "localhost"))
    return list(dict(defaults + (wishes or [])).items())


class Wait:
    """How long a caller waits: until a deadline, or as long as it takes."""

    def __init__(self, timeout: float | None) -> None:
        self._deadline = None if timeout is None else time.monotonic() + timeout

    @property
    def is_over(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

    def limit(self, seconds: float) -> float:
        """As much of this as is left."""
        if self._deadline is None:
            return seconds
        return max(min(seconds, self._deadline - time.monotonic()), 0.0)

    def poll(self) -> tuple[duration_pb2.Duration, float]:
        """How long the next call asks the server to wait, and its own deadline in seconds."""
        poll = self.limit(_POLL)
        asked = duration_pb2.Duration()
        asked.FromNanoseconds(int(poll * 1e9))
        # The server answers a little before the deadline of a call, so that the answer comes before we give up.
        return asked, self.limit(poll + _CALL_MARGIN)


class Delays:
    """Waits between repeats, longer from one failure in a row to the next."""

    def __init__(self) -> None:
        self._failures = 0

    def next(self, asked: float) -> float:
        """Seconds: what the server asked for, or a little more than the last time."""
        delay = min(_FIRST_DELAY * float(2 ** min(self._failures, 10)), _LAST_DELAY)
        self._failures += 1
        # Not all clients at once.
        return max(delay * random.uniform(0.5, 1.0), asked)

    def reset(self) -> None:
        self._failures = 0


def run_request(
    script_type: script_type_pb2.ScriptType.ValueType,
    script: str,
    spec: job_pb2.JobSpec | None,
    request_id: str | None,
    job_id: str | None,
) -> supervisor_service_pb2.RunJobRequest:
    """The request of a run; `spec` says what else the job has."""
    job = job_pb2.JobSpec()
    if spec is not None:
        job.CopyFrom(spec)
    job.script_type = script_type
    job.script = script
    return supervisor_service_pb2.RunJobRequest(
        job=job, job_id=job_id or "", request_id=request_id or str(uuid.uuid4())
    )
