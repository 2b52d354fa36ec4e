"""The programs in `examples` and in the README, on the server in HERO_TEST_SERVER or on one of the tests' own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

from supervisor import Supervisor

CLIENT = Path(__file__).parent.parent
OUTPUTS = {
    "run.py": "42\n",
    "batch.py": "0\n1\n4\n9\n16\n5 jobs\n",
    "follow.py": "| one\n| two\n42\n",
}


class Examples(unittest.TestCase):
    def test_the_programs_work(self) -> None:
        self.assertEqual({path.name for path in (CLIENT / "examples").glob("*.py")}, set(OUTPUTS))
        with Supervisor() as server:
            for name, expected in OUTPUTS.items():
                self.assertEqual(run(server, str(CLIENT / "examples" / name)), expected)

    def test_the_programs_of_the_readme_work(self) -> None:
        blocks = re.findall(r"```python\n(.*?)```", (CLIENT / "README.md").read_text(), re.DOTALL)
        programs = [block for block in blocks if "import" in block]
        self.assertEqual(len(programs), 2)
        with Supervisor() as server:
            for program in programs:
                self.assertEqual(run(server, "-c", program.replace('"127.0.0.1:50051"', "")), "42\n")


def run(server: Supervisor, *arguments: str) -> str:
    environment = {**os.environ, "HERO_SUPERVISOR_SERVER": os.environ.get("HERO_TEST_SERVER", server.address)}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=60
    ).stdout


if __name__ == "__main__":
    unittest.main()
