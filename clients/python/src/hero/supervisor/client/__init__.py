"""Runs scripts on supervised actors, and follows what happens to them.

    from hero.supervisor.client import OSIS, connect

    with connect("127.0.0.1:50051") as client:
        job = client.submit(OSIS, "40 + 2")
        print(job.result(timeout=60))

`connect` gives a blocking client, `connect_async` one for asyncio. Both have every call of the API in `calls`, and add
jobs that outlive lost connections and restarts of the server (`submit`, `run`, `await_job`), lists that read page after
page, and watches that resume by themselves.
"""

from hero.supervisor.client._address import DEFAULT_ADDRESS, SERVER_VARIABLE
from hero.supervisor.client._aio import AsyncClient, AsyncHandle
from hero.supervisor.client._connect import connect, connect_async
from hero.supervisor.client._errors import (
    JobFailedError,
    PermissionDeniedError,
    SupervisorError,
    UnauthenticatedError,
    WaitOverError,
    result,
)
from hero.supervisor.client._sync import Client, Handle
from hero.supervisor.client._version import VERSION
from hero.supervisor.client._watch import Watch
from hero.supervisor.v1.job_pb2 import Job, JobSpec, RetryPolicy
from hero.supervisor.v1.script_type_pb2 import SCRIPT_TYPE_OSIS as OSIS
from hero.supervisor.v1.script_type_pb2 import SCRIPT_TYPE_PYTHON as PYTHON
from hero.supervisor.v1.script_type_pb2 import SCRIPT_TYPE_SAL as SAL
from hero.supervisor.v1.script_type_pb2 import SCRIPT_TYPE_V as V

__all__ = [
    "DEFAULT_ADDRESS",
    "OSIS",
    "PYTHON",
    "SAL",
    "SERVER_VARIABLE",
    "VERSION",
    "AsyncClient",
    "AsyncHandle",
    "Client",
    "Handle",
    "Job",
    "JobFailedError",
    "JobSpec",
    "PermissionDeniedError",
    "RetryPolicy",
    "SupervisorError",
    "UnauthenticatedError",
    "V",
    "WaitOverError",
    "Watch",
    "connect",
    "connect_async",
    "result",
]
