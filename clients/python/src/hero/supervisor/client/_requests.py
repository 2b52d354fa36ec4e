"""Requests that both clients make."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator
from typing import TypeVar

from google.protobuf import duration_pb2
from google.protobuf.message import Message

from hero.supervisor.v1.job_pb2 import JobSpec
from hero.supervisor.v1.script_type_pb2 import ScriptType
from hero.supervisor.v1.supervisor_service_pb2 import (
    RunJobRequest,
    ScaleActorsRequest,
    StreamActorLogsRequest,
    SubmitJobRequest,
)

R = TypeVar("R", bound=Message)

_MAX_BATCH_JOBS = 1000
"""Most that the server takes at once; see Limits."""
_MAX_BATCH_BYTES = 2 * 1024 * 1024
"""A message has at most 4 MiB, so this leaves room for one more job of the largest size."""


def run_request(
    script_type: ScriptType.ValueType,
    script: str,
    value: object,
    spec: JobSpec | None,
    request_id: str | None,
    job_id: str | None,
    queue: str | None,
) -> RunJobRequest:
    """The request of a run; `value` is the input, and `spec` says what else the job has."""
    job = JobSpec()
    if spec is not None:
        job.CopyFrom(spec)
    job.script_type = script_type
    job.script = script
    if queue is not None:
        job.queue = queue
    if value is not None:
        job.input = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return RunJobRequest(job=job, job_id=job_id or "", request_id=request_id or str(uuid.uuid4()))


def submit_request(
    script_type: ScriptType.ValueType,
    script: str,
    value: object,
    spec: JobSpec | None,
    request_id: str | None,
    job_id: str | None,
    queue: str | None,
) -> SubmitJobRequest:
    """The request of a submit; `value` is the input, and `spec` says what else the job has."""
    run = run_request(script_type, script, value, spec, request_id, job_id, queue)
    return SubmitJobRequest(job=run.job, job_id=run.job_id, request_id=run.request_id)


def batches(requests: Iterable[SubmitJobRequest]) -> Iterator[list[SubmitJobRequest]]:
    """Copies of the requests, as many at a time as the server takes; each with a request id."""
    batch: list[SubmitJobRequest] = []
    size = 0
    for given in requests:
        request = copied(given)
        request.request_id = request.request_id or str(uuid.uuid4())
        size += request.ByteSize()
        if batch and (len(batch) == _MAX_BATCH_JOBS or size > _MAX_BATCH_BYTES):
            yield batch
            batch, size = [], request.ByteSize()
        batch.append(request)
    if batch:
        yield batch


def scale_request(
    script_type: ScriptType.ValueType,
    replicas: int,
    timeout: float | None,
    reason: str,
    take_over: bool,
    validate_only: bool,
) -> ScaleActorsRequest:
    """The request of a scale."""
    request = ScaleActorsRequest(
        script_type=script_type, replicas=replicas, reason=reason, take_over=take_over, validate_only=validate_only
    )
    if timeout is not None:
        request.max_wait.CopyFrom(duration(timeout))
    return request


def logs_request(actor_id: str, tail_lines: int | None, follow: bool, contains: str) -> StreamActorLogsRequest:
    """The request for what an actor wrote."""
    request = StreamActorLogsRequest(actor_id=actor_id, follow=follow, contains=contains)
    if tail_lines is not None:
        request.tail_lines = tail_lines
    return request


def duration(seconds: float) -> duration_pb2.Duration:
    """Seconds as a message."""
    message = duration_pb2.Duration()
    message.FromNanoseconds(int(seconds * 1e9))
    return message


def copied(message: R) -> R:
    """A copy of a message, which can be changed."""
    copy = type(message)()
    copy.CopyFrom(message)
    return copy
