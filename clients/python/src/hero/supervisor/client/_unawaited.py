"""The cancellation of a job for whose end nobody waits any more."""

from __future__ import annotations

import grpc
from google.protobuf import duration_pb2

from hero.supervisor.client._errors import SupervisorError
from hero.supervisor.client._requests import copied
from hero.supervisor.client._waiting import Waiting, Way, plain
from hero.supervisor.v1.job_pb2 import Job
from hero.supervisor.v1.supervisor_service_pb2 import CancelJobRequest, RunJobRequest

LIMIT = 3.0
"""Longest time for it, in seconds."""


class Unawaited:
    """A job that is cancelled because the wait for it has ended before it."""

    def __init__(self, over: Waiting, request: RunJobRequest) -> None:
        self._over = over
        self._request = request

    @property
    def may_be_cancelled(self) -> bool:
        """Whether it is not known to be a job that was there before, by its unique key."""
        return not self._over.is_existing

    def waiting(self, limit: float = LIMIT) -> Waiting:
        """The wait for the answer to `request`."""
        return Waiting(Way(self._over.losses.way.address), limit, subject="the job")

    def request(self) -> CancelJobRequest | RunJobRequest:
        """What to ask the server for; RunJob where it has not yet said that there is the job.

        The same request finds the job if there is one. If there is none yet, the call that was broken off cannot make
        another one later.
        """
        if self._over.is_known:
            return CancelJobRequest(job_id=self._over.job_id, reason="its caller stopped waiting")
        request = copied(self._request)
        request.max_wait.CopyFrom(duration_pb2.Duration())
        request.on_wait_end = RunJobRequest.ON_WAIT_END_CANCEL
        return request


def is_end_of_wait(error: BaseException, waiting: Waiting) -> bool:
    """Whether the wait was ended by its time or by its caller, and there may be a job that was not there before."""
    if not waiting.may_have_job or waiting.is_existing:
        return False
    ends = (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)
    return error.code in ends if isinstance(error, SupervisorError) else not isinstance(error, Exception)


def ended(over: BaseException, job: Job) -> Job:
    """The job, when it has ended by itself before the time was over; raises `over` if not, and says that it was
    cancelled."""
    # A job that has not ended was there before, and goes on.
    if not isinstance(over, SupervisorError) or not job.HasField("finish_time"):
        raise over
    if job.state != Job.STATE_CANCELLED:
        return job
    metadata = {**over.metadata, "job_id": job.job_id, "cancelled": "true"}
    raise _like(over, "WAIT_OVER", "the wait is over before the job, which was cancelled", metadata) from over.__cause__


def told_uncertain(over: BaseException, why: SupervisorError) -> BaseException:
    """The error of the wait when no server has said that the job does not go on."""
    # Where nothing is known of a job, the error says so already.
    if not isinstance(over, SupervisorError) or over.reason != "WAIT_OVER":
        return over
    message = f"{over.message}; the job could not be cancelled: {plain(why)}"
    return _like(over, over.reason, message, dict(over.metadata))


def _like(over: SupervisorError, reason: str, message: str, metadata: dict[str, str]) -> SupervisorError:
    error = type(over)(over.code, reason, message, metadata, over.retry_after)
    error.__cause__ = over.__cause__
    return error
