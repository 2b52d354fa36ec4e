"""Runs a script and prints its result: python examples/run.py '40 + 2'

The server is that of HERO_SUPERVISOR_SERVER, or 127.0.0.1:50051.
"""

from __future__ import annotations

import sys

from hero.supervisor.client import OSIS, JobFailedError, SupervisorError, connect, result


def main() -> int:
    script = sys.argv[1] if len(sys.argv) > 1 else "40 + 2"
    with connect() as client:
        try:
            print(result(client.run(OSIS, script, timeout=60)))
        except JobFailedError as failed:
            print(failed, file=sys.stderr)
            return 1
        except SupervisorError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
