"""A server of gRPC that answers as a test tells it to, and what it was asked."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent import futures
from types import TracebackType
from typing import Any, NoReturn, Self

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from hero.supervisor.v1 import event_pb2
from hero.supervisor.v1.supervisor_service_pb2 import (
    AwaitJobRequest,
    AwaitJobResponse,
    GetJobRequest,
    GetJobResponse,
    WatchEventsRequest,
    WatchEventsResponse,
)

# Tests that want to hear it say so.
logging.getLogger("hero.supervisor.client").setLevel(logging.CRITICAL)


class Server:
    """Says QUEUE_FULL to GetJob, never answers AwaitJob, and falls silent in each watch after one message."""

    def __init__(self) -> None:
        self.watches: list[WatchEventsRequest] = []
        self.awaited = threading.Event()
        self._ended = threading.Event()
        self._server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
        unary, stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
        methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "GetJob": unary(self._get_job, GetJobRequest.FromString, GetJobResponse.SerializeToString),
            "AwaitJob": unary(self._await_job, AwaitJobRequest.FromString, AwaitJobResponse.SerializeToString),
            "WatchEvents": stream(self._watch, WatchEventsRequest.FromString, WatchEventsResponse.SerializeToString),
        }
        handler = grpc.method_handlers_generic_handler("hero.supervisor.v1.Supervisor", methods)
        self._server.add_generic_rpc_handlers((handler,))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._server.stop(None).wait()

    def _get_job(self, request: GetJobRequest, context: grpc.ServicerContext) -> GetJobResponse:
        fail(context)

    def _await_job(self, request: AwaitJobRequest, context: grpc.ServicerContext) -> AwaitJobResponse:
        self.awaited.set()
        self._ended.wait()
        return AwaitJobResponse()

    def _watch(self, request: WatchEventsRequest, context: grpc.ServicerContext) -> Iterator[WatchEventsResponse]:
        self.watches.append(request)
        mark = event_pb2.Bookmark(kind=event_pb2.Bookmark.KIND_SNAPSHOT_END)
        yield WatchEventsResponse(cursor=f"c{len(self.watches)}", bookmark=mark)
        self._ended.wait()


def fail(context: grpc.ServicerContext) -> NoReturn:
    """RESOURCE_EXHAUSTED with one detail of each kind."""
    details = (
        ErrorInfo(domain="supervisor.hero", reason="QUEUE_FULL", metadata={"limit": "5"}),
        RetryInfo(retry_delay=duration_pb2.Duration(seconds=1, nanos=500_000_000)),
        BadRequest(field_violations=[BadRequest.FieldViolation(field="job.script", description="is empty")]),
    )
    status = Status(code=grpc.StatusCode.RESOURCE_EXHAUSTED.value[0], message="full")
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")
    raise AssertionError("abort raises")
