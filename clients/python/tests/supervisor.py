"""A small supervisor: it keeps jobs in memory, computes sums and products, and breaks off when told to."""

from __future__ import annotations

import logging
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent import futures
from types import TracebackType
from typing import Any, NoReturn, Self

import grpc
from google.protobuf import any_pb2, message_factory
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from hero.supervisor.v1 import supervisor_service_pb2 as pb
from hero.supervisor.v1.actor_pb2 import Actor, LogEntry
from hero.supervisor.v1.event_pb2 import Event
from hero.supervisor.v1.job_pb2 import Job

# Tests that want to hear it say so.
logging.getLogger("hero.supervisor.client").setLevel(logging.CRITICAL)

LINES = 5
"""How many lines each actor has written."""

Context = grpc.ServicerContext
Failing = Callable[[str, int, Context], None]


class Supervisor:
    """`fail` is asked before each call with its name, how often it came before, and its context."""

    def __init__(self, address: str = "127.0.0.1:0", fail: Failing | None = None) -> None:
        self.calls: Counter[str] = Counter()
        self._fail = fail
        self._jobs: dict[str, Job] = {}
        self._by_request: dict[str, str] = {}
        self._lock = threading.RLock()
        self._address = address
        self.up()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    @property
    def address(self) -> str:
        return self._address

    def up(self) -> None:
        """Starts it where it was."""
        options = [("grpc.so_reuseport", 0)]
        self._ended = threading.Event()
        self._server = grpc.server(futures.ThreadPoolExecutor(max_workers=8), options=options)
        handler = grpc.method_handlers_generic_handler("hero.supervisor.v1.Supervisor", dict(self._methods()))
        self._server.add_generic_rpc_handlers((handler,))
        port = self._server.add_insecure_port(self._address)
        if self._address.endswith(":0"):
            self._address = f"127.0.0.1:{port}"
        self._server.start()

    def down(self) -> None:
        """Ends it and all its connections; its jobs stay."""
        self._ended.set()
        self._server.stop(None).wait()

    def submit_job(self, request: pb.SubmitJobRequest, context: Context) -> pb.SubmitJobResponse:
        self._count("SubmitJob", context)
        return pb.SubmitJobResponse(job=self._accept(request))

    def submit_jobs(self, request: pb.SubmitJobsRequest, context: Context) -> pb.SubmitJobsResponse:
        self._count("SubmitJobs", context)
        answer = pb.SubmitJobsResponse()
        for one in request.requests:
            if one.job.script == "refuse":
                violation = pb.FieldViolation(field="job.script", description="says refuse")
                error = pb.ItemError(code=8, reason="QUEUE_FULL", message="full", field_violations=[violation])
                answer.results.append(pb.SubmitJobResult(error=error))
            else:
                answer.results.append(pb.SubmitJobResult(job=self._accept(one)))
        return answer

    def run_job(self, request: pb.RunJobRequest, context: Context) -> pb.RunJobResponse:
        self._count("RunJob", context)
        job = self._accept(pb.SubmitJobRequest(job=request.job, job_id=request.job_id, request_id=request.request_id))
        return pb.RunJobResponse(job=job, wait_outcome=_outcome(job))

    def await_job(self, request: pb.AwaitJobRequest, context: Context) -> pb.AwaitJobResponse:
        self._count("AwaitJob", context)
        job = self._find(request.job_id, context)
        if _outcome(job) != pb.WAIT_OUTCOME_DONE:
            self._ended.wait(context.time_remaining())
        return pb.AwaitJobResponse(job=job, wait_outcome=_outcome(job))

    def get_job(self, request: pb.GetJobRequest, context: Context) -> pb.GetJobResponse:
        return pb.GetJobResponse(job=self._find(request.job_id, context))

    def cancel_job(self, request: pb.CancelJobRequest, context: Context) -> pb.CancelJobResponse:
        self._count("CancelJob", context)
        job = self._find(request.job_id, context)
        changed = job.state == Job.STATE_QUEUED
        if changed:
            job.state, job.cancel_reason = Job.STATE_CANCELLED, request.reason
        return pb.CancelJobResponse(job=job, changed=changed)

    def list_jobs(self, request: pb.ListJobsRequest, context: Context) -> pb.ListJobsResponse:
        """Pages of two, with an empty one at the beginning."""
        self._count("ListJobs", context)
        if not request.page_token:
            return pb.ListJobsResponse(next_page_token="0")
        found = [job for job in reversed(self._jobs.values()) if job.spec.caller_id == request.caller_id]
        first = int(request.page_token)
        following = str(first + 2) if first + 2 < len(found) else ""
        return pb.ListJobsResponse(jobs=found[first : first + 2], next_page_token=following)

    def list_actors(self, request: pb.ListActorsRequest, context: Context) -> pb.ListActorsResponse:
        page = int(request.page_token or 0)
        actors = [Actor(actor_id=f"actor_{page}")]
        return pb.ListActorsResponse(actors=actors, next_page_token=str(page + 1) if page < 2 else "")

    def list_events(self, request: pb.ListEventsRequest, context: Context) -> pb.ListEventsResponse:
        if not request.page_token:
            return pb.ListEventsResponse(events=[Event(message="two")], next_page_token="1")
        return pb.ListEventsResponse(events=[Event(message="one")])

    def scale_actors(self, request: pb.ScaleActorsRequest, context: Context) -> pb.ScaleActorsResponse:
        if request.replicas > 10:
            refuse(context, grpc.StatusCode.FAILED_PRECONDITION, "AUTOSCALING_ACTIVE", "scaling is automatic")
        added = [f"actor_{number}" for number in range(request.replicas)]
        return pb.ScaleActorsResponse(added_actor_ids=added, wait_outcome=pb.WAIT_OUTCOME_DONE)

    def watch_job(self, request: pb.WatchJobRequest, context: Context) -> Iterator[pb.WatchJobResponse]:
        """The job, its lines with a lost connection after the first one, and the job again."""
        self._count("WatchJob", context)
        job = self._find(request.job_id, context)
        yield pb.WatchJobResponse(cursor=request.resume_after, job=Job(job_id=job.job_id, state=Job.STATE_RUNNING))
        first = int(request.resume_after or 0)
        for number, line in enumerate(re.findall(r'print\("(.*?)"\)', job.spec.script)):
            if number >= first:
                lines = pb.LogEntries(entries=[LogEntry(text=line)])
                yield pb.WatchJobResponse(cursor=str(number + 1), log_entries=lines)
                if first == 0:
                    context.abort(grpc.StatusCode.UNAVAILABLE, "the connection broke off")
        yield pb.WatchJobResponse(job=job)

    def stream_actor_logs(
        self, request: pb.StreamActorLogsRequest, context: Context
    ) -> Iterator[pb.StreamActorLogsResponse]:
        """Two lines at a time, and a lost connection after each two."""
        first = int(request.resume_after or 0)
        end = min(first + 2, LINES)
        entries = [LogEntry(text=f"line {number}") for number in range(first, end)]
        yield pb.StreamActorLogsResponse(entries=entries, cursor=str(end))
        if end < LINES:
            context.abort(grpc.StatusCode.UNAVAILABLE, "the connection broke off")
        if request.follow:
            self._ended.wait()

    def _methods(self) -> Iterator[tuple[str, grpc.RpcMethodHandler[Any, Any]]]:
        for method in pb.DESCRIPTOR.services_by_name["Supervisor"].methods:
            behaviour = getattr(self, re.sub(r"(?<!^)([A-Z])", r"_\1", method.name).lower(), None)
            if behaviour is None:
                continue
            make = grpc.unary_unary_rpc_method_handler
            if method.server_streaming:
                make = grpc.unary_stream_rpc_method_handler
            request = message_factory.GetMessageClass(method.input_type)
            response = message_factory.GetMessageClass(method.output_type)
            yield method.name, make(behaviour, request.FromString, response.SerializeToString)

    def _count(self, method: str, context: Context) -> None:
        with self._lock:
            before = self.calls[method]
            self.calls[method] += 1
        if self._fail is not None:
            self._fail(method, before, context)

    def _accept(self, request: pb.SubmitJobRequest) -> Job:
        """Keeps a job; script "wait" makes one that does not end by itself."""
        with self._lock:
            known = self._by_request.get(request.request_id)
            if known is not None:
                return self._jobs[known]
            job = Job(job_id=request.job_id or f"job-{len(self._jobs) + 1}", spec=request.job, state=Job.STATE_QUEUED)
            if request.job.script != "wait":
                job.state, job.result = Job.STATE_SUCCEEDED, _value(request.job.script)
            self._jobs[job.job_id] = job
            self._by_request[request.request_id] = job.job_id
            return job

    def _find(self, job_id: str, context: Context) -> Job:
        job = self._jobs.get(job_id)
        if job is None:
            refuse(context, grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND", f"there is no job {job_id}")
        return job


def refuse(context: Context, code: grpc.StatusCode, reason: str, message: str, **metadata: str) -> NoReturn:
    """Ends a call as a supervisor does."""
    packed = any_pb2.Any()
    packed.Pack(ErrorInfo(domain="supervisor.hero", reason=reason, metadata=metadata))
    number: Any = code.value[0]
    status = Status(code=number, message=message, details=[packed])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(code, message)
    raise AssertionError("abort raises")


def _outcome(job: Job) -> pb.WaitOutcome.ValueType:
    return pb.WAIT_OUTCOME_TIMED_OUT if job.state == Job.STATE_QUEUED else pb.WAIT_OUTCOME_DONE


def _value(script: str) -> str:
    found = re.search(r"(\d+) ([+*]) (\d+)$", script)
    if found is None:
        return ""
    a, b = int(found[1]), int(found[3])
    return str(a * b if found[2] == "*" else a + b)
