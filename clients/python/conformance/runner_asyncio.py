"""The runner of the client for asyncio: it does what the driver of clients/conformance says, as anybody would."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterable
from dataclasses import dataclass, field
from typing import Any

import grpc
from protocol import Command, Items, broken, failed, golden, outcome, refused, show, succeeded

from hero.supervisor.client import AsyncClient, SupervisorError, connect_async

_LONGEST_LINE = 16 * 1024 * 1024


@dataclass
class Operation:
    """A command that is being done."""

    task: asyncio.Task[None] | None = None
    resumed: asyncio.Event = field(default_factory=asyncio.Event)


class Runner:
    def __init__(self) -> None:
        self._client: AsyncClient | None = None
        self._active: dict[int, Operation] = {}

    def begin(self, command: Command) -> None:
        match command.do:
            case "connect":
                try:
                    self._client = connect_async(**command.connect_arguments())
                    succeeded(command, None)
                except ValueError as error:
                    failed(command, refused(error))
            case "cancel" | "resume":
                target = self._active.get(command.target)
                if target is not None and command.do == "resume":
                    target.resumed.set()
                elif target is not None and target.task is not None:
                    target.task.cancel()
                succeeded(command, None)
            case _:
                operation = self._active[command.id] = Operation()
                operation.task = asyncio.create_task(self._work(command, operation))

    async def _work(self, command: Command, operation: Operation) -> None:
        try:
            succeeded(command, await self._do(command, operation))
        except asyncio.CancelledError:
            failed(command, SupervisorError(grpc.StatusCode.CANCELLED, "", "the task was cancelled"))
        except SupervisorError as error:
            failed(command, error)
        except grpc.RpcError as error:
            failed(command, SupervisorError.of(error))
        except Exception:  # noqa: BLE001
            broken()
        finally:
            del self._active[command.id]

    async def _do(self, command: Command, operation: Operation) -> Any:
        client = self._client
        assert client is not None, "connect comes first"
        match command.do:
            case "run":
                return show(await client.run(**command.run_arguments()))
            case "await":
                return show(await client.await_job(command.text("jobId"), timeout=command.timeout))
            case "result":
                return outcome(await client.await_job(command.text("jobId"), timeout=command.timeout))
            case "call":
                call = getattr(client.calls, command.text("method"))
                return show(await call(command.request(), timeout=command.timeout))
            case "stream":
                stream = getattr(client.calls, command.text("method"))(command.request())
                return await _tell(stream, command, operation)
            case "watchEvents":
                return await _tell(client.watch_events(command.watch_request()), command, operation)
            case "watchHealth":
                return await _tell(client.watch_health(command.watch_request()), command, operation)
            case "golden":
                return golden(command)
            case unknown:
                raise AssertionError(f"unknown command {unknown}")


async def _tell(messages: AsyncIterable[Any], command: Command, operation: Operation) -> None:
    items = Items(command)
    async for message in messages:
        if items.tell(message):
            await operation.resumed.wait()


async def main() -> None:
    reader = asyncio.StreamReader(limit=_LONGEST_LINE)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    runner = Runner()
    while line := await reader.readline():
        runner.begin(Command(json.loads(line)))


if __name__ == "__main__":
    asyncio.run(main())
