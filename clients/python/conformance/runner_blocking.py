"""The runner of the blocking client: a thread for each command."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import grpc
from protocol import Command, Items, broken, failed, golden, outcome, refused, show, succeeded

from hero.supervisor.client import Client, SupervisorError, connect


@dataclass
class Operation:
    """A command that is being done."""

    resumed: threading.Event = field(default_factory=threading.Event)
    cancelled: threading.Event = field(default_factory=threading.Event)
    give_up: Callable[[], object] = lambda: None


class Runner:
    def __init__(self) -> None:
        self._server: dict[str, Any] = {}
        self._client: Client | None = None
        self._active: dict[int, Operation] = {}

    def begin(self, command: Command) -> None:
        match command.do:
            case "connect":
                self._server = command.connect_arguments()
                try:
                    self._client = connect(**self._server)
                    succeeded(command, None)
                except ValueError as error:
                    failed(command, refused(error))
            case "cancel" | "resume":
                target = self._active.get(command.target)
                if target is not None and command.do == "resume":
                    target.resumed.set()
                elif target is not None:
                    target.cancelled.set()
                    target.resumed.set()
                    target.give_up()
                succeeded(command, None)
            case _:
                operation = self._active[command.id] = Operation()
                threading.Thread(target=self._work, args=(command, operation), daemon=True).start()

    def _work(self, command: Command, operation: Operation) -> None:
        try:
            answer = self._do(command, operation)
            if operation.cancelled.is_set():
                # Who closes a watch finds its end, and no error.
                raise SupervisorError(grpc.StatusCode.CANCELLED, "", "the watch was closed")
            succeeded(command, answer)
        except SupervisorError as error:
            failed(command, error)
        except grpc.RpcError as error:
            failed(command, SupervisorError.of(error))
        except Exception:  # noqa: BLE001
            broken()
        finally:
            del self._active[command.id]

    def _do(self, command: Command, operation: Operation) -> Any:
        client = self._client
        assert client is not None, "connect comes first"
        match command.do:
            case "run":
                # Who blocks in a call gives it up by closing its client, so this one has a client of its own.
                with connect(**self._server) as own:
                    operation.give_up = own.close
                    return show(own.run(**command.run_arguments()))
            case "await":
                return show(client.await_job(command.text("jobId"), timeout=command.timeout))
            case "result":
                return outcome(client.await_job(command.text("jobId"), timeout=command.timeout))
            case "call":
                call = getattr(client.calls, command.text("method"))
                return show(call(command.request(), timeout=command.timeout))
            case "stream":
                stream = getattr(client.calls, command.text("method"))(command.request())
                operation.give_up = stream.cancel
                return _tell(stream, command, operation)
            case "watchEvents" | "watchHealth":
                begin = client.watch_events if command.do == "watchEvents" else client.watch_health
                with begin(command.watch_request()) as watch:
                    operation.give_up = watch.close
                    return _tell(watch, command, operation)
            case "golden":
                return golden(command)
            case unknown:
                raise AssertionError(f"unknown command {unknown}")


def _tell(messages: Iterable[Any], command: Command, operation: Operation) -> None:
    items = Items(command)
    for message in messages:
        if items.tell(message):
            operation.resumed.wait()


def main() -> None:
    runner = Runner()
    for line in sys.stdin:
        runner.begin(Command(json.loads(line)))


if __name__ == "__main__":
    main()
