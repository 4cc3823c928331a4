"""Runs the tests marked `databases` on PostgreSQL, where it is installed: python -m tests.support.databases"""

import os
import subprocess
import sys

from tests.support.machine import postgres


def main() -> int:
    if postgres.bin_folder() is None:
        print(f"Skipped: the tests marked `databases` on PostgreSQL. {postgres.NOT_INSTALLED}.")
        return 0
    print("The tests marked `databases`, on PostgreSQL:", flush=True)
    command = [sys.executable, "-m", "pytest", "-q", "-m", "databases", "-n", "2", "--dist", "loadfile"]
    return subprocess.run(command, env=os.environ | {"HEDGEHOG_TEST_DATABASE": "postgresql"}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
