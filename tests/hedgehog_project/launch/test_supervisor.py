"""The supervisor that forks: its programs are as if they were executed, and know no secret that is not theirs."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hedgehog_project.launch.hand_over import HandedOver, put_away
from tests.support.environment import EXEC_WITH_PARENT, ROOT, tethered

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it forks on Linux only")


# --- secrets ------------------------------------------------------------------------------------


def test_secrets_leave_the_environment_and_come_back_to_whom_they_are_for() -> None:
    environment = {"HEDGEHOG_HOME": "h", "MOCK_API_KEY": "one", "BINANCE_API_SECRET": "t\u00f6\n", "REDIS_URL": "r"}
    handed_over = put_away(environment)
    assert environment == {"HEDGEHOG_HOME": "h"}
    told = HandedOver.read(str(handed_over))
    assert told == handed_over
    given: dict[str, dict[str, str]] = {"all": {}, "none": {}, "MOCK": {}, "own": {"REDIS_URL": ""}}
    for keys, its in given.items():
        its["HEDGEHOG_KEYS"] = keys
        told.give(its)
        del its["HEDGEHOG_KEYS"]
    os.close(told.file)
    assert given == {
        "all": {"MOCK_API_KEY": "one", "BINANCE_API_SECRET": "t\u00f6\n", "REDIS_URL": "r"},
        "none": {"REDIS_URL": "r"},
        "MOCK": {"MOCK_API_KEY": "one", "REDIS_URL": "r"},
        "own": {"REDIS_URL": ""},
    }


# --- a program ----------------------------------------------------------------------------------


def run(tmp_path: Path, code: str, *words: str) -> "subprocess.CompletedProcess[str]":
    """A process that becomes this program, as after a fork."""
    (tmp_path / "program.py").write_text(code)
    begin = f"from hedgehog_project.launch.supervisor import become; become(['python', *{words!r}])"
    return subprocess.run(
        [sys.executable, "-c", begin, " " * 200],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(tmp_path), "GONE": "x" * 500, "STAYS": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("code", "exit_code", "errors"),
    [
        ("pass", 0, ""),
        ("raise SystemExit(3)", 3, ""),
        ("raise SystemExit('what is wrong')", 1, "what is wrong\n"),
        ("1 / 0", 1, "ZeroDivisionError: division by zero\n"),
    ],
)
def test_it_ends_as_python_ends(tmp_path: Path, code: str, exit_code: int, errors: str) -> None:
    told = run(tmp_path, code, "-m", "program")
    assert told.returncode == exit_code
    assert told.stderr.endswith(errors)


def test_at_its_end_threads_are_waited_for_and_what_is_registered_is_done(tmp_path: Path) -> None:
    code = """
import atexit, threading, time
atexit.register(print, "registered")
threading.Thread(target=lambda: (time.sleep(0.2), print("thread"))).start()
print("main")
"""
    assert run(tmp_path, code, "-m", "program").stdout.splitlines() == ["main", "thread", "registered"]


@pytest.mark.parametrize("is_module", [True, False])
def test_it_and_the_kernel_know_it_by_its_own_words(tmp_path: Path, is_module: bool) -> None:
    code = """
import os, sys
from pathlib import Path
print(sys.argv[1:], __name__)
print(Path("/proc/self/cmdline").read_bytes().rstrip(b"\\0").split(b"\\0"))
print(b"STAYS=1" in Path("/proc/self/environ").read_bytes().split(b"\\0"), os.environ["STAYS"])
"""
    words = ["-m", "program"] if is_module else [str(tmp_path / "program.py")]
    told = run(tmp_path, code, *words, "--an", "option").stdout.splitlines()
    assert told == [
        "['--an', 'option'] __main__",
        str([word.encode() for word in ("python", *words, "--an", "option")]),
        "True 1",
    ]


# --- supervisor ---------------------------------------------------------------------------------


class Running:
    """A supervisor with one program, which tells of itself in a file at each start."""

    def __init__(self, folder: Path) -> None:
        self.told = folder / "told"
        self.shared = folder / "shared_by_all.py"
        self.shared.write_text("VERSION = 1")
        (folder / "program.py").write_text(f"""
import os, signal, sys, time
is_forked = "supervisor.supervisord" in sys.modules
import shared_by_all
with open({str(self.told)!r}, "a") as file:
    print(os.getpid(), os.getppid(), is_forked, shared_by_all.VERSION, os.environ["HEDGEHOG_PROCESS"],
          os.environ.get("MOCK_API_KEY"), signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, file=file)
time.sleep(60)
""")
        config = folder / "supervisord.conf"
        config.write_text(f"""
[supervisord]
nodaemon=true
silent=true
logfile={folder}/supervisord.log
pidfile={folder}/supervisord.pid
[program:one]
command={sys.executable} -IS {EXEC_WITH_PARENT} 0 {folder}/one python -m program
environment=HEDGEHOG_KEYS="MOCK"
autorestart=true
startsecs=0
""")
        handed_over = put_away({"MOCK_API_KEY": "one", "BINANCE_API_KEY": "two"})
        begin = "from hedgehog_project.launch import supervisor as s; s.SHARED = ('shared_by_all',); s.main()"
        self.process = subprocess.Popen(
            tethered([sys.executable, "-c", begin, str(config), str(handed_over), " " * 200]),
            cwd=ROOT, env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "ROOM": " " * 500},
            pass_fds=(handed_over.file,), stdin=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(handed_over.file)

    def start(self, number: int) -> list[str]:
        """What the program has told at this start."""
        give_up = time.monotonic() + 20
        while time.monotonic() < give_up:
            lines = self.told.read_text().splitlines() if self.told.exists() else []
            if len(lines) >= number:
                return lines[number - 1].split()
            time.sleep(0.05)
        raise AssertionError(f"no start {number} in 20 s")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    yield running
    running.process.terminate()
    running.process.wait(20)


def test_a_program_is_forked_comes_back_and_is_executed_once_what_is_shared_has_changed(running: Running) -> None:
    supervisor = str(running.process.pid)
    pid, *told = running.start(1)
    assert told == [supervisor, "True", "1", "one", "one", "True"]
    os.kill(int(pid), 9)
    pid, *told = running.start(2)
    assert told == [supervisor, "True", "1", "one", "one", "True"]
    running.shared.write_text("VERSION = 22")
    os.kill(int(pid), 9)
    _, *told = running.start(3)
    assert told == [supervisor, "False", "22", "one", "one", "True"]
