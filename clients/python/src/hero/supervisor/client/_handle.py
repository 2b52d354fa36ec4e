"""The handle of a job, for the client that blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hero.supervisor.client._errors import result
from hero.supervisor.v1.actor_pb2 import LogEntry
from hero.supervisor.v1.job_pb2 import Job
from hero.supervisor.v1.supervisor_service_pb2 import WatchJobResponse

if TYPE_CHECKING:
    from hero.supervisor.client._sync import Client
    from hero.supervisor.client._watch import Watch


@dataclass(frozen=True)
class Handle:
    """One job on the server; many threads may use one.

    It holds no connection, so it outlives lost ones and restarts of the server; a program that knows the id of a job
    makes another one with `Client.handle`.
    """

    client: Client
    """The client that it was made by."""
    job_id: str
    """The id of the job."""

    def result(self, *, timeout: float | None = None) -> str:
        """Waits for the end of the job and gives its result.

        Raises JobFailedError if it has none, and SupervisorError if the wait failed; see `Client.run`.
        """
        return result(self.wait(timeout=timeout))

    def wait(self, *, timeout: float | None = None) -> Job:
        """Waits for the end of the job, however it ends."""
        return self.client.await_job(self.job_id, timeout=timeout)

    def get(self) -> Job:
        """Reads the job as it is now."""
        return self.client.get_job(self.job_id)

    def cancel(self, reason: str = "", *, timeout: float | None = None) -> Job:
        """Cancels the job; see `Client.cancel`."""
        return self.client.cancel(self.job_id, reason, timeout=timeout)

    def watch(self) -> Watch[WatchJobResponse]:
        """Follows the job to its end: the job, its changes, its progress and its lines, and the job once more at its
        end.

        It goes on by itself behind the last message when the connection is lost or the server restarted; the job as
        it is may come again then.
        """
        return self.client.watch_job(self.job_id)

    def logs(self) -> Iterator[LogEntry]:
        """The lines that the script writes, until the job ends. Lines that a slow reader misses are left out; `watch`
        counts them."""
        with self.watch() as watch:
            for message in watch:
                yield from message.log_entries.entries
