"""Handles, lists, and the other calls that people use."""

from __future__ import annotations

import itertools
import threading
import unittest

import grpc
from supervisor import LINES, Context, Supervisor, refuse

from hero.supervisor.client import OSIS, Handle, Job, JobFailedError, JobSpec, SupervisorError, connect, connect_async
from hero.supervisor.client import result as result_of
from hero.supervisor.v1.job_pb2 import JobError
from hero.supervisor.v1.supervisor_service_pb2 import ListJobsRequest, SubmitJobRequest

PRINTS = 'print("one"); print("two"); print("three")'
ALL_LINES = [f"line {number}" for number in range(LINES)]


class Blocking(unittest.TestCase):
    def test_a_handle_outlives_the_server(self) -> None:
        with Supervisor() as server, connect(server.address) as client:
            handle = client.submit(OSIS, "40 + 2", job_id="mine")
            self.assertEqual(handle.job_id, "mine")
            server.down()
            starting = threading.Timer(0.5, server.up)
            starting.start()
            self.assertEqual(handle.result(timeout=30), "42")
            starting.join()
            self.assertEqual(client.handle("mine").get().state, Job.STATE_SUCCEEDED)

    def test_a_submit_whose_answer_was_lost_makes_one_job(self) -> None:
        def fail(method: str, before: int, context: Context) -> None:
            if before == 0:
                context.abort(grpc.StatusCode.UNAVAILABLE, "gone away")

        with Supervisor(fail=fail) as server, connect(server.address) as client:
            self.assertEqual(client.submit(OSIS, "1 + 1", timeout=30).job_id, "job-1")
            self.assertEqual(server.calls["SubmitJob"], 2)

    def test_a_cancelled_job_has_no_result(self) -> None:
        with Supervisor() as server, connect(server.address) as client:
            handle = client.submit(OSIS, "wait")
            for _ in range(2):
                self.assertEqual(handle.cancel("no need").cancel_reason, "no need")
            with self.assertRaisesRegex(JobFailedError, "was cancelled: no need"):
                handle.result()
            for failing in (client.handle("nope").cancel, client.handle("nope").get, client.handle("nope").wait):
                with self.assertRaises(SupervisorError) as raised:
                    failing()
                self.assertEqual(raised.exception.reason, "JOB_NOT_FOUND")
                self.assertIsInstance(raised.exception.__cause__, grpc.RpcError)

    def test_the_lines_of_a_job_come_once_through_a_lost_connection(self) -> None:
        with Supervisor() as server, connect(server.address) as client:
            handle = client.submit(OSIS, PRINTS)
            self.assertEqual([line.text for line in handle.logs()], ["one", "two", "three"])
            self.assertEqual(server.calls["WatchJob"], 2)
            with handle.watch() as watch:
                self.assertEqual(list(watch)[-1].job.state, Job.STATE_SUCCEEDED)

    def test_many_jobs_are_submitted_in_batches(self) -> None:
        scripts = [f"{number} + 0" for number in range(1003)]
        scripts[3] = "refuse"
        # Three of them are too much for one message.
        scripts[1000:] = ["#" + "x" * (2**20 - 100) + f"\n{number} + 0" for number in range(1000, 1003)]
        requests = [SubmitJobRequest(job=JobSpec(script_type=OSIS, script=script)) for script in scripts]
        with Supervisor() as server, connect(server.address) as client:
            submitted = client.submit_many(requests)
            self.assertEqual((len(submitted), server.calls["SubmitJobs"]), (1003, 3))
            self.assertEqual(requests[0].request_id, "", "the caller's requests stay as they are")
            refused = submitted.pop(3)
            assert isinstance(refused, SupervisorError)
            self.assertEqual((refused.code.name, refused.reason), ("RESOURCE_EXHAUSTED", "QUEUE_FULL"))
            self.assertEqual(refused.fields, {"job.script": "says refuse"})
            for handle in (submitted[0], submitted[-1]):
                assert isinstance(handle, Handle)
            last = submitted[-1]
            assert isinstance(last, Handle)
            self.assertEqual(last.result(timeout=10), "1002")

    def test_the_handles_of_a_batch_outlive_the_failure_of_the_next(self) -> None:
        def fail(method: str, before: int, context: Context) -> None:
            if before == 1:
                refuse(context, grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED", "not any more")

        requests = [SubmitJobRequest(job=JobSpec(script="1 + 1")) for _ in range(1001)]
        requests[1000].request_id = "mine"
        with Supervisor(fail=fail) as server, connect(server.address) as client:
            submitted = client.submit_many(requests, timeout=30)
        self.assertEqual(sum(isinstance(one, Handle) for one in submitted), 1000)
        failed = submitted[1000]
        assert isinstance(failed, SupervisorError)
        self.assertEqual((failed.reason, failed.metadata), ("PERMISSION_DENIED", {"request_id": "mine"}))

    def test_lists_go_on_page_by_page(self) -> None:
        with Supervisor() as server, connect(server.address) as client:
            for _ in range(5):
                client.submit(OSIS, "1 + 1", spec=JobSpec(caller_id="a"))
            client.submit(OSIS, "1 + 1")
            found = [job.job_id for job in client.list_jobs(ListJobsRequest(caller_id="a"))]
            self.assertEqual(found, ["job-5", "job-4", "job-3", "job-2", "job-1"])
            self.assertEqual([actor.actor_id for actor in client.list_actors()], ["actor_0", "actor_1", "actor_2"])
            self.assertEqual([event.message for event in client.list_events()], ["two", "one"])

    def test_the_lines_of_an_actor_come_once_through_lost_connections(self) -> None:
        with Supervisor() as server, connect(server.address) as client:
            self.assertEqual([line.text for line in client.actor_logs("a")], ALL_LINES)
            followed = client.actor_logs("a", follow=True)
            self.assertEqual([line.text for line in itertools.islice(followed, LINES)], ALL_LINES)

    def test_actors_are_scaled(self) -> None:
        with Supervisor() as server, connect(server.address) as client:
            self.assertEqual(list(client.scale(OSIS, 2, timeout=5).added_actor_ids), ["actor_0", "actor_1"])
            with self.assertRaises(SupervisorError) as raised:
                client.scale(OSIS, 11, validate_only=True)
            self.assertEqual(raised.exception.reason, "AUTOSCALING_ACTIVE")

    def test_the_text_of_a_failure_says_where(self) -> None:
        job = Job(job_id="j", state=Job.STATE_FAILED, error=JobError(kind=JobError.KIND_SCRIPT_ERROR, message="boom"))
        text = "job j failed (SCRIPT_ERROR): boom"
        for line, column, place in ((0, 0, ""), (2, 0, " (line 2)"), (2, 7, " (line 2, column 7)")):
            job.error.line, job.error.column = line, column
            with self.assertRaises(JobFailedError) as raised:
                result_of(job)
            self.assertEqual(str(raised.exception), text + place)


class Asyncio(unittest.IsolatedAsyncioTestCase):
    async def test_a_handle_outlives_the_server(self) -> None:
        with Supervisor() as server:
            async with connect_async(server.address) as client:
                handle = await client.submit(OSIS, PRINTS + "; 40 + 2")
                server.down()
                starting = threading.Timer(0.5, server.up)
                starting.start()
                self.assertEqual(await handle.result(timeout=30), "42")
                starting.join()
                self.assertEqual([line.text async for line in handle.logs()], ["one", "two", "three"])
                self.assertEqual([m async for m in handle.watch()][-1].job.state, Job.STATE_SUCCEEDED)
                self.assertEqual((await handle.get()).result, "42")

    async def test_the_other_calls_work(self) -> None:
        with Supervisor() as server:
            async with connect_async(server.address) as client:
                requests = [SubmitJobRequest(job=JobSpec(script=script)) for script in ("1 + 1", "refuse", "wait")]
                one, refused, waiting = await client.submit_many(requests)
                assert not isinstance(one, SupervisorError) and not isinstance(waiting, SupervisorError)
                assert isinstance(refused, SupervisorError)
                self.assertEqual(await one.result(), "2")
                self.assertEqual((await waiting.cancel("no need")).cancel_reason, "no need")
                self.assertEqual([job.job_id async for job in client.list_jobs()], ["job-2", "job-1"])
                self.assertEqual([a.actor_id async for a in client.list_actors()], ["actor_0", "actor_1", "actor_2"])
                self.assertEqual([event.message async for event in client.list_events()], ["two", "one"])
                self.assertEqual([line.text async for line in client.actor_logs("a")], ALL_LINES)
                self.assertEqual(len((await client.scale(OSIS, 2)).added_actor_ids), 2)
                with self.assertRaises(SupervisorError) as raised:
                    await client.scale(OSIS, 11)
                self.assertEqual(raised.exception.reason, "AUTOSCALING_ACTIVE")


if __name__ == "__main__":
    unittest.main()
