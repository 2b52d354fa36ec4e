"""The grammar of addresses."""

from __future__ import annotations

import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from supervisor import Supervisor

from hero.supervisor.client import DEFAULT_ADDRESS, OSIS, SERVER_VARIABLE, SupervisorError, connect, connect_async
from hero.supervisor.client._address import parse_address

UNDERSTOOD = {
    "127.0.0.1:50051": ("dns:///127.0.0.1:50051", False),
    "localhost:1": ("dns:///localhost:1", False),
    "[::1]:50051": ("dns:///[::1]:50051", False),
    "http://127.0.0.1:50051": ("dns:///127.0.0.1:50051", False),
    "http://a.b-c.d:65535/": ("dns:///a.b-c.d:65535", False),
    "https://a:443": ("dns:///a:443", True),
    "https://[::1]:443/": ("dns:///[::1]:443", True),
    "unix:/run/hero.sock": ("unix:/run/hero.sock", False),
    "unix:///run/hero.sock": ("unix:/run/hero.sock", False),
    "unix:/a b%20?.sock": ("unix:/a%20b%2520%3F.sock", False),
    "dns:///supervisor:1": ("dns:///supervisor:1", False),
}
REFUSED = (
    *("x", "127.0.0.1", ":50051", "a:", "a:0", "a:65536", "a:http", "a:+1", "a:1\n", " a:1", "a b:1", "::1:50051"),
    *("[a]:1", "http://", "http://a", "http://a:1/path", "http://u@a:1", "http://a:1?x", "ftp://a:1", "HTTP://a:1"),
    *("grpc://a:1", "https://", "https://http://a:1", "unix:", "unix:/", "unix:run/a", "unix://run/a", "unix:////a"),
    *("/run/hero.sock", "a:1/", "é:1"),
)


class Addresses(unittest.IsolatedAsyncioTestCase):
    def test_every_address_of_the_grammar_is_understood(self) -> None:
        for text, (target, tls) in UNDERSTOOD.items():
            found = parse_address(text)
            self.assertEqual((found.text, found.target, found.tls), (text, target, tls))

    async def test_every_other_address_is_refused_with_the_grammar(self) -> None:
        for text in REFUSED:
            for connecting in (connect, connect_async):
                with self.assertRaises(ValueError) as raised:
                    connecting(text)
                grammar = "use host:port, http://host:port, https://host:port or unix:/path"
                self.assertEqual(str(raised.exception), f'"{text}" is not an address: {grammar}')

    def test_without_an_address_the_environment_names_the_server(self) -> None:
        with mock.patch.dict(os.environ, {SERVER_VARIABLE: "http://a:1"}):
            self.assertEqual(parse_address(None).target, "dns:///a:1")
            self.assertEqual(parse_address("").target, "dns:///a:1")
            self.assertEqual(parse_address("b:2").target, "dns:///b:2")
        with mock.patch.dict(os.environ, {SERVER_VARIABLE: ""}):
            self.assertEqual(parse_address(None).text, DEFAULT_ADDRESS)

    async def test_a_server_is_reached_in_each_way(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            socket = Path(folder) / "a.sock"
            with Supervisor() as tcp, Supervisor(f"unix:{socket}"):
                for address in (tcp.address, f"http://{tcp.address}", f"unix:{socket}", f"unix://{socket}"):
                    with connect(address) as client:
                        self.assertEqual(client.run(OSIS, "40 + 2", timeout=10).result, "42")
                    async with connect_async(address) as asynchronous:
                        self.assertEqual((await asynchronous.run(OSIS, "40 + 2", timeout=10)).result, "42")

    async def test_https_is_encrypted(self) -> None:
        with Supervisor() as server, connect(f"https://{server.address}", fail_fast=True) as client:
            with self.assertRaisesRegex(SupervisorError, "NO_SERVER.*handshake"):
                client.run(OSIS, "1")
            async with connect_async(f"https://{server.address}", fail_fast=True) as asynchronous:
                with self.assertRaisesRegex(SupervisorError, "NO_SERVER.*handshake"):
                    await asynchronous.run(OSIS, "1")


if __name__ == "__main__":
    unittest.main()
