"""The handle of a job, for the client for asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hero.supervisor.client._errors import result
from hero.supervisor.v1.actor_pb2 import LogEntry
from hero.supervisor.v1.job_pb2 import Job
from hero.supervisor.v1.supervisor_service_pb2 import WatchJobResponse

if TYPE_CHECKING:
    from hero.supervisor.client._aio import AsyncClient


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
