"""The first and the last words of `manage.py halt`, whatever else hangs or is set wrongly.

It denies the orders of this home before a setting is read (halt_request.py). After five seconds it says what is
known by then; a slow machine may still go on, and what hangs is left later.
"""

import contextlib
import getpass
import os
import sys
import threading
import time
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from hedgehog_project import halt_request
from hedgehog_project.env import home_path
from hedgehog_project.halt_request import Request

# So long after its process was started the command says what it knows, and so long after it ends, whatever hangs.
SAYS_WITHIN_S, ENDS_WITHIN_S = 4.5, 15.0
# An order is signed so soon after it was saved, or never: trading/exchange/protocol.py, SEND_WITHIN.
SENT_WITHIN_S = 2.0


class Emergency:
    """One halt under way in this process."""

    def __init__(self, home: Path, wanted: Request) -> None:
        self.home, self.wanted = home, wanted
        self.problem = ""  # why it does not hold here, in words
        self.halted_at = wanted.at
        # What is known, and was not said yet.
        self.last_words = self._first_words
        self._timers: list[threading.Timer] = []

    def file(self) -> None:
        try:
            self.halted_at = halt_request.file(self.home, self.wanted)
        except OSError as error:
            self.problem = error.strerror or str(error)

    def watch(self, seconds: float) -> None:
        """Ends this process so much later with `last_words`, unless it has ended or is watched anew."""
        self.rest()
        self._later(seconds, self._end)

    def remind(self, seconds: float) -> None:
        """Says `last_words` so much later, and lets the process go on."""
        self._later(seconds, self._speak)

    def rest(self) -> None:
        while self._timers:
            self._timers.pop().cancel()

    def _later(self, seconds: float, do: Callable[[], object]) -> None:
        timer = threading.Timer(max(0.0, seconds), do)
        timer.daemon = True
        timer.start()
        self._timers.append(timer)

    def _speak(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        with contextlib.suppress(OSError):
            os.write(2, f"hedgehog: {self.last_words()}\n".encode())

    def _first_words(self) -> str:
        return f"The settings or the database take too long. {self.words()}"

    def _end(self) -> NoReturn:
        self._speak()
        os._exit(1)

    def words(self) -> str:
        """What holds by the file alone, and which orders may still go out: all that is known without a database."""
        if self.problem:
            return f"Trading is NOT halted: {self.home / halt_request.REQUEST} could not be created: {self.problem}."
        what = "buy" if self.wanted.mode == "reducing" else "order"
        return (
            f"Since {_clock(self.halted_at)} no process of HEDGEHOG_HOME {self.home} on this machine sends a new "
            f"{what}. One that was saved before is sent by {_clock(self.halted_at + SENT_WITHIN_S)} or never. The "
            "leader of this home writes the halt into the database as soon as it can; until then others that share "
            "the database continue. See `manage.py status`."
        )


_current: Emergency | None = None


def current() -> Emergency | None:
    """The halt that this process was started for."""
    return _current


def begin(arguments: Sequence[str]) -> Emergency | None:
    """Files the request where these arguments of manage.py ask for a halt, and watches the time from now on."""
    global _current
    options = _halt(arguments)
    if options is None:
        return None
    mode = "reducing" if options["reduce"] else "halted"
    wanted = halt_request.request(mode, options["by"] or user(), options["reason"], options["cancel"])
    _current = Emergency(home_path(), wanted)
    _current.file()
    age_s = _age_s()
    # What is cancelled takes as long as was asked for.
    _current.watch(ENDS_WITHIN_S - age_s + (options["timeout"] if options["cancel"] else 0.0))
    _current.remind(SAYS_WITHIN_S - age_s)
    return _current


def add_arguments(parser: ArgumentParser, seconds: Callable[[str], Any] = str) -> None:
    """Those of the command itself."""
    parser.add_argument("--cancel", action="store_true", help="cancel open buys")
    parser.add_argument("--reduce", action="store_true", help="stop buys only; positions are still sold")
    parser.add_argument("--reason", default="", metavar="TEXT", help="reason, shown on all pages")
    # Its name until 0.3, for one release.
    parser.add_argument("--why", dest="reason", default=SUPPRESS, help=SUPPRESS)
    parser.add_argument("--by", default="", metavar="NAME", help="name to record; default: the current system user")
    parser.add_argument(
        "--timeout", type=seconds, default="60", metavar="S", help="max time to wait for --cancel; default: 60 s"
    )
    parser.add_argument("--dry-run", action="store_true", help="show what would be cancelled, change nothing")


def user() -> str:
    """Who sits at this terminal; empty where the system has no name for it, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


class _Quiet(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def _halt(arguments: Sequence[str]) -> dict[str, Any] | None:
    """The options of a halt; None where something else is wanted, or what Django is going to refuse."""
    if not arguments or arguments[0] != "halt":
        return None
    parser = _Quiet(add_help=False)
    add_arguments(parser, float)
    # Django's own, which are nothing to us.
    for name in ("--settings", "--pythonpath"):
        parser.add_argument(name)
    parser.add_argument("-v", "--verbosity")
    for name in ("--traceback", "--no-color", "--force-color", "--skip-checks"):
        parser.add_argument(name, action="store_true")
    try:
        options = vars(parser.parse_args(arguments[1:]))
    except ValueError:
        return None  # Or it asks for help.
    return None if options["dry_run"] else options


def _age_s() -> float:
    """How long ago this process was started: imports take long on a busy machine."""
    try:
        # proc_pid_stat(5): the 22nd field, in ticks since the machine was started. A name may hold spaces.
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, ValueError):
        return 0.5  # No Linux.


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S UTC", time.gmtime(at))
