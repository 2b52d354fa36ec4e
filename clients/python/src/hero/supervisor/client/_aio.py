"""The client for asyncio. To cancel a task ends its wait; the job goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar, cast

import grpc
import grpc.aio

from hero.supervisor.client._errors import SupervisorError, over
from hero.supervisor.client._place import Message, Place
from hero.supervisor.client._policy import ChannelOptions, Delays, Wait, channel_options, run_request
from hero.supervisor.v1 import job_pb2, script_type_pb2
from hero.supervisor.v1.supervisor_service_pb2 import (
    WAIT_OUTCOME_DONE,
    AwaitJobRequest,
    WatchEventsRequest,
    WatchEventsResponse,
    WatchHealthRequest,
    WatchHealthResponse,
)
from hero.supervisor.v1.supervisor_service_pb2_grpc import SupervisorStub

if TYPE_CHECKING:
    from hero.supervisor.v1.supervisor_service_pb2_grpc import SupervisorAsyncStub

M = TypeVar("M", bound=Message)


def connect_async(
    target: str,
    *,
    credentials: grpc.ChannelCredentials | None = None,
    options: ChannelOptions | None = None,
) -> AsyncClient:
    """Prepares a client as `connect` does; to be called where an event loop runs."""
    merged = channel_options(target, options)
    if credentials is None:
        return AsyncClient(grpc.aio.insecure_channel(target, options=merged))
    return AsyncClient(grpc.aio.secure_channel(target, credentials, options=merged))


class AsyncClient:
    """Talks to one supervisor. `calls` has every call of the API."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        # One class at run time; its calls are awaited when the channel is one of asyncio.
        self.calls = cast("SupervisorAsyncStub", SupervisorStub(channel))

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
        script_type: script_type_pb2.ScriptType.ValueType,
        script: str,
        *,
        timeout: float | None = None,
        spec: job_pb2.JobSpec | None = None,
        request_id: str | None = None,
        job_id: str | None = None,
    ) -> job_pb2.Job:
        """Runs a script and waits for its end; see `Client.run`."""
        wait, delays, made = Wait(timeout), Delays(), ""
        request = run_request(script_type, script, spec, request_id, job_id)
        while not wait.is_over:
            max_wait, deadline = wait.poll()
            request.max_wait.CopyFrom(max_wait)
            try:
                answer = await self.calls.RunJob(request, timeout=deadline, wait_for_ready=True)
            except grpc.aio.AioRpcError as error:
                made = (await _lost(error, wait, delays)).metadata.get("job_id", made)
                continue
            if answer.wait_outcome == WAIT_OUTCOME_DONE:
                return answer.job
            return await self._await(answer.job.job_id, wait, request.request_id)
        raise over(False, made, request.request_id)

    async def await_job(self, job_id: str, *, timeout: float | None = None) -> job_pb2.Job:
        """Waits for the end of a job as `run` does."""
        return await self._await(job_id, Wait(timeout), "")

    async def _await(self, job_id: str, wait: Wait, request_id: str) -> job_pb2.Job:
        delays = Delays()
        while not wait.is_over:
            max_wait, deadline = wait.poll()
            request = AwaitJobRequest(job_id=job_id, max_wait=max_wait)
            try:
                answer = await self.calls.AwaitJob(request, timeout=deadline, wait_for_ready=True)
            except grpc.aio.AioRpcError as error:
                await _lost(error, wait, delays)
                continue
            delays.reset()
            if answer.wait_outcome == WAIT_OUTCOME_DONE:
                return answer.job
        raise over(False, job_id, request_id)

    def watch_events(self, request: WatchEventsRequest | None = None) -> AsyncIterator[WatchEventsResponse]:
        """Follows what happens to actors, jobs, queues and the server; see `Watch` for what it outlives."""
        place = Place(request or WatchEventsRequest())
        return _follow(lambda: self.calls.WatchEvents(place.request(), wait_for_ready=True), place)

    def watch_health(self, request: WatchHealthRequest | None = None) -> AsyncIterator[WatchHealthResponse]:
        """Follows the health of actors; see `Watch` for what it outlives."""
        place = Place(request or WatchHealthRequest())
        return _follow(lambda: self.calls.WatchHealth(place.request(), wait_for_ready=True), place)


class _Stream(Protocol):
    async def read(self) -> Any: ...

    def cancel(self) -> object: ...


async def _follow(
    open_stream: Callable[[], _Stream], place: Place[WatchEventsRequest] | Place[WatchHealthRequest]
) -> AsyncIterator[Any]:
    delays = Delays()
    while True:
        asked = 0.0
        stream = open_stream()
        try:
            while True:
                async with asyncio.timeout(place.longest_silence):
                    message = await stream.read()
                if message is grpc.aio.EOF:
                    break
                delays.reset()
                place.note(message)
                yield message
        except TimeoutError:
            pass
        except grpc.aio.AioRpcError as error:
            told = SupervisorError.of(error)
            asked = told.retry_after
            if not place.survives(told):
                raise told from error
        finally:
            stream.cancel()
        await asyncio.sleep(delays.next(asked))


async def _lost(error: grpc.aio.AioRpcError, wait: Wait, delays: Delays) -> SupervisorError:
    """Waits for the next try after a loss; raises what a repeat does not cure."""
    told = SupervisorError.of(error)
    if not told.is_lost and not wait.is_over:
        raise told from error
    await asyncio.sleep(wait.limit(delays.next(told.retry_after)))
    return told
