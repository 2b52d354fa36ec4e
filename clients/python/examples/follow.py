"""Submits a job, prints its lines while it runs, and then its result; with asyncio.

The server is that of HERO_SUPERVISOR_SERVER, or 127.0.0.1:50051.
"""

from __future__ import annotations

import asyncio

from hero.supervisor.client import OSIS, connect_async


async def main() -> None:
    async with connect_async() as client:
        job = await client.submit(OSIS, 'print("one"); print("two"); 40 + 2', timeout=60)
        async for line in job.logs():
            print("|", line.text)
        print(await job.result(timeout=60))


if __name__ == "__main__":
    asyncio.run(main())
