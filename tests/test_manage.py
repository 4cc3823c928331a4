"""manage.py with a Python that lacks what Hedgehog needs."""

import subprocess
import sys

import pytest

from tests.support.environment import ROOT


@pytest.mark.parametrize("command", ["status", "halt"])
def test_with_another_python_it_says_which_to_use(command: str) -> None:
    # -S: without the environment's packages.
    ended = subprocess.run(
        [sys.executable, "-S", "manage.py", command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert "Run `make run` first, and use .venv/bin/python manage.py" in line
