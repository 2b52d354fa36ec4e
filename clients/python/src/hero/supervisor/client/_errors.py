"""Errors of calls, made readable for programs, and the way from a job to its result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import grpc
import grpc.aio
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from hero.supervisor.v1 import job_pb2
from hero.supervisor.v1.supervisor_service_pb2 import ItemError

DOMAIN = "supervisor.hero"
"""Domain of every `google.rpc.ErrorInfo` of a supervisor."""

_DETAILS = "grpc-status-details-bin"
_AWAY_WITHOUT_REASON = (
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
)


class SupervisorError(Exception):
    """What a call of a supervisor failed with."""

    code: grpc.StatusCode
    """Code of gRPC; decide by it when you do not know the reason."""
    reason: str
    """Name of an ErrorReason without its prefix, for instance "JOB_NOT_FOUND". Of waits it can be NO_SERVER or
    WAIT_OVER, too. Empty if the error does not come from a supervisor, for instance because nobody listens."""
    message: str
    """For people."""
    metadata: Mapping[str, str]
    """The variable parts of the message."""
    retry_after: float
    """Seconds to wait before the call is repeated; 0 if the server did not say."""
    fields: Mapping[str, str]
    """The refused fields by path, with reason INVALID_FIELD."""

    def __init__(
        self,
        code: grpc.StatusCode,
        reason: str,
        message: str,
        metadata: Mapping[str, str] | None = None,
        retry_after: float = 0.0,
        fields: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code.name} ({reason}): {message}" if reason else f"{code.name}: {message}")
        self.code = code
        self.reason = reason
        self.message = message
        self.metadata = dict(metadata or {})
        self.retry_after = retry_after
        self.fields = dict(fields or {})

    @classmethod
    def of(cls, error: grpc.RpcError) -> SupervisorError:
        """Reads the error of any call, also of those in `calls`. That error is its `__cause__`."""
        told = cls._read(error)
        told.__cause__ = error
        return told

    @classmethod
    def _read(cls, error: grpc.RpcError) -> SupervisorError:
        if not isinstance(error, (grpc.aio.AioRpcError, grpc.Call)):
            return cls(grpc.StatusCode.UNKNOWN, "", str(error))
        code, message = error.code() or grpc.StatusCode.UNKNOWN, error.details() or ""
        reason, metadata, retry_after, fields = "", {}, 0.0, {}
        for detail in _details(error.trailing_metadata() or ()):
            info, retry, request = ErrorInfo(), RetryInfo(), BadRequest()
            if detail.Unpack(info) and info.domain == DOMAIN:
                reason, metadata = info.reason, dict(info.metadata)
            elif detail.Unpack(retry):
                retry_after = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
            elif detail.Unpack(request):
                fields = {refused.field: refused.description for refused in request.field_violations}
        kind = {
            grpc.StatusCode.UNAUTHENTICATED: UnauthenticatedError,
            grpc.StatusCode.PERMISSION_DENIED: PermissionDeniedError,
        }.get(code, cls)
        return kind(code, reason, message, metadata, retry_after, fields)

    @property
    def is_lost(self) -> bool:
        """Whether the call failed because the server or the way to it is away, so that a harmless call is repeated.

        Servers answer INTERNAL only with a reason; a connection that breaks may look like it without one. TIMED_OUT
        says that the server has lost an answer itself: what was asked may have been done.
        """
        if self.is_away or self.reason == "TIMED_OUT":
            return True
        return not self.reason and self.code is grpc.StatusCode.DEADLINE_EXCEEDED

    @property
    def is_away(self) -> bool:
        """Whether the server or the way to it is away, so that a read is repeated. A way that breaks may look like
        CANCELLED, INTERNAL or UNKNOWN; what a server itself says of this kind has a reason."""
        if self.code is grpc.StatusCode.UNAVAILABLE:
            return True
        return not self.reason and self.code in _AWAY_WITHOUT_REASON


class UnauthenticatedError(SupervisorError):
    """The server does not know who is calling: the token or the certificate is missing, unknown, expired or revoked.

    Such a call is never repeated, and a stream not resumed.
    """


class PermissionDeniedError(SupervisorError):
    """The caller may not do this. Such a call is never repeated, and a stream not resumed."""


class WaitOverError(SupervisorError, TimeoutError):
    """The timeout of a wait was over first: before the job ended (reason WAIT_OVER), or before a server answered.

    A TimeoutError, too. `__cause__` is the last failure before.
    """


class JobFailedError(Exception):
    """A job that ended without a result."""

    job: job_pb2.Job
    """The job, with its error."""

    def __init__(self, job: job_pb2.Job) -> None:
        if job.state == job_pb2.Job.STATE_CANCELLED:
            super().__init__(f"job {job.job_id} was cancelled: {job.cancel_reason}")
        else:
            super().__init__(f"job {job.job_id} failed ({_kind(job.error)}): {job.error.message}{_place(job.error)}")
        self.job = job


def result(job: job_pb2.Job) -> str:
    """The result of a job that has ended well; raises JobFailedError for every other one."""
    if job.state != job_pb2.Job.STATE_SUCCEEDED:
        raise JobFailedError(job)
    return job.result


def _details(trailers: Iterable[tuple[str, str | bytes]]) -> Iterable[Any]:
    """The details of an error. What asyncio calls trailers can be gone through, but is no dict."""
    for key, value in trailers:
        if key == _DETAILS and isinstance(value, bytes):
            yield from Status.FromString(value).details


def _kind(error: job_pb2.JobError) -> str:
    """The name of a kind without its prefix; its number, when a newer server sends one that is not known here."""
    known = job_pb2.JobError.Kind.DESCRIPTOR.values_by_number.get(error.kind)
    return known.name.removeprefix("KIND_") if known else str(error.kind)


def _place(error: job_pb2.JobError) -> str:
    """Where in the script, if that is known."""
    if not error.line:
        return ""
    return f" (line {error.line}, column {error.column})" if error.column else f" (line {error.line})"


def item_error(refused: ItemError) -> SupervisorError:
    """The error of one item of many."""
    code = next((code for code in grpc.StatusCode if code.value[0] == refused.code), grpc.StatusCode.UNKNOWN)
    fields = {violation.field: violation.description for violation in refused.field_violations}
    return SupervisorError(code, refused.reason, refused.message, refused.metadata, fields=fields)


def unsubmitted(error: SupervisorError, request_id: str) -> SupervisorError:
    """The error of a whole call for one of its jobs, which may be there."""
    metadata = {**error.metadata, "request_id": request_id}
    of_one = SupervisorError(error.code, error.reason, error.message, metadata, error.retry_after)
    of_one.__cause__ = error
    return of_one
