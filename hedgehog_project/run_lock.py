"""The lock that `make run` holds in its home while it runs: who finds nothing running asks for it."""

import fcntl
from pathlib import Path

FILE = Path("run") / "lock"


def told(home: Path) -> str:
    """That `make run` was started in this home and has ended, in a sentence; empty where it runs.

    Also where it never ran: the processes may be started by something else then.
    """
    try:
        with (home / FILE).open() as file:
            # Shared: two that ask do not find each other. `make run` tries again before it gives up.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return ""
    return f"Hedgehog is not running in {home}. Start it with `make run`."
