"""Ctrl-C before a command of ours is ready for it: it ends at once, and shows no traceback of some import."""

# Only what Python has imported anyway, or nearly: until this is here Ctrl-C shows a traceback.
import os
import signal
import sys
from types import FrameType

# 128 and the signal's number, as shells have it.
INTERRUPTED = 130


def end_at_once() -> None:
    """In manage.py and `make run`: from now on Ctrl-C ends this process, as kill -9 would at any moment.

    Who only uses a part of the project, such as a test, keeps what is his.
    """
    launches = sys.orig_argv[1:2] == ["-m"] and sys.orig_argv[2].startswith("hedgehog_project.launch.")
    if sys.argv[0].rpartition("/")[2] == "manage.py" or launches:
        signal.signal(signal.SIGINT, _end)


def raise_again() -> None:
    """From now on Ctrl-C raises KeyboardInterrupt, where it was to end this process."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number: int, frame: FrameType | None) -> None:
    os._exit(INTERRUPTED)
