"""Runs the tests marked `databases` on PostgreSQL, where it is installed: python -m tests.support.databases"""

import os
import subprocess
import sys

from tests.support.environment import ROOT
from tests.support.machine import postgres

MARK = "pytest.mark.databases"


def main() -> int:
    if postgres.bin_folder() is None:
        print(f"Skipped: the tests marked `databases` on PostgreSQL. {postgres.NOT_INSTALLED}.")
        return 0
    print("The tests marked `databases`, on PostgreSQL:", flush=True)
    # By their files: to collect all tests takes a quarter of a minute.
    files = [str(path) for path in sorted((ROOT / "tests").rglob("test_*.py")) if MARK in path.read_text()]
    command = [sys.executable, "-m", "pytest", "-q", "-m", "databases", "-n", "2", "--dist", "loadfile", *files]
    return subprocess.run(command, env=os.environ | {"HEDGEHOG_TEST_DATABASE": "postgresql"}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
