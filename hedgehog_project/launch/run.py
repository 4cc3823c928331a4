"""`make run`: prepares this installation, starts all processes under supervisor, shows their logs, ends them.

`make host` on a further machine starts what any number of may run, on the database and the Redis of the first one.
"""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from io import StringIO
from pathlib import Path
from types import FrameType

import django
import redis
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import DatabaseError, OperationalError, ProgrammingError, connections

from hedgehog_project import last_run
from hedgehog_project.cli import advice
from hedgehog_project.env import BASE_DIR, env, home, one_of
from hedgehog_project.launch import embedded_redis, preflight
from hedgehog_project.launch.banner import banner
from hedgehog_project.launch.terminal import Terminal
from hedgehog_project.processes import states
from hedgehog_project.venues import facts_of_keys

EXEC_WITH_PARENT = BASE_DIR / "hedgehog_project" / "exec_with_parent.py"
LOOK_S = 0.1
PROBE_S = 0.5
# Said once when something is still not up after so long.
PATIENCE_S = 30.0
# How long the banner waits for what the exchange says of the symbols.
CHECK_S = 8.0
# supervisord stops everything well within this; then it is killed, and its processes with it.
STOP_S = 9.0


def main() -> int:
    """The exit code. Refusals are one line each on stderr, before anything was started."""
    try:
        return run()
    except (preflight.Refusal, ImproperlyConfigured, CommandError) as error:
        lines = str(error).splitlines()
    except (OperationalError, ProgrammingError) as error:
        lines = [advice(error)]
    except OSError as error:
        where = error.filename or f"in HEDGEHOG_HOME {env.str('HEDGEHOG_HOME', default='var')}"
        lines = [f"{error.strerror or error}: {where}"]
    for line in lines:
        print(f"hedgehog: {line}", file=sys.stderr)
    return 1


def run() -> int:
    """Everything from the first check to the last process's end."""
    os.chdir(BASE_DIR)
    os.umask(0o077)
    folder = home()
    preflight.paths_are_plain(folder, BASE_DIR)
    preflight.has_room(folder)
    for name in ("run", "log"):
        (folder / name).mkdir(exist_ok=True)
    is_host = one_of("HEDGEHOG_PART", "all", "host") == "host"
    with preflight.only_one(folder):
        preflight.nothing_left_over(folder)
        if is_host:
            preflight.shares_with_others()
        redis_command = prepare_redis(folder)
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hedgehog_project.settings")
        django.setup()
        for warning in filter(None, (*preflight.settings_are_sound(), preflight.redis_answers())):
            print(f"hedgehog: {warning}", file=sys.stderr)
        if is_host:
            preflight.database_answers()
            preflight.database_is_prepared()
            last_run.remember(folder)
            connections.close_all()
            return supervise(folder, redis_command, [])
        preflight.ports_are_free()
        preflight.database_answers()
        last_run.remember(folder)
        call_command("migrate", interactive=False, verbosity=0)
        call_command("setup")
        names = list(get_user_model().objects.filter(is_superuser=True).values_list("username", flat=True)[:3])
        connections.close_all()
        return supervise(folder, redis_command, names)


def prepare_redis(folder: Path) -> str:
    """The embedded Redis's command; its address is written down for all. Empty where REDIS_URL names another."""
    if env.address("REDIS_URL"):
        return ""
    port, password = embedded_redis.choose(folder / "redis.url")
    config = embedded_redis.configure(folder / "redis", port, password)
    return shlex.join([str(embedded_redis.binary()), str(config)])


def start_supervisor(folder: Path, redis_command: str) -> "subprocess.Popen[bytes]":
    """supervisord, which ends with this process even if this one is killed."""
    exec_with_parent = [sys.executable, "-IS", str(EXEC_WITH_PARENT)]
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONUNBUFFERED": "1",
        "HEDGEHOG_HOME": str(folder),
        **{name: str(getattr(settings, name)) for name in ("WEB_PORT", "WORKER_THREADS", "EXIT_THREADS")},
        "EXEC_WITH_PARENT": f"{shlex.join([*exec_with_parent, '0'])} {shlex.quote(str(folder / 'run'))}",
        "EMBEDDED_REDIS": redis_command or "none",
        "HAS_EMBEDDED_REDIS": "true" if redis_command else "false",
        "HAS_ALL": "true" if settings.HEDGEHOG_PART == "all" else "false",
        "HEDGEHOG_KEY_FACTS": facts_of_keys(),
    }
    command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(BASE_DIR / "supervisord.conf")]
    if os.geteuid() == 0:
        command.append("--user=root")  # Else it warns that it runs as root.
    return subprocess.Popen(
        [*exec_with_parent, str(os.getpid()), "-", *command],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        # Ctrl-C is for us; we tell supervisord.
        start_new_session=True,
    )


def start_check() -> "Future[list[str]]":
    """Has the exchange asked which of the symbols that are on it does not trade: a sentence for each, in the end."""

    def check() -> list[str]:
        told = StringIO()
        # What could not be asked is asked again every few seconds, and shown by `manage.py status`.
        with contextlib.suppress(CommandError, DatabaseError, redis.RedisError):
            call_command("symbols", "check", verbosity=0, stdout=told, stderr=StringIO())
        connections.close_all()
        return told.getvalue().splitlines()

    future: Future[list[str]] = Future()
    # Nobody waits for it at the end.
    threading.Thread(target=lambda: future.set_result(check()), daemon=True).start()
    return future


class _Beginning:
    """Waits until every process is up, has the symbols checked then, and shows the banner in the end."""

    def __init__(self, terminal: Terminal, folder: Path, users: list[str], started: float) -> None:
        self._terminal, self._folder, self._users, self._started = terminal, folder, users, started
        self._next_probe: float | None = started + PROBE_S
        self._is_late = False
        self._checking: Future[list[str]] | None = None
        self._checked_by = 0.0

    def give_up(self) -> None:
        """What is not up by now is not waited for."""
        self._next_probe = None

    def go_on(self, now: float) -> None:
        if self._next_probe is not None and now > self._next_probe:
            self._probe(now)
        if self._checking is not None and (self._checking.done() or now > self._checked_by):
            told = self._checking.result() if self._checking.done() else []
            self._terminal.say(banner(self._folder, self._users, told))
            self._checking = None

    def _probe(self, now: float) -> None:
        # A heartbeat older than this run is that of an earlier one.
        down = [state for state in states() if not state.alive or (state.age_s or 0) > now - self._started]
        self._next_probe = now + PROBE_S if down else None
        if not down:
            self._checking, self._checked_by = start_check(), now + CHECK_S
        elif now > self._started + PATIENCE_S and not self._is_late:
            self._is_late = True
            for state in down:
                log = f"{self._folder}/log/{state.name}.log"
                self._terminal.say(f"Still waiting for {state.name} ({state.note}): see {log}")


def supervise(folder: Path, redis_command: str, users: list[str]) -> int:
    """Shows the logs until a signal or the end of the terminal, then ends everything. The exit code."""
    asked: list[int] = []

    def on_signal(number: int, _frame: FrameType | None) -> None:
        asked.append(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    terminal = Terminal(folder / "log")
    terminal.say("Hedgehog is starting. Ctrl-C stops it.")
    supervisor = start_supervisor(folder, redis_command)
    beginning = _Beginning(terminal, folder, users, time.monotonic())
    told_at: float | None = None
    while supervisor.poll() is None:
        terminal.show_new_lines()
        now = time.monotonic()
        if (asked or terminal.is_gone) and told_at is None:
            terminal.say("Hedgehog is stopping.")
            supervisor.terminate()
            beginning.give_up()
            told_at = now
        if told_at is not None and now > told_at + STOP_S:
            supervisor.kill()
        beginning.go_on(now)
        time.sleep(LOOK_S)
    terminal.show_new_lines()
    if told_at is None:
        terminal.say(
            f"The supervisor exited unexpectedly ({supervisor.returncode}): see {folder}/log/supervisord.log"
        )
        return 1
    terminal.say("Hedgehog has stopped.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
