"""The client that blocks; many threads may use one."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

import grpc

from hero.supervisor.client._errors import SupervisorError, over
from hero.supervisor.client._place import Place
from hero.supervisor.client._policy import ChannelOptions, Delays, Wait, channel_options, run_request
from hero.supervisor.client._watch import Watch
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


def connect(
    target: str,
    *,
    credentials: grpc.ChannelCredentials | None = None,
    options: ChannelOptions | None = None,
) -> Client:
    """Prepares a client; the connection is made with the first call, and made again whenever it is lost.

    `target` is what gRPC takes: "127.0.0.1:50051", "unix:/run/hero.sock", "dns:///supervisor:50051". Without
    `credentials` the connection is not encrypted, since the server listens on this machine only unless told otherwise.
    `options` of the channel win over the defaults of this package.
    """
    merged = channel_options(target, options)
    if credentials is None:
        return Client(grpc.insecure_channel(target, options=merged))
    return Client(grpc.secure_channel(target, credentials, options=merged))


class Client:
    """Talks to one supervisor. `calls` has every call of the API."""

    # What outlives the server waits until it is ready, within its deadline: gRPC gets on with a connection only while a
    # call is open, so calls that fail at once with pauses in between may never see it made.

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self.calls = SupervisorStub(channel)
        self._closed = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection, and with it waits and watches of other threads. Jobs go on."""
        self._closed.set()
        self.channel.close()

    def run(
        self,
        script_type: script_type_pb2.ScriptType.ValueType,
        script: str,
        *,
        timeout: float | None = None,
        spec: job_pb2.JobSpec | None = None,
        request_id: str | None = None,
        job_id: str | None = None,
    ) -> job_pb2.Job:
        """Runs a script and waits for its end, however often the connection is lost or the server restarted in between;
        the job is made once.

        The job has ended, which is not to say that it succeeded: see `result`. After `timeout` seconds SupervisorError
        with reason WAIT_OVER is raised, with the job's id in `metadata["job_id"]` if it was made, and the job goes on:
        `await_job` it, or cancel it. `spec` says what else the job has: caller, environment, labels, limits, retries.
        Whoever calls again with the same `request_id` and content within 24 hours, even from another process, gets the
        same job. `job_id` names the job instead of the server.
        """
        wait, delays, made = Wait(timeout), Delays(), ""
        request = run_request(script_type, script, spec, request_id, job_id)
        while not wait.is_over and not self._closed.is_set():
            max_wait, deadline = wait.poll()
            request.max_wait.CopyFrom(max_wait)
            try:
                answer = self.calls.RunJob(request, timeout=deadline, wait_for_ready=True)
            except (grpc.RpcError, ValueError) as error:
                made = self._lost(error, wait, delays).metadata.get("job_id", made)
                continue
            if answer.wait_outcome == WAIT_OUTCOME_DONE:
                return answer.job
            return self._await(answer.job.job_id, wait, request.request_id)
        raise over(self._closed.is_set(), made, request.request_id)

    def await_job(self, job_id: str, *, timeout: float | None = None) -> job_pb2.Job:
        """Waits for the end of a job as `run` does."""
        return self._await(job_id, Wait(timeout), "")

    def _await(self, job_id: str, wait: Wait, request_id: str) -> job_pb2.Job:
        delays = Delays()
        while not wait.is_over and not self._closed.is_set():
            max_wait, deadline = wait.poll()
            try:
                request = AwaitJobRequest(job_id=job_id, max_wait=max_wait)
                answer = self.calls.AwaitJob(request, timeout=deadline, wait_for_ready=True)
            except (grpc.RpcError, ValueError) as error:
                self._lost(error, wait, delays)
                continue
            delays.reset()
            if answer.wait_outcome == WAIT_OUTCOME_DONE:
                return answer.job
        raise over(self._closed.is_set(), job_id, request_id)

    def watch_events(self, request: WatchEventsRequest | None = None) -> Watch[WatchEventsResponse]:
        """Follows what happens to actors, jobs, queues and the server."""
        place = Place(request or WatchEventsRequest())
        return Watch(lambda: self.calls.WatchEvents(place.request(), wait_for_ready=True), place, self._closed)

    def watch_health(self, request: WatchHealthRequest | None = None) -> Watch[WatchHealthResponse]:
        """Follows the health of actors."""
        place = Place(request or WatchHealthRequest())
        return Watch(lambda: self.calls.WatchHealth(place.request(), wait_for_ready=True), place, self._closed)

    def _lost(self, error: grpc.RpcError | ValueError, wait: Wait, delays: Delays) -> SupervisorError:
        """Waits for the next try after a loss; raises what a repeat does not cure."""
        if isinstance(error, ValueError):
            # How gRPC says that its channel was closed; everything else that it calls so is a mistake of the caller.
            if not self._closed.is_set():
                raise error
            return SupervisorError(grpc.StatusCode.CANCELLED, "", str(error))
        told = SupervisorError.of(error)
        if not told.is_lost and not wait.is_over and not self._closed.is_set():
            raise told from error
        self._closed.wait(wait.limit(delays.next(told.retry_after)))
        return told
