"""How a client shows who it is, and that refusals are final."""

from __future__ import annotations

import asyncio
import os
import tempfile
import unittest
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any
from unittest import mock

import grpc

from hero.supervisor.client import OSIS, PermissionDeniedError, UnauthenticatedError, connect, connect_async
from hero.supervisor.client._access import Access
from hero.supervisor.client._address import parse_address
from hero.supervisor.v1.job_pb2 import Job
from hero.supervisor.v1.supervisor_service_pb2 import (
    WAIT_OUTCOME_DONE,
    GetJobRequest,
    GetJobResponse,
    RunJobRequest,
    RunJobResponse,
    WatchEventsRequest,
    WatchEventsResponse,
)

REFUSALS = {"wrong": UnauthenticatedError, "small": PermissionDeniedError}


class Guard:
    """A server that answers whose token is "right", and counts calls."""

    def __init__(self) -> None:
        self.calls = 0
        self._server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
        methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "GetJob": grpc.unary_unary_rpc_method_handler(
                self._get, GetJobRequest.FromString, GetJobResponse.SerializeToString
            ),
            "RunJob": grpc.unary_unary_rpc_method_handler(
                self._run, RunJobRequest.FromString, RunJobResponse.SerializeToString
            ),
            "WatchEvents": grpc.unary_stream_rpc_method_handler(
                self._watch, WatchEventsRequest.FromString, WatchEventsResponse.SerializeToString
            ),
        }
        handler = grpc.method_handlers_generic_handler("hero.supervisor.v1.Supervisor", methods)
        self._server.add_generic_rpc_handlers((handler,))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def close(self) -> None:
        self._server.stop(None).wait()

    def _check(self, context: grpc.ServicerContext) -> None:
        self.calls += 1
        shown = [value for key, value in context.invocation_metadata() if key == "authorization"]
        if shown == ["Bearer small"]:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "not for you")
        if shown != ["Bearer right"]:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")

    def _get(self, request: GetJobRequest, context: grpc.ServicerContext) -> GetJobResponse:
        self._check(context)
        return GetJobResponse(job=Job(job_id=request.job_id))

    def _run(self, request: RunJobRequest, context: grpc.ServicerContext) -> RunJobResponse:
        self._check(context)
        return RunJobResponse(wait_outcome=WAIT_OUTCOME_DONE)

    def _watch(self, request: WatchEventsRequest, context: grpc.ServicerContext) -> Iterator[WatchEventsResponse]:
        self._check(context)
        yield WatchEventsResponse(cursor="c")
        context.abort(grpc.StatusCode.PERMISSION_DENIED, "no more")


class AccessTest(unittest.TestCase):
    def setUp(self) -> None:
        self.guard = Guard()
        self.addCleanup(self.guard.close)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = Path(folder.name, "token")

    def test_an_address_and_what_is_given_say_whether_it_is_encrypted(self) -> None:
        for address, access, encrypted in (
            ("127.0.0.1:1", Access(), False),
            ("127.0.0.1:1", Access(token="t"), False),
            ("localhost:1", Access(token="t"), False),
            ("[::1]:1", Access(token="t"), False),
            ("unix:/s", Access(token="t", cacert="c"), False),
            ("http://127.0.0.1:1", Access(token="t", cacert="c"), False),
            ("127.0.0.1:1", Access(cacert="c"), True),
            ("127.0.0.1:1", Access(client_cert="c"), True),
            ("10.0.0.1:1", Access(), False),
            ("10.0.0.1:1", Access(token="t"), True),
            ("supervisor:1", Access(token_file="t"), True),
            ("https://127.0.0.1:1", Access(), True),
        ):
            with self.subTest(address=address, access=access):
                self.assertEqual(access.encrypts(parse_address(address)), encrypted)

    def test_what_cannot_be_is_refused_by_connect(self) -> None:
        self.file.write_text("a b\n")
        empty = self.file.with_name("empty")
        empty.write_text("\n")
        cases: tuple[tuple[str, str, dict[str, Any]], ...] = (
            ("would send the token in the clear to another machine: use https://h:1", "http://h:1", {"token": "t"}),
            ("a client certificate and its key go together", "h:1", {"client_cert": "c"}),
            ("a token and a token file were given", "h:1", {"token": "t", "token_file": "f"}),
            ("not one word of visible ASCII", "h:1", {"token": "a\nb"}),
            ("not one word of visible ASCII", "h:1", {"token_file": str(self.file)}),
            ("the token is empty", "h:1", {"token_file": str(empty)}),
            ("the token file cannot be read", "h:1", {"token_file": "/nowhere"}),
            ("the CA certificates cannot be read", "h:1", {"cacert": "/nowhere"}),
            ("holds no certificate in PEM", "h:1", {"cacert": str(self.file)}),
            ("the client certificate cannot be read", "h:1", {"client_cert": "/nowhere", "client_key": "/nowhere"}),
        )
        for words, address, arguments in cases:
            with self.subTest(words), self.assertRaisesRegex(ValueError, words):
                connect(address, **arguments)

    def test_a_token_is_shown_and_refusals_are_final(self) -> None:
        with connect(self.guard.address, token="right") as client:
            self.assertEqual(client.get_job("j").job_id, "j")
            watch = client.watch_events()
            self.assertEqual(next(watch).cursor, "c")
            with self.assertRaises(PermissionDeniedError):
                next(watch)
        for token, kind in REFUSALS.items():
            self.guard.calls = 0
            with connect(self.guard.address, token=token) as client:
                for call in (
                    lambda: client.get_job("j"),
                    lambda: client.run(OSIS, "1"),
                    lambda: next(client.watch_events()),
                ):
                    with self.assertRaises(kind):
                        call()
            self.assertEqual(self.guard.calls, 3)

    def test_the_same_with_asyncio(self) -> None:
        async def all_of_it() -> None:
            async with connect_async(self.guard.address, token="right") as client:
                self.assertEqual((await client.get_job("j")).job_id, "j")
                with self.assertRaises(PermissionDeniedError):
                    async for message in client.watch_events():
                        self.assertEqual(message.cursor, "c")
            for token, kind in REFUSALS.items():
                self.guard.calls = 0
                async with connect_async(self.guard.address, token=token) as client:
                    with self.assertRaises(kind):
                        await client.get_job("j")
                    with self.assertRaises(kind):
                        await client.run(OSIS, "1")
                    with self.assertRaises(kind):
                        async for _ in client.watch_events():
                            pass
                self.assertEqual(self.guard.calls, 3)

        asyncio.run(all_of_it())

    def test_a_token_file_is_read_again_when_it_has_changed(self) -> None:
        self.file.write_text("wrong\n")
        with connect(self.guard.address, token_file=self.file) as client:
            with self.assertRaises(UnauthenticatedError):
                client.get_job("j")
            self.file.write_text("right\n")
            client.get_job("j")
            self.file.unlink()
            client.get_job("j")

    def test_the_environment_says_what_no_argument_says(self) -> None:
        self.file.write_text("wrong\n")
        with mock.patch.dict(os.environ, {"HERO_SUPERVISOR_TOKEN": "right"}):
            with connect(self.guard.address) as client:
                client.get_job("j")
            with connect(self.guard.address, token_file=self.file) as client, self.assertRaises(UnauthenticatedError):
                client.get_job("j")


if __name__ == "__main__":
    unittest.main()
