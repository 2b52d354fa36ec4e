"""The client that blocks, and its handles of jobs; many threads may use one."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar

import grpc

from hero.supervisor.client._course import Course, JobPlace, LogsPlace, Place
from hero.supervisor.client._errors import SupervisorError, item_error, result, unsubmitted
from hero.supervisor.client._requests import batches, copied, logs_request, run_request, scale_request, submit_request
from hero.supervisor.client._unawaited import LIMIT, Unawaited, ended, is_end_of_wait, told_uncertain
from hero.supervisor.client._waiting import Attempt, Losses, Waiting, Way
from hero.supervisor.client._watch import Stream, Watch
from hero.supervisor.v1.actor_pb2 import Actor, LogEntry
from hero.supervisor.v1.event_pb2 import Event
from hero.supervisor.v1.job_pb2 import Job, JobSpec
from hero.supervisor.v1.script_type_pb2 import ScriptType
from hero.supervisor.v1.supervisor_service_pb2 import (
    WAIT_OUTCOME_DONE,
    AwaitJobRequest,
    CancelJobRequest,
    CancelJobResponse,
    GetJobRequest,
    ListActorsRequest,
    ListEventsRequest,
    ListJobsRequest,
    RunJobRequest,
    RunJobResponse,
    ScaleActorsResponse,
    SubmitJobRequest,
    SubmitJobsRequest,
    WatchEventsRequest,
    WatchEventsResponse,
    WatchHealthRequest,
    WatchHealthResponse,
    WatchJobResponse,
)
from hero.supervisor.v1.supervisor_service_pb2_grpc import SupervisorStub

A = TypeVar("A")
M = TypeVar("M")


class Client:
    """Talks to one supervisor. `calls` has every call of the API."""

    def __init__(
        self,
        channel: grpc.Channel,
        *,
        address: str = "this address",
        fail_fast: bool = False,
        closed: threading.Event | None = None,
    ) -> None:
        """A client on a channel of one's own; `address` is for the texts of errors. `close` sets `closed`, at which an
        interceptor of the channel can stop."""
        self.channel = channel
        self.calls = SupervisorStub(channel)
        self._way = Way(address, fail_fast)
        self._closed = closed or threading.Event()
        self._unawaited: set[Unawaited] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection, and with it waits and watches of other threads. Jobs go on, but for those of
        `run(cancel_on_wait_end=True)`."""
        end = time.monotonic() + LIMIT
        for unawaited in [job for job in list(self._unawaited) if job.may_be_cancelled]:
            with contextlib.suppress(SupervisorError):
                self._cancel_unawaited(unawaited, end - time.monotonic())
        self._closed.set()
        self.channel.close()

    def run(
        self,
        script_type: ScriptType.ValueType,
        script: str,
        *,
        timeout: float | None = None,
        input: object = None,
        spec: JobSpec | None = None,
        request_id: str | None = None,
        job_id: str | None = None,
        queue: str | None = None,
        cancel_on_wait_end: bool = False,
    ) -> Job:
        """Runs a script and waits for its end, however often the connection is lost or the server restarted in between;
        the job is made once.

        The job has ended, which is not to say that it succeeded: see `result`. `input` is what the script sees as
        INPUT: any value that `json` can write. `spec` says what else the job has: caller, environment, labels, limits,
        retries. Whoever calls again with the same `request_id` and content within 24 hours, even from another process,
        gets the same job. `job_id` names the job instead of the server. `queue` is the name of a queue that takes such
        scripts; without it the job goes to the default queue of its script type.

        After `timeout` seconds WaitOverError is raised, a SupervisorError and a TimeoutError. Its reason is WAIT_OVER
        when the server has accepted the job, which then goes on: its id is in `metadata["job_id"]`, and `handle`
        waits on. It is NO_SERVER when no server answered, and that of the server when it could not help.
        `__cause__` is the last failure.

        With `cancel_on_wait_end` the job does not go on when the wait ends first, by `timeout`, by an exception such as
        KeyboardInterrupt, or by `close`, unless it was there before by its unique key. That may take up to 3 seconds
        longer. Without an answer within this time the job may go on; the error says so.
        """
        request = run_request(script_type, script, input, spec, request_id, job_id, queue)
        waiting = Waiting(self._way, timeout, request_id=request.request_id)
        if not cancel_on_wait_end:
            return self._run(request, waiting)
        unawaited = Unawaited(waiting, request)
        self._unawaited.add(unawaited)
        try:
            return self._run(request, waiting)
        except BaseException as over:
            if self._closed.is_set() or not is_end_of_wait(over, waiting):
                raise
            try:
                job = self._cancel_unawaited(unawaited)
            except SupervisorError as why:
                raise told_uncertain(over, why) from over.__cause__
            return ended(over, job)
        finally:
            self._unawaited.discard(unawaited)

    def _run(self, request: RunJobRequest, waiting: Waiting) -> Job:
        def call(attempt: Attempt) -> RunJobResponse:
            request.max_wait.CopyFrom(attempt.max_wait)
            return self.calls.RunJob(request, timeout=attempt.deadline, wait_for_ready=attempt.wait_for_ready)

        answer = self._outlive(waiting, call)
        if answer.wait_outcome == WAIT_OUTCOME_DONE:
            return answer.job
        waiting.knows(answer.job.job_id, existing=answer.existing)
        return self._await(waiting)

    def _cancel_unawaited(self, unawaited: Unawaited, limit: float = LIMIT) -> Job:
        def call(attempt: Attempt) -> CancelJobResponse | RunJobResponse:
            match unawaited.request():
                case CancelJobRequest() as cancel:
                    return self.calls.CancelJob(cancel, timeout=attempt.short, wait_for_ready=attempt.wait_for_ready)
                case run:
                    return self.calls.RunJob(run, timeout=attempt.short, wait_for_ready=attempt.wait_for_ready)

        return self._outlive(unawaited.waiting(limit), call).job

    def submit(
        self,
        script_type: ScriptType.ValueType,
        script: str,
        *,
        timeout: float | None = None,
        input: object = None,
        spec: JobSpec | None = None,
        request_id: str | None = None,
        job_id: str | None = None,
        queue: str | None = None,
    ) -> Handle:
        """Hands a job to the server and does not wait for its end: that is what its handle is for.

        The arguments, the repeats and the errors are those of `run`; `timeout` is for the server to accept the job.
        """
        request = submit_request(script_type, script, input, spec, request_id, job_id, queue)
        waiting = Waiting(self._way, timeout, request_id=request.request_id)
        answer = self._outlive(
            waiting,
            lambda attempt: self.calls.SubmitJob(request, timeout=attempt.short, wait_for_ready=attempt.wait_for_ready),
        )
        return self.handle(answer.job.job_id)

    def submit_many(
        self, requests: Iterable[SubmitJobRequest], *, timeout: float | None = None
    ) -> list[Handle | SupervisorError]:
        """Hands many jobs to the server, as many at a time as it takes.

        There is one item for each request, in their order: its handle, or why it was refused. Good ones are accepted
        whatever the others are. A request without a request id gets one. When a call after the first one fails, its
        jobs have its error, with their `request_id` in its metadata: a repeat with that id makes the job once.
        """
        results: list[Handle | SupervisorError] = []
        whole = Waiting(self._way, timeout)
        for batch in batches(requests):
            try:
                results += self._submit_batch(batch, whole.left)
            except SupervisorError as error:
                # Jobs of calls before are there, and their handles are not to be lost.
                if not results:
                    raise
                results += [unsubmitted(error, request.request_id) for request in batch]
        return results

    def handle(self, job_id: str) -> Handle:
        """The handle of a job that is there already. The server is not asked."""
        return Handle(self, job_id)

    def await_job(self, job_id: str, *, timeout: float | None = None) -> Job:
        """Waits for the end of a job as `run` does."""
        return self._await(Waiting(self._way, timeout, subject=f"job {job_id}", job_id=job_id))

    def get_job(self, job_id: str) -> Job:
        """Reads a job as it is now."""
        return _read(lambda: self.calls.GetJob(GetJobRequest(job_id=job_id))).job

    def cancel(self, job_id: str, reason: str = "", *, timeout: float | None = None) -> Job:
        """Cancels a job, waiting or running, and gives it as it is then; its state says whether it had ended otherwise.

        To cancel twice does no harm, so the call is repeated through lost connections as `run` does.
        """
        request = CancelJobRequest(job_id=job_id, reason=reason)
        return self._outlive(
            Waiting(self._way, timeout, subject=f"job {job_id}", job_id=job_id),
            lambda attempt: self.calls.CancelJob(request, timeout=attempt.short, wait_for_ready=attempt.wait_for_ready),
        ).job

    def scale(
        self,
        script_type: ScriptType.ValueType,
        replicas: int,
        *,
        timeout: float | None = None,
        reason: str = "",
        take_over: bool = False,
        validate_only: bool = False,
    ) -> ScaleActorsResponse:
        """Makes or removes actors of a script type until there are so many on the server's machine, and waits for it:
        `timeout` seconds, or 60."""
        request = scale_request(script_type, replicas, timeout, reason, take_over, validate_only)
        return _read(lambda: self.calls.ScaleActors(request))

    def list_jobs(self, request: ListJobsRequest | None = None, *, queues: Iterable[str] = ()) -> Iterator[Job]:
        """Lists jobs, newest first, page after page. The filters are those of the request.

        `queues` names queues whose jobs are listed; without it those of the default queues are.
        """
        request = copied(request or ListJobsRequest())
        request.queues.extend(queues)
        while True:
            page = _read(lambda: self.calls.ListJobs(request))
            yield from page.jobs
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def list_actors(self, request: ListActorsRequest | None = None) -> Iterator[Actor]:
        """Lists actors by name, page after page. The filters are those of the request."""
        request = copied(request or ListActorsRequest())
        while True:
            page = _read(lambda: self.calls.ListActors(request))
            yield from page.actors
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def list_events(self, request: ListEventsRequest | None = None, *, queues: Iterable[str] = ()) -> Iterator[Event]:
        """Lists past events, newest first, page after page. The filters are those of the request.

        Events of jobs of a queue by name are among them if `queues` names it.
        """
        request = copied(request or ListEventsRequest())
        request.queues.extend(queues)
        while True:
            page = _read(lambda: self.calls.ListEvents(request))
            yield from page.events
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def actor_logs(
        self, actor_id: str, *, tail_lines: int | None = None, follow: bool = False, contains: str = ""
    ) -> Iterator[LogEntry]:
        """Reads what an actor wrote, oldest first: the last 100 lines unless `tail_lines` says more.

        With `follow` it goes on with new lines until its reader leaves, through lost connections and restarts of the
        server. Lines that a slow reader misses are left out; `calls.StreamActorLogs` counts them.
        """
        place = LogsPlace(logs_request(actor_id, tail_lines, follow, contains))
        subject = f"actor {actor_id}"
        with self._watch(
            lambda ready: self.calls.StreamActorLogs(place.request, wait_for_ready=ready), place, subject
        ) as watch:
            for message in watch:
                yield from message.entries

    def watch_job(self, job_id: str) -> Watch[WatchJobResponse]:
        """Follows a job to its end; see `Handle.watch`."""
        place = JobPlace(job_id)
        subject = f"job {job_id}"
        return self._watch(lambda ready: self.calls.WatchJob(place.request, wait_for_ready=ready), place, subject)

    def watch_events(self, request: WatchEventsRequest | None = None) -> Watch[WatchEventsResponse]:
        """Follows what happens to actors, jobs, queues and the server."""
        place = Place(request or WatchEventsRequest())
        return self._watch(lambda ready: self.calls.WatchEvents(place.request(), wait_for_ready=ready), place, "events")

    def watch_health(self, request: WatchHealthRequest | None = None) -> Watch[WatchHealthResponse]:
        """Follows the health of actors."""
        place = Place(request or WatchHealthRequest())
        return self._watch(lambda ready: self.calls.WatchHealth(place.request(), wait_for_ready=ready), place, "health")

    def _watch(self, open_stream: Callable[[bool], Stream[M]], course: Course[M], subject: str) -> Watch[M]:
        return Watch(open_stream, course, self._closed, Losses(self._way, subject))

    def _submit_batch(self, batch: list[SubmitJobRequest], timeout: float | None) -> list[Handle | SupervisorError]:
        request = SubmitJobsRequest(requests=batch)
        answer = self._outlive(
            Waiting(self._way, timeout, subject=f"{len(batch)} jobs"),
            lambda attempt: self.calls.SubmitJobs(
                request, timeout=attempt.short, wait_for_ready=attempt.wait_for_ready
            ),
        )
        return [
            item_error(item.error) if item.HasField("error") else self.handle(item.job.job_id)
            for item in answer.results
        ]

    def _await(self, waiting: Waiting) -> Job:
        while True:
            answer = self._outlive(
                waiting,
                lambda attempt: self.calls.AwaitJob(
                    AwaitJobRequest(job_id=waiting.job_id, max_wait=attempt.max_wait),
                    timeout=attempt.deadline,
                    wait_for_ready=attempt.wait_for_ready,
                ),
            )
            if answer.wait_outcome == WAIT_OUTCOME_DONE:
                return answer.job
            waiting.knows(waiting.job_id)

    def _outlive(self, waiting: Waiting, call: Callable[[Attempt], A]) -> A:
        """Repeats a call that is harmless to repeat until it succeeds, fails in a way that a repeat does not cure, or
        its caller gives up."""
        while not waiting.is_over and not self._closed.is_set():
            try:
                answer = call(waiting.attempt())
            except (grpc.RpcError, ValueError) as error:
                self._lost(error, waiting)
                continue
            waiting.losses.succeeded()
            return answer
        raise waiting.over(self._closed.is_set())

    def _lost(self, error: grpc.RpcError | ValueError, waiting: Waiting) -> None:
        """Waits for the next try after a loss; raises what a repeat does not cure."""
        if isinstance(error, ValueError):
            # How gRPC says that its channel was closed; everything else that it calls so is a mistake of the caller.
            if not self._closed.is_set():
                raise error
            return
        told = SupervisorError.of(error)
        if self._closed.is_set():
            return
        if not told.is_lost and not waiting.is_over:
            raise told from error
        self._closed.wait(waiting.lost(told))


@dataclass(frozen=True)
class Handle:
    """One job on the server; many threads may use one.

    It holds no connection, so it outlives lost ones and restarts of the server; a program that knows the id of a job
    makes another one with `Client.handle`.
    """

    client: Client
    """The client that it was made by."""
    job_id: str
    """The id of the job."""

    def result(self, *, timeout: float | None = None) -> str:
        """Waits for the end of the job and gives its result.

        Raises JobFailedError if it has none, and SupervisorError if the wait failed; see `Client.run`.
        """
        return result(self.wait(timeout=timeout))

    def wait(self, *, timeout: float | None = None) -> Job:
        """Waits for the end of the job, however it ends."""
        return self.client.await_job(self.job_id, timeout=timeout)

    def get(self) -> Job:
        """Reads the job as it is now."""
        return self.client.get_job(self.job_id)

    def cancel(self, reason: str = "", *, timeout: float | None = None) -> Job:
        """Cancels the job; see `Client.cancel`."""
        return self.client.cancel(self.job_id, reason, timeout=timeout)

    def watch(self) -> Watch[WatchJobResponse]:
        """Follows the job to its end: the job, its changes, its progress and its lines, and the job once more at its
        end.

        It goes on by itself behind the last message when the connection is lost or the server restarted; the job as
        it is may come again then.
        """
        return self.client.watch_job(self.job_id)

    def logs(self) -> Iterator[LogEntry]:
        """The lines that the script writes, until the job ends. Lines that a slow reader misses are left out; `watch`
        counts them."""
        with self.watch() as watch:
            for message in watch:
                yield from message.log_entries.entries


def _read(call: Callable[[], A]) -> A:
    """A call whose error is made readable."""
    try:
        return call()
    except grpc.RpcError as error:
        raise SupervisorError.of(error) from error
