"""What the scenarios of clients/conformance do not reach."""

from __future__ import annotations

import importlib.resources
import re
import threading
import time
import tomllib
import unittest
from pathlib import Path

import grpc
from google.protobuf import duration_pb2
from server import Server

from hero.supervisor.client import VERSION, JobFailedError, SupervisorError, connect, connect_async, result
from hero.supervisor.v1.job_pb2 import Job
from hero.supervisor.v1.script_type_pb2 import SCRIPT_TYPE_OSIS
from hero.supervisor.v1.supervisor_service_pb2 import GetJobRequest, WatchEventsRequest

CLIENT = Path(__file__).parent.parent
NOBODY = "127.0.0.1:1"
SHORT_HEARTBEAT = WatchEventsRequest(include_snapshot=False, heartbeat_interval=duration_pb2.Duration(nanos=50_000_000))


class Package(unittest.TestCase):
    def test_the_version_is_that_of_the_server(self) -> None:
        found = re.search(r'(?m)^version = "(.*)"', (CLIENT / "../../Cargo.toml").read_text())
        assert found is not None
        self.assertEqual(VERSION, found[1])
        self.assertEqual(VERSION, tomllib.loads((CLIENT / "pyproject.toml").read_text())["project"]["version"])

    def test_types_come_with_it(self) -> None:
        package = importlib.resources.files("hero.supervisor")
        self.assertTrue(package.joinpath("py.typed").is_file())
        self.assertTrue(package.joinpath("v1/supervisor_service_pb2_grpc.pyi").is_file())


class Results(unittest.TestCase):
    def test_only_a_job_that_succeeded_has_a_result(self) -> None:
        self.assertEqual(result(Job(state=Job.STATE_SUCCEEDED, result="42")), "42")
        with self.assertRaisesRegex(JobFailedError, "no need"):
            result(Job(state=Job.STATE_CANCELLED, cancel_reason="no need"))

    def test_a_kind_that_is_not_known_yet_is_a_number(self) -> None:
        job = Job(job_id="j", state=Job.STATE_FAILED)
        job.error.MergeFromString(b"\x08\x63")
        with self.assertRaisesRegex(JobFailedError, r"job j failed \(99\)"):
            result(job)


class Blocking(unittest.TestCase):
    def test_an_error_has_what_its_details_say(self) -> None:
        with Server() as server, connect(server.address) as client:
            with self.assertRaises(grpc.RpcError) as raised:
                client.calls.GetJob(GetJobRequest(job_id="j"))
            expect_full(self, SupervisorError.of(raised.exception))

    def test_a_server_that_is_away_is_waited_for_until_time_is_up(self) -> None:
        with connect(NOBODY) as client, self.assertRaises(SupervisorError) as raised:
            client.run(SCRIPT_TYPE_OSIS, "1", timeout=0.3, request_id="r")
        self.assertEqual(raised.exception.code, grpc.StatusCode.DEADLINE_EXCEEDED)
        self.assertEqual(raised.exception.metadata, {"request_id": "r"})

    def test_a_server_that_says_nothing_is_not_waited_for_any_longer(self) -> None:
        with Server() as server, connect(server.address) as client:
            began = time.monotonic()
            with self.assertRaises(SupervisorError) as raised:
                client.await_job("j", timeout=0.5)
            self.assertLess(time.monotonic() - began, 5)
            self.assertEqual(raised.exception.reason, "NO_SERVER")

    def test_who_closes_the_client_ends_waits_of_other_threads(self) -> None:
        with Server() as server:
            client = connect(server.address)

            def close() -> None:
                server.awaited.wait()
                client.close()

            closing = threading.Thread(target=close)
            closing.start()
            with self.assertRaises(SupervisorError) as raised:
                client.await_job("j")
            closing.join()
            self.assertEqual(raised.exception.code, grpc.StatusCode.CANCELLED)
            self.assertEqual(raised.exception.metadata, {"job_id": "j"})

    def test_a_watch_that_falls_silent_is_opened_anew_behind_its_last_message(self) -> None:
        with Server() as server, connect(server.address) as client:
            with client.watch_events(SHORT_HEARTBEAT) as watch:
                self.assertEqual([next(watch).cursor, next(watch).cursor], ["c1", "c2"])
            self.assertEqual([asked.resume_after for asked in server.watches], ["", "c1"])
            self.assertEqual(list(watch), [], "it is closed")

    def test_who_closes_the_client_ends_watches_of_other_threads(self) -> None:
        with Server() as server:
            client = connect(server.address)
            watch = client.watch_events()
            self.assertEqual(next(watch).cursor, "c1")
            closing = threading.Thread(target=client.close)
            closing.start()
            self.assertEqual(list(watch), [])
            closing.join()


class Asyncio(unittest.IsolatedAsyncioTestCase):
    async def test_an_error_has_what_its_details_say(self) -> None:
        with Server() as server:
            async with connect_async(server.address) as client:
                with self.assertRaises(grpc.RpcError) as raised:
                    await client.calls.GetJob(GetJobRequest(job_id="j"))
                expect_full(self, SupervisorError.of(raised.exception))

    async def test_a_server_that_is_away_is_waited_for_until_time_is_up(self) -> None:
        async with connect_async(NOBODY) as client:
            with self.assertRaises(SupervisorError) as raised:
                await client.run(SCRIPT_TYPE_OSIS, "1", timeout=0.3, request_id="r")
        self.assertEqual(raised.exception.code, grpc.StatusCode.DEADLINE_EXCEEDED)
        self.assertEqual(raised.exception.metadata, {"request_id": "r"})

    async def test_a_watch_that_falls_silent_is_opened_anew_behind_its_last_message(self) -> None:
        with Server() as server:
            async with connect_async(server.address) as client:
                watch = client.watch_events(SHORT_HEARTBEAT)
                self.assertEqual([(await anext(watch)).cursor, (await anext(watch)).cursor], ["c1", "c2"])
            self.assertEqual([asked.resume_after for asked in server.watches], ["", "c1"])


class Errors(unittest.TestCase):
    def test_a_lost_answer_is_asked_for_again_and_a_full_redis_is_not(self) -> None:
        self.assertTrue(SupervisorError(grpc.StatusCode.DEADLINE_EXCEEDED, "TIMED_OUT", "").is_lost)
        self.assertTrue(SupervisorError(grpc.StatusCode.UNAVAILABLE, "REDIS_READ_ONLY", "").is_lost)
        self.assertFalse(SupervisorError(grpc.StatusCode.RESOURCE_EXHAUSTED, "REDIS_FULL", "").is_lost)


def expect_full(test: unittest.TestCase, error: SupervisorError) -> None:
    """The error that the server makes."""
    test.assertEqual(error.code, grpc.StatusCode.RESOURCE_EXHAUSTED)
    test.assertEqual(error.reason, "QUEUE_FULL")
    test.assertEqual(error.metadata, {"limit": "5"})
    test.assertEqual(error.retry_after, 1.5)
    test.assertEqual(error.fields, {"job.script": "is empty"})
    test.assertEqual(str(error), "RESOURCE_EXHAUSTED (QUEUE_FULL): full")
    test.assertFalse(error.is_lost)


if __name__ == "__main__":
    unittest.main()
