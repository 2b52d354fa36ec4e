"""Where a stream is, and where it goes on after a loss."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

import grpc

from hero.supervisor.client._errors import SupervisorError
from hero.supervisor.v1 import event_pb2, job_pb2
from hero.supervisor.v1.supervisor_service_pb2 import (
    StreamActorLogsRequest,
    StreamActorLogsResponse,
    WatchEventsRequest,
    WatchHealthRequest,
    WatchJobRequest,
    WatchJobResponse,
)

_DEFAULT_HEARTBEAT = 15.0
"""What the server keeps to if it is not asked for something else, in seconds."""
_SILENT_HEARTBEATS = 3
"""A watch that is silent for so many heartbeats has lost its server."""


_ENDED = (job_pb2.Job.STATE_SUCCEEDED, job_pb2.Job.STATE_FAILED, job_pb2.Job.STATE_CANCELLED)

M_contra = TypeVar("M_contra", contravariant=True)


class Course(Protocol[M_contra]):
    """How one kind of stream is followed through losses."""

    @property
    def longest_silence(self) -> float | None:
        """After so many seconds without a word the server is gone; none for streams without heartbeats."""

    @property
    def is_done(self) -> bool:
        """Whether the end of the stream is the end of all; else it is opened again."""

    def note(self, message: M_contra) -> None:
        """A message has come."""

    def survives(self, error: SupervisorError) -> bool:
        """Whether the course goes on after this error."""


class Message(Protocol):
    """A message of either watch."""

    @property
    def cursor(self) -> str: ...

    @property
    def bookmark(self) -> event_pb2.Bookmark: ...


R = TypeVar("R", WatchEventsRequest, WatchHealthRequest)


class Place(Generic[R]):
    """The place of a watch that has no end."""

    is_done = False

    def __init__(self, begin: R) -> None:
        self._begin: R = begin
        self._cursor = begin.resume_after
        self._snapshot = begin.include_snapshot if begin.HasField("include_snapshot") else None
        # A snapshot that breaks off is asked for again as a whole: its cursors do not say how far it came.
        self._in_snapshot = not self._cursor and self._snapshot is not False

    def request(self) -> R:
        """What to ask for to go on from here."""
        request = type(self._begin)()
        request.CopyFrom(self._begin)
        request.resume_after = self._cursor
        request.ClearField("include_snapshot")
        if self._snapshot is not None:
            request.include_snapshot = self._snapshot
        return request

    def note(self, message: Message) -> None:
        """A message has come."""
        if message.bookmark.kind == event_pb2.Bookmark.KIND_SNAPSHOT_END:
            self._in_snapshot = False
        if not self._in_snapshot and message.cursor:
            self._cursor, self._snapshot = message.cursor, None

    def survives(self, error: SupervisorError) -> bool:
        """Whether the watch goes on after this error; from the start, if what comes next is not kept any more."""
        if error.is_lost or error.reason == "CONSUMER_TOO_SLOW":
            return True
        if error.code is grpc.StatusCode.OUT_OF_RANGE:
            self._cursor, self._snapshot, self._in_snapshot = "", True, True
            return True
        return False

    @property
    def longest_silence(self) -> float:
        asked = self._begin.heartbeat_interval
        return _SILENT_HEARTBEATS * (asked.seconds + asked.nanos / 1e9 or _DEFAULT_HEARTBEAT)


class JobPlace:
    """The place of a watch of one job, which ends with the job."""

    longest_silence = _SILENT_HEARTBEATS * _DEFAULT_HEARTBEAT

    def __init__(self, job_id: str) -> None:
        self.request = WatchJobRequest(job_id=job_id, include_logs=True)
        self.is_done = False

    def note(self, message: WatchJobResponse) -> None:
        self.request.resume_after = message.cursor or self.request.resume_after
        self.is_done = message.job.state in _ENDED

    def survives(self, error: SupervisorError) -> bool:
        return error.is_lost


class LogsPlace:
    """The place in what an actor writes, which ends unless it is followed."""

    longest_silence = None

    def __init__(self, request: StreamActorLogsRequest) -> None:
        self.request = request
        self.is_done = not request.follow

    def note(self, message: StreamActorLogsResponse) -> None:
        self.request.resume_after = message.cursor or self.request.resume_after

    def survives(self, error: SupervisorError) -> bool:
        return error.is_lost or error.reason == "CONSUMER_TOO_SLOW"
