"""The simulation bites: with each planted bug some seed fails."""

import ast
import re
import subprocess
import sys

import pytest

from tests.support.environment import ROOT

# Read, not imported: planting them needs a world of its own.
PLANTED = [
    node.name
    for file in sorted((ROOT / "tests" / "simulation").glob("mutants*.py"))
    for node in ast.parse(file.read_text()).body
    if isinstance(node, ast.FunctionDef) and [each.arg for each in node.args.args] == ["patches"]
]


@pytest.fixture(scope="module")
def caught() -> dict[str, str]:
    """What each planted bug was caught by; those that survived are missing."""
    command = [sys.executable, "-m", "tests.simulation", "--mutants", "--seeds", "500"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    print(ran.stdout, ran.stderr)
    return dict(re.findall(r"^(\w+) +(seed \d+: .*)$", ran.stdout, re.MULTILINE))


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("bug", PLANTED)
def test_some_seed_fails_with_a_planted_bug(bug: str, caught: dict[str, str]) -> None:
    assert bug in caught
