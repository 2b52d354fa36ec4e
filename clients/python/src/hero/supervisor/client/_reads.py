"""Reads are repeated while the server or the way to it is away."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from typing import Any

import grpc
import grpc.aio

from hero.supervisor.client._details import details
from hero.supervisor.client._errors import SupervisorError

# Reads may be repeated without harm, so they are. Calls that change something are repeated by `run` and its like, which
# give them a request id, and by nobody else.
_READS = frozenset(
    f"/hero.supervisor.v1.Supervisor/{name}"
    for name in (
        "GetServerInfo",
        "GetActor",
        "ListActors",
        "GetScriptType",
        "ListScriptTypes",
        "GetQueue",
        "ListQueues",
        "ListNodes",
        "AwaitJob",
        "GetJob",
        "ExplainJob",
        "ListJobs",
        "ListEvents",
        "ListIdentities",
        "ListAuditEntries",
    )
)
_MOST_ATTEMPTS = 5
# Together they are longer than two of the longest pauses between attempts to connect, 2 s and a fifth each: a server
# that is back within one of them is found.
_FIRST_DELAY = 0.5


class _Tries:
    """The tries of one call, all together within its time."""

    def __init__(self, details: Any) -> None:
        self._asked = details
        self._count = 0
        self._deadline = None if details.timeout is None else time.monotonic() + details.timeout

    def next(self) -> Any:
        """How the next call is made."""
        self._count += 1
        timeout = None if self._deadline is None else max(self._deadline - time.monotonic(), 0.0)
        return details(self._asked, timeout=timeout)

    def pause(self, told: SupervisorError) -> float | None:
        """Seconds before the next call, or none if there is none: 0.5, 1, 2, 4, or up to twice as long."""
        if self._count == _MOST_ATTEMPTS or not told.is_away:
            return None
        delay = _FIRST_DELAY * 2 ** (self._count - 1) * random.uniform(1.0, 2.0)
        delay = max(delay, told.retry_after)
        in_time = self._deadline is None or time.monotonic() + delay < self._deadline
        return delay if in_time else None


class RepeatReads(grpc.UnaryUnaryClientInterceptor):
    """Repeats reads wherever they have broken off: gRPC's own retries leave out a call whose answer has begun.

    Futures (`client.calls.GetJob.future(…)`) are not repeated, since nobody waits for them here.
    """

    def __init__(self) -> None:
        self.closed = threading.Event()
        """Set when nobody waits any more."""

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        tries = _Tries(client_call_details)
        while True:
            call = continuation(tries.next(), request)
            if client_call_details.method not in _READS or not call.done():
                return call
            error = call.exception()
            if not isinstance(error, grpc.RpcError):
                return call
            delay = tries.pause(SupervisorError.of(error))
            if delay is None or self.closed.wait(delay):
                return call


class RepeatReadsAsync(grpc.aio.UnaryUnaryClientInterceptor):
    """The same for asyncio."""

    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        tries = _Tries(client_call_details)
        call = await continuation(tries.next(), request)
        while bytes(client_call_details.method).decode() in _READS and (error := await _error(call)) is not None:
            delay = tries.pause(SupervisorError.of(error))
            if delay is None:
                break
            await asyncio.sleep(delay)
            try:
                call = await continuation(tries.next(), request)
            except grpc.aio.UsageError:
                break  # The channel was closed meanwhile.
        return call


async def _error(call: Any) -> grpc.RpcError | None:
    """Waits for the end of a call, and gives its error if it has one. Who ends the wait ends the call."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error
    except asyncio.CancelledError:
        call.cancel()
        raise
    return None
