"""How often a process has restarted itself lately, and why: a file in HEDGEHOG_HOME, which the next one reads.

A file, because neither a Redis that was emptied nor a database that is locked may forget it or hold it up.
"""

import contextlib
import json
import logging
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from hedgehog_project.home import write_secret

log = logging.getLogger(__name__)

# How long a process has to be up before it may restart itself: at first, twice as long after each time, and at most.
FIRST_PAUSE_S, MAX_PAUSE_S = 120.0, 1800.0
# After so long without a restart the pause is the first one again.
FORGOTTEN_AFTER_S = 6 * 3600.0


@dataclass(frozen=True)
class Restarts:
    """The restarts of one process, each soon after the other. `at`: when the last one was, by time.time()."""

    count: int = 0
    at: float = 0.0
    why: str = ""

    @property
    def pause_s(self) -> float:
        return min(MAX_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(self.count, 32))

    def another(self, why: str) -> "Restarts":
        return Restarts(self.count + 1, time.time(), why)


def read(path: Path) -> Restarts:
    """None at all where the file is missing, can't be read, or tells of restarts of long ago."""
    try:
        row = json.loads(path.read_text())
        found = Restarts(int(row["count"]), float(row["at"]), str(row["why"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Restarts()
    # A time that is ahead is of before the clock was set back: nobody knows how long ago that was.
    is_known = math.isfinite(found.at) and found.count > 0
    return found if is_known and time.time() - found.at < FORGOTTEN_AFTER_S else Restarts()


def write(path: Path, restarts: Restarts) -> None:
    """On a full disk the restart is not remembered: the next one may come after the pause of this one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_secret(path, json.dumps(asdict(restarts)) + "\n")
    except OSError as error:
        log.warning("the restart could not be recorded in %s: %s", path, error.strerror)


def take_dump(path: Path) -> str:
    """What the process before wrote as it was ended; the file is empty after that."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return ""
    if text:
        with contextlib.suppress(OSError):
            path.write_text("")
    return text
