"""Submits many jobs at once, waits for all of them, and lists what the server keeps of them.

The server is that of HERO_SUPERVISOR_SERVER, or 127.0.0.1:50051.
"""

from __future__ import annotations

import uuid

from hero.supervisor.client import OSIS, JobSpec, SupervisorError, connect
from hero.supervisor.v1.supervisor_service_pb2 import ListJobsRequest, SubmitJobRequest


def main() -> None:
    caller = f"batch-{uuid.uuid4()}"
    jobs = [JobSpec(script_type=OSIS, script=f"{number} * {number}", caller_id=caller) for number in range(5)]
    with connect() as client:
        for submitted in client.submit_many([SubmitJobRequest(job=job) for job in jobs], timeout=60):
            if isinstance(submitted, SupervisorError):
                raise submitted
            print(submitted.result(timeout=60))
        print(len(list(client.list_jobs(ListJobsRequest(caller_id=caller, page_size=2)))), "jobs")


if __name__ == "__main__":
    main()
