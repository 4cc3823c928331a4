"""`make run`: prepares this installation, starts all processes under supervisor, shows their logs, ends them.

`make host` on a further machine starts what any number of may run, on the database and the Redis of the first one.

This process only waits, for weeks: it imports nothing that it would keep for that. What needs Django is done by a
child (prepare.py), which ends when it has said that all is up.
"""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from hedgehog_project.launch.hand_over import put_away
from hedgehog_project.launch.terminal import Terminal

BASE_DIR = Path(__file__).resolve().parent.parent.parent
EXEC_WITH_PARENT = BASE_DIR / "hedgehog_project" / "exec_with_parent.py"
LOOK_S = 0.1
# supervisord stops everything well within this; then it is killed, and its processes with it.
STOP_S = 9.0
# More than a whole environment (ARG_MAX).
MAX_BYTES = 1 << 22


class Prepared(NamedTuple):
    """What the child has found out: told once, as JSON, together with the home's lock."""

    folder: str
    names: list[str]  # of the processes, whose logs are shown
    environment: dict[str, str]  # of supervisord


def main() -> int:
    """The exit code. Refusals are one line each on stderr, before anything was started."""
    os.chdir(BASE_DIR)
    os.umask(0o077)
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            child = _started_with_us(
                ["-m", "hedgehog_project.launch.prepare", str(theirs.fileno())], pass_fds=(theirs.fileno(),)
            )
        told = _receive(ours)
    if told is None:
        code = child.wait()  # It has said why.
        return code if code >= 0 else 1
    prepared, lock = told
    try:
        return supervise(prepared, child)
    finally:
        os.close(lock)


def _started_with_us(words: list[str], **options: Any) -> "subprocess.Popen[bytes]":
    """A Python that ends with this process even if this one is killed."""
    command = [sys.executable, "-IS", str(EXEC_WITH_PARENT), str(os.getpid()), "-", sys.executable, *words]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)


def _receive(ours: socket.socket) -> tuple[Prepared, int] | None:
    """What the child tells, and the file that is locked; None where it has ended instead."""
    data, locks, _, _ = socket.recv_fds(ours, MAX_BYTES, 1)
    while chunk := ours.recv(MAX_BYTES):
        data += chunk
    return (Prepared(**json.loads(data)), locks[0]) if locks else None


def tell(theirs: socket.socket, prepared: Prepared, lock: int) -> None:
    """The other end, for the child."""
    data = json.dumps(prepared._asdict()).encode()
    sent = socket.send_fds(theirs, [data], [lock])
    theirs.sendall(data[sent:])
    theirs.close()


def exec_with_parent(folder: Path) -> str:
    """How supervisord begins the command of a program, up to its name."""
    begin = shlex.join([sys.executable, "-IS", str(EXEC_WITH_PARENT), "0"])
    return f"{begin} {shlex.quote(str(folder / 'run'))}"


def start_supervisor(environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    config = str(BASE_DIR / "supervisord.conf")
    # Ctrl-C is for us; we tell supervisord.
    options: dict[str, Any] = {"stdout": subprocess.DEVNULL, "start_new_session": True}
    if sys.platform != "linux":
        return _started_with_us(["-m", "supervisor.supervisord", "-c", config], env=environment, **options)
    # All threads of a process share what malloc() keeps: else each of dozens has a heap of its own.
    environment = {"MALLOC_ARENA_MAX": "1", **environment}
    # The kernel takes no string of 128 KB.
    room = " " * min(len("".join(environment.values())), 1 << 16)
    handed_over = put_away(environment)
    try:
        return _started_with_us(
            ["-m", "hedgehog_project.launch.supervisor", config, str(handed_over), " " * 512],
            env={**environment, "ROOM": room},
            pass_fds=(handed_over.file,),
            **options,
        )
    finally:
        os.close(handed_over.file)


def supervise(prepared: Prepared, child: "subprocess.Popen[bytes]") -> int:
    """Shows the logs until a signal or the end of the terminal, then ends everything. The exit code."""
    asked: list[int] = []

    def on_signal(number: int, _frame: FrameType | None) -> None:
        asked.append(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    log = Path(prepared.folder) / "log"
    terminal = Terminal(log, prepared.names)
    terminal.say("Hedgehog is starting. Ctrl-C stops it.")
    supervisor = start_supervisor(prepared.environment)
    told_at: float | None = None
    while supervisor.poll() is None:
        terminal.show_new_lines()
        now = time.monotonic()
        if (asked or terminal.is_gone) and told_at is None:
            terminal.say("Hedgehog is stopping.")
            supervisor.terminate()
            child.kill()
            told_at = now
        if told_at is not None and now > told_at + STOP_S:
            supervisor.kill()
        child.poll()
        time.sleep(LOOK_S)
    terminal.show_new_lines()
    child.kill()
    child.wait()
    if told_at is None:
        terminal.say(f"The supervisor exited unexpectedly ({supervisor.returncode}): see {log}/supervisord.log")
        return 1
    terminal.say("Hedgehog has stopped.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
