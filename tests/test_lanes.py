"""Lanes of tests: all of them run at once, each is shown whole, and none outlives a Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.environment import ROOT
from tests.support.lanes import Command, Lane, nice, run


def python(code: str) -> Command:
    return (sys.executable, "-c", code)


def test_each_lane_is_shown_whole_one_after_the_other(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """The first one waits for the second, which therefore runs beside it; all that is told comes out in order."""
    has_run = tmp_path / "has run"
    first = f"""
import pathlib, time
print("one", flush=True)
while not pathlib.Path({str(has_run)!r}).exists():
    time.sleep(0.02)
print("two")
"""
    second = f"import pathlib; print('three'); pathlib.Path({str(has_run)!r}).touch()"
    assert run(Lane("A", python(first)), Lane("B", python(second), python("print('four')"))) == 0
    assert capfdbinary.readouterr().out.split() == b"A: one two B: three four".split()


@pytest.mark.parametrize("codes", [(3, 0, 0), (0, 3, 0), (0, 0, 3)])
def test_one_command_that_fails_fails_the_run_and_the_others_run_to_their_end(
    codes: tuple[int, int, int], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    first, *others = (python(f"print('ran'); raise SystemExit({code})") for code in codes)
    assert run(Lane("A", first), Lane("B", *others)) == 3
    assert capfdbinary.readouterr().out.count(b"ran") == 3


def test_command_that_is_killed_fails_the_run() -> None:
    assert run(Lane("A", python("import os; os.kill(os.getpid(), 9)"))) == -signal.SIGKILL


def test_nice_command_gives_way(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    now = os.nice(0)
    assert run(Lane("A", nice(3, python("import os; print(os.nice(0))")))) == 0
    assert capfdbinary.readouterr().out.split() == [b"A:", str(min(19, now + 3)).encode()]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_ctrl_c_or_a_death_ends_all_lanes(how: signal.Signals, tmp_path: Path) -> None:
    sleeper = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"
    files = [tmp_path / name for name in ("one", "two")]
    code = f"""
import sys
from tests.support.lanes import Lane, run
run(*(Lane(path, (sys.executable, "-c", {sleeper!r}, path)) for path in {[str(path) for path in files]}))
"""
    lanes = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until(lambda: all(path.exists() and path.read_text() for path in files))
    lanes.send_signal(how)
    out, _ = lanes.communicate(timeout=20)
    assert lanes.returncode == -how
    until(lambda: not any(Path(f"/proc/{path.read_text()}").exists() for path in files))
    if how == signal.SIGINT:
        assert out.count(b"KeyboardInterrupt") == 2, "what each lane said in the end is shown"


def until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.05)
