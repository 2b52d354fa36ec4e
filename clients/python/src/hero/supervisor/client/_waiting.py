"""The wait of one caller, which outlives lost connections and restarts of the server."""

from __future__ import annotations

import logging
import random
import re
import time
from dataclasses import dataclass

import grpc
from google.protobuf import duration_pb2

from hero.supervisor.client._errors import SupervisorError, WaitOverError
from hero.supervisor.client._requests import duration

_POLL = 60.0
"""Longest wait of one call, in seconds; then the next one is made."""
_CALL_MARGIN = 10.0
"""What a call may take beyond its wait before it counts as lost."""
_LOOK = 5.0
"""Longest wait of a call while no server is reached: after it, a call tells anew why."""
_FIRST_DELAY = 0.1
_LAST_DELAY = 5.0

_LOGGED_FAILURES = 2
"""So many failures in a row are logged, and then one in `_LOG_INTERVAL` seconds."""
_LOG_INTERVAL = 60.0

_WRAPPING = re.compile(r"failed to connect to all addresses; last error: ([A-Z_]+: )?")

log = logging.getLogger("hero.supervisor.client")


@dataclass(frozen=True)
class Way:
    """Which server a client talks to, and whether it waits for one."""

    address: str
    fail_fast: bool = False


class Losses:
    """Failures after which a call is repeated: what went wrong last, who is told, and how long to wait."""

    def __init__(self, way: Way, subject: str) -> None:
        self.way = way
        self.subject = subject
        self.last: SupervisorError | None = None
        self.answered = False
        self._failures = 0
        self._logged: float | None = None

    @property
    def wait_for_ready(self) -> bool:
        """Whether the next call waits for a connection.

        Calls that fail at once say why; but gRPC gets on with a connection only while a call is open, so one in three
        waits for it.
        """
        return self._failures % 3 == 2

    @property
    def unreached(self) -> bool:
        """Whether no server is there, as far as one knows."""
        return self.last is not None and not self.last.reason

    def succeeded(self) -> None:
        """A server has answered."""
        self.answered, self.last, self._failures = True, None, 0

    def note(self, told: SupervisorError) -> float:
        """Takes note of a failure, and gives the seconds to wait before the next try.

        Raises an error when the caller does not want to wait for a server.
        """
        # The end of a call's own time says less than what went wrong before.
        if self.last is None or not _is_own_end(told):
            self.last = told
        self.answered = self.answered or bool(told.reason)
        delay = self.pause()
        if self.way.fail_fast and not self.answered:
            message = f"no server answers at {self.way.address}: {plain(self.last)}; nothing is known of {self.subject}"
            raise SupervisorError(grpc.StatusCode.UNAVAILABLE, "NO_SERVER", message) from self.last.__cause__
        now = time.monotonic()
        if self._failures >= _LOGGED_FAILURES and (self._logged is None or now - self._logged >= _LOG_INTERVAL):
            self._logged = now
            log.warning("%s: no answer, the call is repeated (%s)", self.way.address, plain(self.last))
        return max(delay, told.retry_after)

    def pause(self) -> float:
        """Seconds to wait before the next try, more from one to the next; not the same for all clients."""
        delay = min(_FIRST_DELAY * float(2 ** min(self._failures, 10)), _LAST_DELAY)
        self._failures += 1
        return delay * random.uniform(0.5, 1.0)


@dataclass(frozen=True)
class Attempt:
    """What one call is made with."""

    max_wait: duration_pb2.Duration
    """How long the server is asked to wait."""
    deadline: float
    """Seconds for a call that waits."""
    short: float
    """Seconds for a call that does not wait."""
    wait_for_ready: bool


class Waiting:
    """How long a caller waits for what, and what is known of it."""

    def __init__(
        self, way: Way, timeout: float | None, *, subject: str = "a job", job_id: str = "", request_id: str = ""
    ) -> None:
        self.losses = Losses(way, subject)
        self.job_id = job_id
        self.is_known = False
        """Whether a server has said that there is the job."""
        self.is_existing = False
        """Whether the job was there before, by its unique key."""
        self._request_id = request_id
        self._tried = False
        self._began = time.monotonic()
        self._deadline = None if timeout is None else self._began + timeout

    @property
    def is_over(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

    @property
    def left(self) -> float | None:
        """Seconds until the end; none without one."""
        return None if self._deadline is None else max(self._deadline - time.monotonic(), 0.0)

    def limit(self, seconds: float) -> float:
        """As much of this as is left."""
        if self._deadline is None:
            return seconds
        return max(min(seconds, self._deadline - time.monotonic()), 0.0)

    def attempt(self) -> Attempt:
        """How the next call is made."""
        self._tried = True
        poll, margin = _POLL, _CALL_MARGIN
        if self.losses.unreached and self.losses.wait_for_ready:
            poll, margin = _LOOK, 0.0
        poll = self.limit(poll)
        # The server answers a little before the deadline of a call, so that the answer comes before we give up.
        return Attempt(duration(poll), self.limit(poll + margin), self.limit(_CALL_MARGIN), self.losses.wait_for_ready)

    def knows(self, job_id: str, *, existing: bool = False) -> None:
        """A server has said that there is this job, perhaps that it was there before."""
        self.job_id, self.is_known = job_id, True
        self.is_existing = self.is_existing or existing

    @property
    def may_have_job(self) -> bool:
        """Whether a call was made that may have made the job."""
        return self._tried

    def lost(self, told: SupervisorError) -> float:
        """Takes note of a failure after which the call is repeated; gives the seconds to wait before that."""
        delay = self.losses.note(told)
        job_id = told.metadata.get("job_id")
        if told.reason and job_id:
            self.job_id, self.is_known = job_id, told.reason != "TIMED_OUT"
        return self.limit(delay)

    def over(self, given_up: bool) -> SupervisorError:
        """The error of a wait that ended first."""
        reason, message = self._outcome(given_up)
        last = self.losses.last
        metadata = {"job_id": self.job_id, "request_id": self._request_id}
        metadata = {name: value for name, value in metadata.items() if value}
        retry_after = 0.0
        if last is not None and reason == last.reason:
            metadata, retry_after = {**metadata, **last.metadata}, last.retry_after
        if given_up:
            error = SupervisorError(grpc.StatusCode.CANCELLED, reason, message, metadata, retry_after)
        else:
            error = WaitOverError(grpc.StatusCode.DEADLINE_EXCEEDED, reason, message, metadata, retry_after)
        error.__cause__ = None if last is None else last.__cause__
        return error

    def _outcome(self, given_up: bool) -> tuple[str, str]:
        where, subject, last = self.losses.way.address, self.losses.subject, self.losses.last
        nothing = f"nothing is known of {subject}"
        why = "" if last is None or _is_own_end(last) else plain(last)
        if self.is_known:
            message = (
                "the wait was given up; the job goes on, await it by its id"
                if given_up
                else "the wait is over before the job; it goes on, await it by its id"
            )
            return "WAIT_OVER", message + (f" (the last call failed: {why})" if why else "")
        if not self._tried:
            return "WAIT_OVER", f"the wait was over before a call was made; {nothing}"
        within = self._waited()
        if last is not None and last.reason:
            return last.reason, f"the server at {where} could not help within {within}: {why}; {nothing}"
        if given_up and not why:
            return "WAIT_OVER", f"the wait was given up before the server at {where} answered; {nothing}"
        return "NO_SERVER", f"no server answered at {where} within {within}{why and f': {why}'}; {nothing}"

    def _waited(self) -> str:
        """How long the wait was, for people: to its deadline, or until it was given up."""
        now = time.monotonic()
        waited = (now if self._deadline is None else min(self._deadline, now)) - self._began
        return f"{round(waited * 1000)} ms" if waited < 0.9995 else f"{round(waited, 1):g} s"


def _is_own_end(told: SupervisorError) -> bool:
    """Whether a call failed because its own time was over, which says nothing of the server."""
    return not told.reason and told.code in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)


def plain(told: SupervisorError) -> str:
    """The message of an error without what gRPC wraps around that of the system."""
    return _WRAPPING.sub("", told.message)
