"""The child of `make run` (run.py) that knows Django: checks, migrates, tells what to start, says when all is up."""

import contextlib
import os
import shlex
import socket
import sys
import threading
import time
from concurrent.futures import Future
from io import StringIO
from pathlib import Path
from typing import IO

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
from hedgehog_project.launch.run import Prepared, exec_with_parent, tell
from hedgehog_project.processes import NAMES, states
from hedgehog_project.venues import facts_of_keys

PROBE_S = 0.5
# Said once when something is still not up after so long.
PATIENCE_S = 30.0
# How long the banner waits for what the exchange says of the symbols.
CHECK_S = 8.0


def main(theirs: socket.socket) -> int:
    """The exit code. Refusals are one line each on stderr, before anything was started."""
    try:
        folder, users = prepare(theirs)
    except (preflight.Refusal, ImproperlyConfigured, CommandError) as error:
        lines = str(error).splitlines()
    except (OperationalError, ProgrammingError) as error:
        lines = [advice(error)]
    except OSError as error:
        where = error.filename or f"in HEDGEHOG_HOME {env.str('HEDGEHOG_HOME', default='var')}"
        lines = [f"{error.strerror or error}: {where}"]
    else:
        try:
            print(banner(folder, users, wait_until_up(folder)), flush=True)
        except BrokenPipeError:
            os._exit(0)  # Nobody reads it any more. Python would complain at its end.
        return 0
    for line in lines:
        print(f"hedgehog: {line}", file=sys.stderr)
    return 1


def prepare(theirs: socket.socket) -> tuple[Path, list[str]]:
    """From the first check to what `make run` is told: the home, and who can log in."""
    folder = home()
    preflight.paths_are_plain(folder, BASE_DIR)
    preflight.has_room(folder)
    for name in ("run", "log"):
        (folder / name).mkdir(exist_ok=True)
    is_host = one_of("HEDGEHOG_PART", "all", "host") == "host"
    # Who waits holds it on when this process has ended.
    with preflight.only_one(folder, os.getppid()) as lock:
        preflight.nothing_left_over(folder)
        if is_host:
            preflight.shares_with_others()
        redis_command = prepare_redis(folder)
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hedgehog_project.settings")
        django.setup()
        for warning in filter(None, (*preflight.settings_are_sound(), preflight.redis_answers())):
            print(f"hedgehog: {warning}", file=sys.stderr)
        users: list[str] = []
        if is_host:
            preflight.database_answers()
            preflight.database_is_prepared()
            last_run.remember(folder)
        else:
            preflight.ports_are_free()
            preflight.database_answers()
            market = last_run.market(folder)
            last_run.remember(folder)
            call_command("migrate", interactive=False, verbosity=0)
            call_command("setup")
            call_command("worlds", last_market=market)
            users += get_user_model().objects.filter(is_superuser=True).values_list("username", flat=True)[:3]
        connections.close_all()
        _tell(theirs, folder, redis_command, lock)
    return folder, users


def prepare_redis(folder: Path) -> str:
    """The embedded Redis's command; its address is written down for all. Empty where REDIS_URL names another."""
    if env.address("REDIS_URL"):
        return ""
    port, password = embedded_redis.choose(folder / "redis.url")
    config = embedded_redis.configure(folder / "redis", port, password)
    return shlex.join([str(embedded_redis.binary()), str(config)])


def _tell(theirs: socket.socket, folder: Path, redis_command: str, lock: IO[str]) -> None:
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONUNBUFFERED": "1",
        "HEDGEHOG_HOME": str(folder),
        **{name: str(getattr(settings, name)) for name in ("WEB_PORT", "WORKER_THREADS", "EXIT_THREADS")},
        "EXEC_WITH_PARENT": exec_with_parent(folder),
        "EMBEDDED_REDIS": redis_command or "none",
        "HAS_EMBEDDED_REDIS": "true" if redis_command else "false",
        "HAS_ALL": "true" if settings.HEDGEHOG_PART == "all" else "false",
        "HAS_FLOWER": "true" if settings.HEDGEHOG_PART == "all" and settings.FLOWER else "false",
        "HEDGEHOG_KEY_FACTS": facts_of_keys(),
    }
    tell(theirs, Prepared(str(folder), list(NAMES), environment), lock.fileno())


def wait_until_up(folder: Path) -> list[str]:
    """Waits for every process, and for what the exchange then says of the symbols: a sentence for each that it does
    not trade."""
    started, is_late = time.monotonic(), False
    while True:
        time.sleep(PROBE_S)
        # A heartbeat older than this run is that of an earlier one.
        now = time.monotonic()
        down = [state for state in states() if not state.alive or (state.age_s or 0) > now - started]
        if not down:
            break
        if now > started + PATIENCE_S and not is_late:
            is_late = True
            for state in down:
                log = f"{folder}/log/{state.name}.log"
                print(f"Still waiting for {state.name} ({state.note}): see {log}", flush=True)
    checking = start_check()
    try:
        return checking.result(CHECK_S)
    except TimeoutError:
        return []


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


if __name__ == "__main__":
    sys.exit(main(socket.socket(fileno=int(sys.argv[1]))))
