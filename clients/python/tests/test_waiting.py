"""What is said of a job when a wait ends first."""

from __future__ import annotations

import socket
import threading
import time
import unittest
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from supervisor import Context, Supervisor, refuse

from hero.supervisor.client import OSIS, SupervisorError, WaitOverError, connect, connect_async

NOBODY = "127.0.0.1:1"
LOG = "hero.supervisor.client"


class Waits(unittest.IsolatedAsyncioTestCase):
    def expect(self, error: BaseException, code: str, reason: str, *words: str) -> SupervisorError:
        assert isinstance(error, SupervisorError)
        self.assertEqual((error.code.name, error.reason), (code, reason))
        self.assertEqual(isinstance(error, TimeoutError), code == "DEADLINE_EXCEEDED")
        for word in words:
            self.assertIn(word, str(error))
        self.assertEqual("goes on" in str(error), reason == "WAIT_OVER" and "job_id" in error.metadata)
        return error

    def test_no_server_is_not_a_job_that_goes_on(self) -> None:
        with connect(NOBODY) as client, self.assertLogs(LOG) as logged:
            with self.assertRaises(WaitOverError) as raised:
                client.run(OSIS, "1", timeout=1, job_id="mine")
            error = self.expect(
                raised.exception,
                "DEADLINE_EXCEEDED",
                "NO_SERVER",
                f"no server answered at {NOBODY} within 1 s: ",
                "Connection refused",
                "; nothing is known of a job",
            )
            self.assertEqual(list(error.metadata), ["request_id"])
            assert isinstance(error.__cause__, grpc.RpcError)
            self.assertEqual(SupervisorError.of(error.__cause__).code, grpc.StatusCode.UNAVAILABLE)
            self.assertEqual(len(logged.records), 1)
            self.assertRegex(
                logged.output[0], f"WARNING:.*{NOBODY}: no answer, the call is repeated .*Connection refused"
            )
            with self.assertRaises(TimeoutError) as timed_out:
                client.handle("17").result(timeout=2.5)
            words = "Connection refused", "nothing is known of job 17"
            self.expect(timed_out.exception, "DEADLINE_EXCEEDED", "NO_SERVER", *words)
            with self.assertRaises(WaitOverError) as raised:
                client.submit(OSIS, "1", timeout=0.3)
            self.expect(raised.exception, "DEADLINE_EXCEEDED", "NO_SERVER", "nothing is known of a job")

    async def test_no_server_is_not_a_job_that_goes_on_with_asyncio(self) -> None:
        async with connect_async(NOBODY) as client:
            with self.assertLogs(LOG), self.assertRaises(WaitOverError) as raised:
                await client.run(OSIS, "1", timeout=1)
        words = "within 1 s: ", "Connection refused", "; nothing is known of a job"
        error = self.expect(raised.exception, "DEADLINE_EXCEEDED", "NO_SERVER", *words)
        self.assertIsInstance(error.__cause__, grpc.RpcError)

    def test_a_port_that_speaks_something_else_is_no_server(self) -> None:
        for answer in (b"-ERR unknown command\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b""):
            with self.subTest(answer), listening(answer) as address, connect(address) as client:
                with self.assertRaises(WaitOverError) as raised:
                    client.run(OSIS, "1", timeout=0.5)
                self.expect(
                    raised.exception, "DEADLINE_EXCEEDED", "NO_SERVER", f"no server answered at {address} within"
                )

    def test_a_server_that_accepts_nothing_is_named_with_its_reason(self) -> None:
        def fail(method: str, before: int, context: Context) -> None:
            refuse(context, grpc.StatusCode.UNAVAILABLE, "REDIS_UNAVAILABLE", "Redis does not answer")

        with (
            Supervisor(fail=fail) as server,
            connect(server.address) as client,
            self.assertRaises(WaitOverError) as raised,
        ):
            client.run(OSIS, "1", timeout=0.3)
        words = "could not help within 300 ms: ", "Redis does not answer; nothing is known of a job"
        self.expect(raised.exception, "DEADLINE_EXCEEDED", "REDIS_UNAVAILABLE", *words)

    def test_an_answer_that_the_server_lost_is_a_job_that_may_be_there(self) -> None:
        def fail(method: str, before: int, context: Context) -> None:
            refuse(context, grpc.StatusCode.DEADLINE_EXCEEDED, "TIMED_OUT", "no answer in time", job_id="7")

        with (
            Supervisor(fail=fail) as server,
            connect(server.address) as client,
            self.assertRaises(WaitOverError) as raised,
        ):
            client.submit(OSIS, "1", timeout=0.3)
        error = self.expect(raised.exception, "DEADLINE_EXCEEDED", "TIMED_OUT", "nothing is known of a job")
        self.assertEqual(error.metadata["job_id"], "7")

    async def test_a_job_that_is_known_goes_on(self) -> None:
        def fail(method: str, before: int, context: Context) -> None:
            if method == "AwaitJob":
                context.abort(grpc.StatusCode.UNAVAILABLE, "gone away")

        with Supervisor(fail=fail) as server:
            async with connect_async(server.address, fail_fast=True) as client:
                with self.assertRaises(WaitOverError) as raised:
                    await client.run(OSIS, "wait", timeout=2.5)
        error = self.expect(raised.exception, "DEADLINE_EXCEEDED", "WAIT_OVER", "it goes on", "gone away")
        self.assertEqual(error.metadata["job_id"], "job-1")

    def test_who_closes_the_client_gives_up(self) -> None:
        client = connect(NOBODY)
        threading.Timer(0.5, client.close).start()
        with self.assertRaises(SupervisorError) as raised:
            client.run(OSIS, "1")
        words = "Connection refused", "nothing is known of a job"
        self.expect(raised.exception, "CANCELLED", "NO_SERVER", *words)

    def test_a_wait_that_was_over_before_it_began_knows_nothing(self) -> None:
        with connect(NOBODY) as client, self.assertRaises(WaitOverError) as raised:
            client.run(OSIS, "1", timeout=0)
        words = "over before a call was made; nothing is known of a job"
        self.expect(raised.exception, "DEADLINE_EXCEEDED", "WAIT_OVER", words)

    async def test_who_wants_to_fail_fast_does(self) -> None:
        began = time.monotonic()
        with connect(NOBODY, fail_fast=True) as client:
            with self.assertRaises(SupervisorError) as raised:
                client.run(OSIS, "1")
            words = f"no server answers at {NOBODY}: ", "Connection refused", "; nothing is known of a job"
            error = self.expect(raised.exception, "UNAVAILABLE", "NO_SERVER", *words)
            self.assertIsInstance(error.__cause__, grpc.RpcError)
            with client.watch_events() as watch, self.assertRaises(SupervisorError) as raised:
                next(watch)
            self.expect(raised.exception, "UNAVAILABLE", "NO_SERVER")
        async with connect_async(NOBODY, fail_fast=True) as asynchronous:
            with self.assertRaises(SupervisorError) as raised:
                await asynchronous.submit(OSIS, "1")
            self.expect(raised.exception, "UNAVAILABLE", "NO_SERVER")
            with self.assertRaises(SupervisorError) as raised:
                await anext(asynchronous.watch_health())
            self.expect(raised.exception, "UNAVAILABLE", "NO_SERVER")
        self.assertLess(time.monotonic() - began, 5)


@contextmanager
def listening(answer: bytes) -> Iterator[str]:
    """A port that says the same to everybody, and nothing more."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept = []

        def accept() -> None:
            try:
                while True:
                    connection, _ = server.accept()
                    kept.append(connection)
                    connection.sendall(answer)
            except OSError:
                pass

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for connection in kept:
                connection.close()


if __name__ == "__main__":
    unittest.main()
