"""Five hundred seeds of misfortune: no order lost or doubled, and books that agree after every step."""

import os
import re
import subprocess
import sys

import pytest

from tests.support.environment import ROOT

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "500"))


def simulate(*arguments: str, hash_seed: str = "0") -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tests.simulation", *arguments]
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.timeout(900)
def test_whatever_happens_the_books_agree(capsys: pytest.CaptureFixture[str]) -> None:
    ran = simulate("--seeds", str(SEEDS))
    with capsys.disabled():
        print(f"\n{ran.stdout}")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    # A world in which nothing ever went wrong, or nobody ever traded, would prove nothing.
    for name in (
        "cycles",
        "orders",
        "fills",
        "dies",
        "overtaken",
        "answer lost",
        "arrives late",
        "report lost",
        "clock set",
    ):
        seen = re.search(rf"^{name} +([\d,]+)", ran.stdout, re.MULTILINE)
        assert seen is not None and int(seen[1].replace(",", "")) >= SEEDS / 4, f"{name} was hardly ever seen"


def test_a_seed_is_the_same_world_in_every_process() -> None:
    """Also where sets of names are walked in another order, as Python's hashes have it."""
    runs = [simulate("--seeds", "8", hash_seed=hash_seed) for hash_seed in ("1", "2")]
    assert [ran.returncode for ran in runs] == [0, 0], runs[0].stderr + runs[1].stderr
    one, other = (re.search(r"^digest of all: (\w+)$", ran.stdout, re.MULTILINE) for ran in runs)
    assert one is not None and other is not None
    assert one[1] == other[1]


def test_a_failing_seed_is_named_with_the_command_that_repeats_it() -> None:
    ran = simulate("--mutant", "forgets_the_commission_in_base", "--seeds", "8")
    assert ran.returncode == 1
    seed = re.search(r"seed (\d+) fails: I5", ran.stderr)
    assert seed is not None, ran.stderr
    assert f"make simulate SEED={seed[1]}" in ran.stderr
