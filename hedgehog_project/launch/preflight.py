"""What must be true before anything is started. Each refusal is one line that says what to do."""

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import redis
from django.conf import settings
from django.core.checks import ERROR, run_checks
from django.db import connection

from hedgehog_project import redis_health, run_lock
from hedgehog_project.addresses import shown
from hedgehog_project.checks import PORTS
from hedgehog_project.env import env
from hedgehog_project.health import of_database
from hedgehog_project.ports import free_port, why_not


class Refusal(Exception):
    """Hedgehog does not start. The text is for the operator."""


def paths_are_plain(*paths: Path) -> None:
    """Raises Refusal for a path that supervisor would read as a format."""
    for path in paths:
        if "%" in str(path):
            raise Refusal(
                f"The path {path} contains %, which supervisor does not accept. Choose another HEDGEHOG_HOME."
            )


def has_room(home: Path) -> None:
    """Raises Refusal where nothing can be written to this folder: a full disk shows itself here."""
    probe = home / f".probe.{os.getpid()}"
    try:
        probe.write_text("Nothing that anybody reads.\n")
        probe.unlink()
    except OSError as error:
        raise Refusal(f"HEDGEHOG_HOME {home} cannot be written to: {error.strerror}") from error


def only_one(home: Path, pid: int) -> IO[str]:
    """Takes this home's lock for a process, held while the file that is returned stays open. Raises Refusal where it
    is taken."""
    file = (home / run_lock.FILE).open("a+")
    if not _taken(file):
        file.seek(0)
        who = file.read().strip() or "unknown"
        raise Refusal(
            f"Hedgehog is already running in {home} (process {who}). Stop it with `kill {who}`, or set HEDGEHOG_HOME "
            "to another folder (and WEB_PORT, FLOWER_PORT, MOCK_PORT) for a second one."
        )
    file.truncate(0)
    file.write(f"{pid}\n")
    file.flush()
    return file


def _taken(file: IO[str]) -> bool:
    """Whether the lock is ours now. A command that only asks whether it is held has it for an instant."""
    for _ in range(5):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        else:
            return True
    return False


def nothing_left_over(home: Path) -> None:
    """Raises Refusal while the supervisor of an earlier run lives: where the kernel does not end it with its parent,
    a kill -9 leaves it and all its processes behind."""
    if sys.platform == "linux":
        return  # See exec_with_parent.py.
    try:
        pid = int((home / "run" / "supervisord.pid").read_text())
    except (FileNotFoundError, ValueError):
        return
    command = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    if "supervisor" in command.stdout:
        raise Refusal(f"Processes of an earlier run are still running: stop them with `kill {pid}`.")


def settings_are_sound() -> list[str]:
    """Runs the system checks; the warnings, one line each. Raises Refusal with a line for each error."""
    lines: dict[bool, list[str]] = {True: [], False: []}
    for message in run_checks():
        lines[message.level >= ERROR].append(" ".join(filter(None, (f"{message.msg}.", message.hint))))
    if lines[True]:
        raise Refusal("\n".join(lines[True]))
    return lines[False]


def redis_answers() -> str:
    """That the Redis of REDIS_URL does not answer, in a sentence. No refusal: the standby can exit without it."""
    if not env.address("REDIS_URL"):
        return ""
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2, retry=None)
    try:
        health = redis_health.look(client)
    finally:
        client.close()
    if not health.away:
        return ""
    where = shown(settings.REDIS_URL)
    return f"Redis does not answer at {where}: {health.away}. Start it, or unset REDIS_URL to use the embedded Redis."


def ports_are_free() -> None:
    """Raises Refusal for the first port that cannot be listened on."""
    for name in PORTS:
        if name == "FLOWER_PORT" and not settings.FLOWER:
            continue
        port = getattr(settings, name)
        if reason := why_not(port):
            raise Refusal(
                f"Port {port} {reason}. Choose another: `make run {name}={free_port()}`, or {name} in .env."
            )


def shares_with_others() -> None:
    """Raises Refusal where a further host does not name the database and the Redis of the first one."""
    wanted = (
        ("DATABASE_URL", ("postgres", "psql", "pgsql"), "postgresql://…"),
        ("REDIS_URL", ("redis",), "redis://…"),
    )
    for name, beginnings, example in wanted:
        if not env.str(name, default="").startswith(beginnings):
            raise Refusal(
                f"A further host shares {name} with the first one: `make host {name}={example}`, or {name} in .env."
            )


def database_is_prepared() -> None:
    """Raises Refusal where migrations are missing: that is the first host's to see to."""
    for finding in of_database():
        raise Refusal(
            f"{finding.text} A further host does not run migrations: start the first host with this version."
        )


def database_answers() -> None:
    """Raises django.db.OperationalError where it does not; advice() in cli.py has the words."""
    connection.ensure_connection()
