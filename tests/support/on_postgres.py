"""Run a part of the suite on PostgreSQL: `python -m tests.support.on_postgres tests/messaging …`.

A server is found or started by `tests.support.services`. Where that is impossible it is said aloud, and in CI it is a
failure.
"""

import os
import subprocess
import sys

from tests.support.services import ServiceMissing, postgres_url, stop_started_services


def main(arguments: list[str]) -> int:
    try:
        url = postgres_url()
    except ServiceMissing as missing:
        print(f"\n!!! NOT RUN ON POSTGRESQL: {missing}\n", file=sys.stderr)
        return 1 if os.environ.get("CI") else 0
    try:
        command = [sys.executable, "-m", "pytest", *arguments]
        return subprocess.run(command, env={**os.environ, "SMS_TEST_DATABASE_URL": url}, check=False).returncode
    finally:
        stop_started_services()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
