"""A watch that blocks its reader."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

import grpc

from hero.supervisor.client._course import Course
from hero.supervisor.client._errors import SupervisorError
from hero.supervisor.client._waiting import Losses

M = TypeVar("M")
M_co = TypeVar("M_co", covariant=True)


class Stream(Protocol[M_co]):
    """A call that streams."""

    def __next__(self) -> M_co: ...

    def cancel(self) -> object: ...


class Watch(Generic[M]):
    """Follows what happens, until it is closed: by its reader or by another thread.

    It goes on by itself behind the last message when the connection is lost, the server restarted, or this reader was
    too slow: nothing is left out, nothing comes twice. Only if the server no longer keeps what came after the last
    message, it begins anew with a snapshot, up to a bookmark KIND_SNAPSHOT_END; that is how to notice it. Errors that a
    repeat does not cure are raised as SupervisorError.
    """

    def __init__(
        self,
        open_stream: Callable[[bool], Stream[M]],
        course: Course[M],
        closed: threading.Event,
        losses: Losses,
    ) -> None:
        self._open = open_stream
        self._course = course
        self._losses = losses
        self._client_closed = closed
        self._closed = threading.Event()
        self._stream: Stream[M] | None = None
        self._watchdog = _Watchdog(course.longest_silence)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[M]:
        return self

    def __next__(self) -> M:
        while not self._is_closed:
            delay = 0.0
            try:
                message = self._receive()
                self._losses.succeeded()
                self._course.note(message)
                return message
            except StopIteration:
                if self._course.is_done:
                    break
                delay = self._losses.pause()
            except grpc.RpcError as error:
                delay = self._lost(error)
            self._stream = None
            if not self._is_closed:
                self._closed.wait(delay)
        self.close()
        raise StopIteration

    def _lost(self, error: grpc.RpcError) -> float:
        """The seconds to wait after a loss; raises what a repeat does not cure."""
        told = SupervisorError.of(error)
        if self._is_closed:
            return 0.0
        try:
            if self._course.survives(told):
                return self._losses.note(told)
            raise told from error
        except SupervisorError:
            self.close()
            raise

    def close(self) -> None:
        """Ends the watch; its reader finds the end."""
        self._closed.set()
        self._watchdog.end()
        stream = self._stream
        if stream is not None:
            stream.cancel()

    @property
    def _is_closed(self) -> bool:
        return self._closed.is_set() or self._client_closed.is_set()

    def _receive(self) -> M:
        stream = self._stream
        if stream is None:
            try:
                stream = self._open(self._losses.wait_for_ready)
            except ValueError:
                # How gRPC says that its channel was closed in between.
                self._closed.set()
                raise StopIteration from None
            self._stream = stream
            # Who closed in between did not see this stream.
            if self._is_closed:
                stream.cancel()
        with self._watchdog.over(stream):
            return next(stream)


class _Watchdog:
    """Ends a stream that says nothing for too long while its reader waits, if there is a limit.

    One thread for the life of a watch.
    """

    def __init__(self, longest_silence: float | None) -> None:
        self._longest = longest_silence or 0.0
        self._changed = threading.Condition()
        self._stream: Stream[object] | None = None
        self._since = 0.0
        self._ended = False
        self._thread: threading.Thread | None = None

    def over(self, stream: Stream[object]) -> Self:
        """To be entered for the time of one read."""
        with self._changed:
            self._stream, self._since = stream, time.monotonic()
            if self._thread is None and not self._ended and self._longest:
                self._thread = threading.Thread(target=self._look, name="hero-supervisor-watch", daemon=True)
                self._thread.start()
        return self

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._stream = None

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify()

    def _look(self) -> None:
        with self._changed:
            while not self._ended:
                left = self._longest
                if self._stream is not None:
                    left -= time.monotonic() - self._since
                    if left <= 0:
                        self._stream.cancel()
                        self._stream, left = None, self._longest
                self._changed.wait(left)
