"""The client for asyncio, and its handles of jobs. To cancel a task ends its wait and not its job, unless told so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar, cast

import grpc
import grpc.aio

from hero.supervisor.client._course import Course, JobPlace, LogsPlace, Place
from hero.supervisor.client._errors import SupervisorError, item_error, result, unsubmitted
from hero.supervisor.client._requests import batches, copied, logs_request, run_request, scale_request, submit_request
from hero.supervisor.client._unawaited import Unawaited, ended, is_end_of_wait, told_uncertain
from hero.supervisor.client._waiting import Attempt, Losses, Waiting, Way
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

if TYPE_CHECKING:
    from hero.supervisor.v1.supervisor_service_pb2_grpc import SupervisorAsyncStub

A = TypeVar("A")


class AsyncClient:
    """Talks to one supervisor. `calls` has every call of the API."""

    def __init__(self, channel: grpc.aio.Channel, *, address: str = "this address", fail_fast: bool = False) -> None:
        """A client on a channel of one's own; `address` is for the texts of errors."""
        self.channel = channel
        # One class at run time; its calls are awaited when the channel is one of asyncio.
        self.calls = cast("SupervisorAsyncStub", SupervisorStub(channel))
        self._way = Way(address, fail_fast)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the connection. Jobs go on."""
        await self.channel.close()

    async def run(
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
        """Runs a script and waits for its end; see `Client.run`. With `cancel_on_wait_end`, the job is cancelled
        with the task, too."""
        request = run_request(script_type, script, input, spec, request_id, job_id, queue)
        waiting = Waiting(self._way, timeout, request_id=request.request_id)
        try:
            return await self._run(request, waiting)
        except BaseException as over:
            if not cancel_on_wait_end or not is_end_of_wait(over, waiting):
                raise
            # Whoever cancels the task once more does not wait for this any longer, but it is done.
            return await asyncio.shield(self._cancel_unawaited(Unawaited(waiting, request), over))

    async def _run(self, request: RunJobRequest, waiting: Waiting) -> Job:
        def call(attempt: Attempt) -> Awaitable[RunJobResponse]:
            request.max_wait.CopyFrom(attempt.max_wait)
            return self.calls.RunJob(request, timeout=attempt.deadline, wait_for_ready=attempt.wait_for_ready)

        answer = await self._outlive(waiting, call)
        if answer.wait_outcome == WAIT_OUTCOME_DONE:
            return answer.job
        waiting.knows(answer.job.job_id, existing=answer.existing)
        return await self._await(waiting)

    async def _cancel_unawaited(self, unawaited: Unawaited, over: BaseException) -> Job:
        """Cancels the job of a wait that is over; gives it if it has ended by itself, and raises `over` if not."""

        def call(attempt: Attempt) -> Awaitable[CancelJobResponse | RunJobResponse]:
            match unawaited.request():
                case CancelJobRequest() as cancel:
                    return self.calls.CancelJob(cancel, timeout=attempt.short, wait_for_ready=attempt.wait_for_ready)
                case run:
                    return self.calls.RunJob(run, timeout=attempt.short, wait_for_ready=attempt.wait_for_ready)

        try:
            answer = await self._outlive(unawaited.waiting(), call)
        except SupervisorError as why:
            raise told_uncertain(over, why) from over.__cause__
        return ended(over, answer.job)

    async def submit(
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
    ) -> AsyncHandle:
        """Hands a job to the server and does not wait for its end; see `Client.submit`."""
        request = submit_request(script_type, script, input, spec, request_id, job_id, queue)
        waiting = Waiting(self._way, timeout, request_id=request.request_id)
        answer = await self._outlive(
            waiting,
            lambda attempt: self.calls.SubmitJob(request, timeout=attempt.short, wait_for_ready=attempt.wait_for_ready),
        )
        return self.handle(answer.job.job_id)

    async def submit_many(
        self, requests: Iterable[SubmitJobRequest], *, timeout: float | None = None
    ) -> list[AsyncHandle | SupervisorError]:
        """Hands many jobs to the server, as many at a time as it takes; see `Client.submit_many`."""
        results: list[AsyncHandle | SupervisorError] = []
        whole = Waiting(self._way, timeout)
        for batch in batches(requests):
            try:
                results += await self._submit_batch(batch, whole.left)
            except SupervisorError as error:
                # Jobs of calls before are there, and their handles are not to be lost.
                if not results:
                    raise
                results += [unsubmitted(error, request.request_id) for request in batch]
        return results

    def handle(self, job_id: str) -> AsyncHandle:
        """The handle of a job that is there already. The server is not asked."""
        return AsyncHandle(self, job_id)

    async def await_job(self, job_id: str, *, timeout: float | None = None) -> Job:
        """Waits for the end of a job as `run` does."""
        return await self._await(Waiting(self._way, timeout, subject=f"job {job_id}", job_id=job_id))

    async def get_job(self, job_id: str) -> Job:
        """Reads a job as it is now."""
        return (await _read(self.calls.GetJob(GetJobRequest(job_id=job_id)))).job

    async def cancel(self, job_id: str, reason: str = "", *, timeout: float | None = None) -> Job:
        """Cancels a job, waiting or running, and gives it as it is then; its state says whether it had ended otherwise.

        To cancel twice does no harm, so the call is repeated through lost connections as `run` does.
        """
        request = CancelJobRequest(job_id=job_id, reason=reason)
        answer = await self._outlive(
            Waiting(self._way, timeout, subject=f"job {job_id}", job_id=job_id),
            lambda attempt: self.calls.CancelJob(request, timeout=attempt.short, wait_for_ready=attempt.wait_for_ready),
        )
        return answer.job

    async def scale(
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
        return await _read(self.calls.ScaleActors(request))

    async def list_jobs(
        self, request: ListJobsRequest | None = None, *, queues: Iterable[str] = ()
    ) -> AsyncIterator[Job]:
        """Lists jobs, newest first, page after page. The filters are those of the request."""
        request = copied(request or ListJobsRequest())
        request.queues.extend(queues)
        while True:
            page = await _read(self.calls.ListJobs(request))
            for job in page.jobs:
                yield job
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def list_actors(self, request: ListActorsRequest | None = None) -> AsyncIterator[Actor]:
        """Lists actors by name, page after page. The filters are those of the request."""
        request = copied(request or ListActorsRequest())
        while True:
            page = await _read(self.calls.ListActors(request))
            for actor in page.actors:
                yield actor
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def list_events(
        self, request: ListEventsRequest | None = None, *, queues: Iterable[str] = ()
    ) -> AsyncIterator[Event]:
        """Lists past events, newest first, page after page. The filters are those of the request."""
        request = copied(request or ListEventsRequest())
        request.queues.extend(queues)
        while True:
            page = await _read(self.calls.ListEvents(request))
            for event in page.events:
                yield event
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def actor_logs(
        self, actor_id: str, *, tail_lines: int | None = None, follow: bool = False, contains: str = ""
    ) -> AsyncIterator[LogEntry]:
        """Reads what an actor wrote, and follows it if asked to; see `Client.actor_logs`."""
        place = LogsPlace(logs_request(actor_id, tail_lines, follow, contains))
        subject = f"actor {actor_id}"
        async for message in self._follow(
            lambda ready: self.calls.StreamActorLogs(place.request, wait_for_ready=ready), place, subject
        ):
            for entry in message.entries:
                yield entry

    def watch_job(self, job_id: str) -> AsyncIterator[WatchJobResponse]:
        """Follows a job to its end; see `AsyncHandle.watch`."""
        place = JobPlace(job_id)
        subject = f"job {job_id}"
        return self._follow(lambda ready: self.calls.WatchJob(place.request, wait_for_ready=ready), place, subject)

    def watch_events(self, request: WatchEventsRequest | None = None) -> AsyncIterator[WatchEventsResponse]:
        """Follows what happens to actors, jobs, queues and the server; see `Watch` for what it outlives."""
        place = Place(request or WatchEventsRequest())
        return self._follow(
            lambda ready: self.calls.WatchEvents(place.request(), wait_for_ready=ready), place, "events"
        )

    def watch_health(self, request: WatchHealthRequest | None = None) -> AsyncIterator[WatchHealthResponse]:
        """Follows the health of actors; see `Watch` for what it outlives."""
        place = Place(request or WatchHealthRequest())
        return self._follow(
            lambda ready: self.calls.WatchHealth(place.request(), wait_for_ready=ready), place, "health"
        )

    def _follow(self, open_stream: Callable[[bool], Any], course: Course[Any], subject: str) -> AsyncIterator[Any]:
        return _follow(open_stream, course, Losses(self._way, subject))

    async def _submit_batch(
        self, batch: list[SubmitJobRequest], timeout: float | None
    ) -> list[AsyncHandle | SupervisorError]:
        request = SubmitJobsRequest(requests=batch)
        answer = await self._outlive(
            Waiting(self._way, timeout, subject=f"{len(batch)} jobs"),
            lambda attempt: self.calls.SubmitJobs(
                request, timeout=attempt.short, wait_for_ready=attempt.wait_for_ready
            ),
        )
        return [
            item_error(item.error) if item.HasField("error") else self.handle(item.job.job_id)
            for item in answer.results
        ]

    async def _await(self, waiting: Waiting) -> Job:
        while True:
            answer = await self._outlive(
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

    async def _outlive(self, waiting: Waiting, call: Callable[[Attempt], Awaitable[A]]) -> A:
        """Repeats a call that is harmless to repeat until it succeeds, fails in a way that a repeat does not cure, or
        its time is over."""
        while not waiting.is_over:
            try:
                answer = await call(waiting.attempt())
            except grpc.aio.AioRpcError as error:
                told = SupervisorError.of(error)
                if not told.is_lost and not waiting.is_over:
                    raise told from error
                await asyncio.sleep(waiting.lost(told))
                continue
            waiting.losses.succeeded()
            return answer
        raise waiting.over(False)


@dataclass(frozen=True)
class AsyncHandle:
    """One job on the server.

    It holds no connection, so it outlives lost ones and restarts of the server; a program that knows the id of a job
    makes another one with `AsyncClient.handle`.
    """

    client: AsyncClient
    """The client that it was made by."""
    job_id: str
    """The id of the job."""

    async def result(self, *, timeout: float | None = None) -> str:
        """Waits for the end of the job and gives its result.

        Raises JobFailedError if it has none, and SupervisorError if the wait failed; see `Client.run`.
        """
        return result(await self.wait(timeout=timeout))

    async def wait(self, *, timeout: float | None = None) -> Job:
        """Waits for the end of the job, however it ends."""
        return await self.client.await_job(self.job_id, timeout=timeout)

    async def get(self) -> Job:
        """Reads the job as it is now."""
        return await self.client.get_job(self.job_id)

    async def cancel(self, reason: str = "", *, timeout: float | None = None) -> Job:
        """Cancels the job; see `Client.cancel`."""
        return await self.client.cancel(self.job_id, reason, timeout=timeout)

    def watch(self) -> AsyncIterator[WatchJobResponse]:
        """Follows the job to its end: the job, its changes, its progress and its lines, and the job once more at its
        end.

        It goes on by itself behind the last message when the connection is lost or the server restarted; the job as
        it is may come again then.
        """
        return self.client.watch_job(self.job_id)

    async def logs(self) -> AsyncIterator[LogEntry]:
        """The lines that the script writes, until the job ends. Lines that a slow reader misses are left out; `watch`
        counts them."""
        async for message in self.watch():
            for entry in message.log_entries.entries:
                yield entry


class _Stream(Protocol):
    async def read(self) -> Any: ...

    def cancel(self) -> object: ...


async def _follow(open_stream: Callable[[bool], _Stream], course: Course[Any], losses: Losses) -> AsyncIterator[Any]:
    while True:
        stream = open_stream(losses.wait_for_ready)
        try:
            while True:
                async with asyncio.timeout(course.longest_silence):
                    message = await stream.read()
                if message is grpc.aio.EOF:
                    break
                losses.succeeded()
                course.note(message)
                yield message
            if course.is_done:
                return
            delay = losses.pause()
        except TimeoutError:
            delay = losses.pause()
        except grpc.aio.AioRpcError as error:
            told = SupervisorError.of(error)
            if not course.survives(told):
                raise told from error
            delay = losses.note(told)
        finally:
            stream.cancel()
        await asyncio.sleep(delay)


async def _read(call: Awaitable[A]) -> A:
    """A call whose error is made readable."""
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise SupervisorError.of(error) from error
