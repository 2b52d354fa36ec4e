"""What both runners share: commands and answers as clients/conformance/README.md has them."""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.message import Message

from hero.supervisor.client import (
    JobFailedError,
    PermissionDeniedError,
    SupervisorError,
    UnauthenticatedError,
    result,
)
from hero.supervisor.v1 import job_pb2, script_type_pb2, supervisor_service_pb2

_METHODS = supervisor_service_pb2.DESCRIPTOR.services_by_name["Supervisor"].methods_by_name
_output = threading.Lock()


@dataclass
class Command:
    """A line of input."""

    fields: dict[str, Any]

    @property
    def id(self) -> int:
        return int(self.fields["id"])

    @property
    def do(self) -> str:
        return str(self.fields["do"])

    @property
    def target(self) -> int:
        return int(self.fields["target"])

    @property
    def timeout(self) -> float | None:
        milliseconds = self.fields.get("timeoutMs")
        return None if milliseconds is None else milliseconds / 1000

    def text(self, name: str) -> str:
        return str(self.fields.get(name, ""))

    def connect_arguments(self) -> dict[str, Any]:
        """What `connect` takes."""
        names = {
            "target": "address",
            "cacert": "cacert",
            "client_cert": "clientCert",
            "client_key": "clientKey",
            "token": "token",
            "token_file": "tokenFile",
        }
        arguments: dict[str, Any] = {name: self.text(field) or None for name, field in names.items()}
        # Windows that grow under load would hold all that a reader who is to be too slow leaves lying.
        arguments["options"] = [("grpc.http2.bdp_probe", 0)]
        return arguments

    def run_arguments(self) -> dict[str, Any]:
        """What `run` takes."""
        return {
            "script_type": script_type_pb2.ScriptType.Value(self.text("scriptType")),
            "script": self.text("script"),
            "timeout": self.timeout,
            "input": self.fields.get("input"),
            "spec": json_format.ParseDict(self.fields.get("spec", {}), job_pb2.JobSpec()),
            "request_id": self.text("requestId") or None,
            "job_id": self.text("jobId") or None,
            "queue": self.text("queue") or None,
            "cancel_on_wait_end": bool(self.fields.get("cancelOnWaitEnd")),
        }

    def request(self) -> Any:
        """The request of a call."""
        kind = message_factory.GetMessageClass(_METHODS[self.text("method")].input_type)
        return json_format.ParseDict(self.fields.get("request", {}), kind())

    def watch_request(self) -> Any:
        """The request of a watch."""
        kinds = {
            "watchEvents": supervisor_service_pb2.WatchEventsRequest,
            "watchHealth": supervisor_service_pb2.WatchHealthRequest,
        }
        return json_format.ParseDict(self.fields.get("request", {}), kinds[self.do]())


class Items:
    """Passes on what a stream gives, and says when to stop reading."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self._count = 0

    def tell(self, message: Message) -> bool:
        """True when the reader is to pause now."""
        say({"id": self._command.id, "item": show(message)})
        self._count += 1
        return self._count == self._command.fields.get("pauseAfter")


def golden(command: Command) -> dict[str, Any]:
    """Reads a message from bytes and from JSON, and writes both."""
    kind = descriptor_pool.Default().FindMessageTypeByName(command.text("type"))
    make: Callable[[], Message] = message_factory.GetMessageClass(kind)
    from_binary, from_json = make(), make()
    from_binary.ParseFromString(bytes.fromhex(command.text("binary")))
    json_format.ParseDict(command.fields["json"], from_json)
    return {
        "json": show(from_binary),
        "binary": from_json.SerializeToString().hex(),
        "again": from_binary.SerializeToString().hex(),
    }


def outcome(job: job_pb2.Job) -> dict[str, str]:
    """The client's way from a job to its result."""
    try:
        return {"result": result(job)}
    except JobFailedError as failed:
        return {"failed": job_pb2.JobError.Kind.Name(failed.job.error.kind)}


def show(message: Message) -> dict[str, Any]:
    return json_format.MessageToDict(message)


def succeeded(command: Command, answer: Any) -> None:
    say({"id": command.id, "ok": answer})


def refused(error: ValueError) -> SupervisorError:
    """What `connect` said, in the words of answers."""
    return SupervisorError(grpc.StatusCode.INVALID_ARGUMENT, "", str(error))


def failed(command: Command, error: SupervisorError) -> None:
    told = {
        "code": error.code.name,
        "reason": error.reason,
        "message": error.message,
        "metadata": dict(error.metadata),
        "retryAfterMs": round(error.retry_after * 1000),
        "fields": dict(error.fields),
        "refusal": _refusal(error),
    }
    say({"id": command.id, "error": told})


def _refusal(error: SupervisorError) -> str:
    match error:
        case UnauthenticatedError():
            return "unauthenticated"
        case PermissionDeniedError():
            return "permission_denied"
        case _:
            return ""


def broken() -> NoReturn:
    """Ends the runner after a mistake of its own, so that nobody waits for an answer."""
    traceback.print_exc()
    os._exit(2)


def say(line: dict[str, Any]) -> None:
    with _output:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
