"""Runs scripts on supervised actors, and follows what happens to them.

    from hero.supervisor.client import connect, result
    from hero.supervisor.v1.script_type_pb2 import SCRIPT_TYPE_OSIS

    with connect("127.0.0.1:50051") as client:
        job = client.run(SCRIPT_TYPE_OSIS, "40 + 2", timeout=60)
        print(result(job))

`connect` gives a blocking client, `connect_async` one for asyncio. Both have every call of the API in `calls`, and add
what outlives a lost connection: `run`, `await_job`, `watch_events` and `watch_health`.
"""

from hero.supervisor.client._aio import AsyncClient, connect_async
from hero.supervisor.client._errors import JobFailedError, SupervisorError, result
from hero.supervisor.client._sync import Client, connect
from hero.supervisor.client._version import VERSION
from hero.supervisor.client._watch import Watch

__all__ = [
    "VERSION",
    "AsyncClient",
    "Client",
    "JobFailedError",
    "SupervisorError",
    "Watch",
    "connect",
    "connect_async",
    "result",
]
