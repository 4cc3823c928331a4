"""supervisord, from whose memory its Python programs are forked: what all of them import is in memory once.

    python -m hedgehog_project.launch.supervisor CONFIG HANDED_OVER ROOM

It imports libraries, and nothing of ours that reads a setting: a program reads its own, and our code as it is when
it starts. Where the file of anything that was imported here has changed since, programs are executed, as under
any other supervisor, and so are those that are not Python's. Linux only. HANDED_OVER is described in hand_over.py;
ROOM is blank, for the command lines that programs show in the place of this one.
"""

import atexit
import contextlib
import ctypes
import gc
import os
import runpy
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from supervisor import supervisord
from supervisor.options import ServerOptions

from hedgehog_project import exec_with_parent
from hedgehog_project.launch.hand_over import HandedOver

# What most of the programs import, with all that these import. No setting is read for it, and no thread started.
SHARED = (
    "celery.app.task",
    "celery.bin.base",
    "celery.concurrency.thread",
    "celery.fixups.django",
    "celery.loaders.app",
    "celery.worker.worker",
    "django.contrib.auth.hashers",
    "django.contrib.auth.management",
    "django.contrib.auth.password_validation",
    "django.contrib.auth.validators",
    "django.contrib.contenttypes.management",
    "django.core.management",
    "django.db.backends.sqlite3.base",
    "django.db.migrations.migration",
    "django.db.models",
    "django.views.debug",
    "environ",
    "kombu.transport.redis",
    "logging.config",
    "msgspec",
    "redis",
)
# Where this process keeps room for longer environments than its own.
ROOM = "ROOM"

Files = Mapping[str, tuple[int, int] | None]


class Options(ServerOptions):
    """Supervisor's own, with another way to become a program."""

    handed_over: HandedOver
    files: Files
    parent_pid: int

    def close_fd(self, fd: int) -> None:
        # A program closes what is supervisor's before it begins; the secrets are read after that.
        if fd != self.handed_over.file:
            super().close_fd(fd)

    def cleanup_fds(self) -> None:
        """Nothing: it would close that file as well."""

    def execve(self, filename: str, argv: Sequence[str], env: dict[str, str]) -> NoReturn:
        """In the child: where supervisor would execute exec_with_parent.py, which then becomes the program."""
        stamp, *command = argv[argv.index("0") + 1 :]
        env.pop(ROOM, None)
        self.handed_over.give(env)
        os.close(self.handed_over.file)
        os.environ.clear()
        os.environ.update(env)
        reset_signals()
        try:
            command = exec_with_parent.begin(self.parent_pid, stamp, command)
            if command[0] != "python" or self.files != stamps(self.files):
                exec_with_parent.become(command)
        except SystemExit as error:
            end(error)
        become(command)


def become(command: Sequence[str]) -> NoReturn:
    """This process goes on as `python SCRIPT …` or `python -m MODULE …`, and ends with it."""
    show_as(command, os.environ)
    sys.orig_argv[:] = command
    problem: BaseException | None = None
    try:
        if command[1] == "-m":
            sys.argv[:] = command[2:]
            runpy.run_module(command[2], run_name="__main__", alter_sys=True)
        else:
            sys.argv[:] = command[1:]
            runpy.run_path(command[1], run_name="__main__")
    except BaseException as error:  # noqa: BLE001  # it is the end of the process, whatever it was
        problem = error
    end(problem)


def end(problem: BaseException | None) -> NoReturn:
    """As Python ends a process, but for what has remained from supervisor: that is neither closed nor written."""
    code = 0
    match problem:
        case None | SystemExit(code=None):
            pass
        case SystemExit(code=int(number)):
            code = number
        case SystemExit():
            print(problem.code, file=sys.stderr)
            code = 1
        case _:
            sys.excepthook(type(problem), problem, problem.__traceback__)
            code = 1
    with contextlib.suppress(Exception):
        threading._shutdown()  # type: ignore[attr-defined]  # waits for threads
    with contextlib.suppress(Exception):
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code & 0xFF)


def reset_signals() -> None:
    """As exec does, and as Python begins."""
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def show_as(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """What ps, and /proc for this user, show of this process: what they would show after an exec.

    Overwrites the strings that the kernel put there, as PostgreSQL does. Python and C have copies of them by now.
    """
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    first, end, environment_first, environment_end = map(int, fields[45:49])  # proc(5): 48 to 51
    if not first < end < environment_end:
        return  # The kernel does not tell.
    pairs = [f"{name}={value}" for name, value in environment.items()]
    for begin, size, texts in (
        (first, end - first, command),
        (environment_first, environment_end - environment_first, pairs),
    ):
        text = b"".join(os.fsencode(each) + b"\0" for each in texts)[: size - 1]
        ctypes.memmove(begin, text.ljust(size, b"\0"), size)


def stamps(paths: Mapping[str, object]) -> Files:
    """Of each file when it was last changed, in ns, and its size; None where it is gone."""
    found: dict[str, tuple[int, int] | None] = {}
    for path in paths:
        try:
            status = Path(path).stat()
        except OSError:
            found[path] = None
        else:
            found[path] = (status.st_mtime_ns, status.st_size)
    return found


def imported() -> dict[str, None]:
    """The files of all modules that this process has imported."""
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    return dict.fromkeys(filter(None, files))


def main() -> None:
    config, Options.handed_over = sys.argv[1], HandedOver.read(sys.argv[2])
    Options.parent_pid = os.getpid()
    for name in SHARED:
        import_module(name)
    Options.files = stamps(imported())
    supervisord.ServerOptions = Options
    words = ["-c", config]
    if os.geteuid() == 0:
        words.append("--user=root")  # Else it warns that it runs as root.
    # From here on the collector leaves what is shared alone, in every process: to look is to write.
    gc.collect()
    gc.freeze()
    supervisord.main(words)


if __name__ == "__main__":
    main()
