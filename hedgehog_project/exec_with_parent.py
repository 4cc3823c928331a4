"""Starts a command that cannot outlive the process that wanted it, and not more often than every two seconds.

    python -IS exec_with_parent.py PARENT_PID STAMP COMMAND ...

It becomes the command (exec), so it costs no process, and {pid} in a word of the command is its own. On Linux the
kernel kills the command when its parent ends, however that ends (PR_SET_PDEATHSIG); elsewhere the parent must do it.
Of the exchanges' keys the command gets those that HEDGEHOG_KEYS names, and it leaves no core on disk, in which they
might stand. STAMP is a file that remembers the last start, or "-"; HEDGEHOG_PROCESS tells the command its name, by
which installed.py knows what to load. Run by its path and with nothing but the standard library: it must be there in
milliseconds.
"""

import ctypes
import os
import re
import resource
import signal
import sys
import time
from collections.abc import MutableMapping
from pathlib import Path
from typing import NoReturn

# A process that ends at once again and again is started again for ever, but not in a busy loop.
PACE_S = 2.0
PR_SET_PDEATHSIG = 1  # linux/prctl.h


# Which keys a process is given: all where it is not set, else of these prefixes or names: none, MOCK, MOCK_API_KEY.
GIVEN = "HEDGEHOG_KEYS"
ALL = "all"
# Which of the processes of `make run` it is.
NAME = "HEDGEHOG_PROCESS"
_KEYS = re.compile(r"(?:BINANCE|TESTNET|DEMO|MOCK)_(?:API_KEY|API_SECRET|PRIVATE_KEY|PRIVATE_KEY_PASSWORD)")


def is_key(setting: str) -> bool:
    return bool(_KEYS.fullmatch(setting))


def may_have(setting: str, environment: MutableMapping[str, str] = os.environ) -> bool:
    """Whether a process of this environment may have what this setting holds: anything that is no key, some keys."""
    parts = environment.get(GIVEN, ALL).split(",")
    is_given = any(part == ALL or setting == part or setting.startswith(f"{part}_") for part in parts)
    return is_given or not is_key(setting)


def drop_keys(environment: MutableMapping[str, str] = os.environ) -> None:
    """Takes the keys that this process is not given out of its environment, and out of that of its children."""
    for name in list(environment):
        if not may_have(name.removesuffix("_FILE"), environment):
            del environment[name]


def die_with(parent_pid: int) -> None:
    """Asks the kernel to kill this process when its parent ends. Ends it now if that has already happened."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        sys.exit(f"exec_with_parent: the process {parent_pid} that wanted this has ended")


def keep_pace(stamp: Path) -> None:
    """Waits until the last start is PACE_S ago, and notes this one."""
    try:
        time.sleep(min(PACE_S, max(0.0, stamp.stat().st_mtime + PACE_S - time.time())))
    except FileNotFoundError:
        stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.touch()


def begin(parent_pid: int, stamp: str, command: list[str]) -> list[str]:
    """All that comes before the command, whose words are returned as it gets them. SystemExit: it must not begin."""
    die_with(parent_pid)
    if stamp != "-":
        keep_pace(Path(stamp))
        os.environ[NAME] = Path(stamp).name
    drop_keys()
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    return [word.replace("{pid}", str(os.getpid())) for word in command]


def become(command: list[str]) -> NoReturn:
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"exec_with_parent: cannot run {command[0]}: {error.strerror}")


def main(arguments: list[str]) -> None:
    parent_pid, stamp, *command = arguments
    # "0": whoever runs this now is the parent, whatever its id.
    become(begin(int(parent_pid) or os.getppid(), stamp, command))


if __name__ == "__main__":
    main(sys.argv[1:])
