"""`manage.py halt` as one types it, on its worst days: within five seconds it halts, or says what it could not do."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from hedgehog_project import emergency, halt_request
from hedgehog_project.ports import HOST, free_port
from tests.support.environment import start_redis
from tests.support.machine import migrated
from tests.support.machine.disk import fill, tiny_disk
from tests.support.machine.postgres import Cluster
from tests.support.machine.processes import Processes

WITHIN_S = 5.0
ASKS_THE_GATE = "from trading.risk.gate import mode_denial; print(mode_denial('BUY') is not None)"
LEADS = "from trading.risk.kill_switch import keep_request; print(keep_request())"


@dataclass
class Installation:
    """A home and a database, as `make run` leaves them."""

    processes: Processes
    home: Path
    settings: dict[str, Any]

    def run(self, *command: str, **settings: Any) -> "subprocess.CompletedProcess[str]":
        return self.processes.run(*command, **{**self.settings, **settings})

    def halt(self, *arguments: str, **settings: Any) -> "subprocess.CompletedProcess[str]":
        began = time.monotonic()
        ended = self.run("halt", "--by", "anna", *arguments, **settings)
        took = time.monotonic() - began
        # The promise: it has ended by then, or said what it knows. A busy machine needs long to start it.
        print(f"{took:.1f} s\n{ended.stdout}{ended.stderr}")
        assert took < WITHIN_S or "hedgehog: " in ended.stderr
        assert "Traceback" not in ended.stderr
        return ended

    def python(self, code: str) -> str:
        ended = self.run("shell", "-v", "0", "-c", code)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.strip()

    def mode(self) -> str:
        """What the database says."""
        return self.python("from trading.models import Switch; print(Switch.objects.get().mode)")


def install(processes: Processes, home: Path, **settings: Any) -> Installation:
    found = Installation(processes, home, {"HEDGEHOG_HOME": home, "DATABASE_URL": "", **settings})
    migrated.prepare(processes, home, **{"DATABASE_URL": "", **settings})
    return found


@pytest.fixture
def here(processes: Processes, tmp_path: Path) -> Installation:
    return install(processes, tmp_path / "home")


@contextmanager
def write_lock(home: Path) -> Iterator[None]:
    """Somebody writes, and does not end."""
    with closing(sqlite3.connect(home / "hedgehog.sqlite3", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


def holds_here_only(ended: "subprocess.CompletedProcess[str]", installation: Installation, why: str) -> None:
    assert ended.returncode == 1
    assert f"for every process of HEDGEHOG_HOME {installation.home} on this machine" in ended.stdout
    assert f"The halt is not in the database yet: {why}" in ended.stdout
    assert "The halt is not in the database yet." in ended.stderr


def test_halt_on_a_good_day(here: Installation) -> None:
    ended = here.halt("--reason", "news")
    assert ended.returncode == 0
    assert ended.stdout.startswith("Trading is halted since ")
    assert here.mode() == "halted"
    assert not (here.home / halt_request.REQUEST).exists()
    ended = here.run("resume")
    assert (ended.returncode, here.mode()) == (0, "active")


def test_full_home_with_the_database_elsewhere_halts(processes: Processes, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with tiny_disk(home, "64k"):
        installation = install(processes, home, DATABASE_URL=f"sqlite:///{tmp_path}/elsewhere.sqlite3")
        fill(home)
        ended = installation.halt()
        assert (ended.returncode, ended.stderr) == (0, ""), "what it did stands in its output, not in a log line"
        assert installation.mode() == "halted"
        ended = installation.run("resume")
        assert (ended.returncode, ended.stderr) == (0, "")
        assert installation.mode() == "active"


def test_full_home_with_the_database_in_it_holds_and_is_written_down_later(
    processes: Processes, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    with tiny_disk(home, "3m"):
        installation = install(processes, home)
        with closing(sqlite3.connect(home / "hedgehog.sqlite3")) as reader:
            # Others have the database open, as on every such day: its index in memory is there.
            reader.execute("SELECT count(*) FROM trading_switch").fetchone()
            room = fill(home)
            holds_here_only(installation.halt(), installation, "database or disk is full")
            assert installation.python(ASKS_THE_GATE) == "True"
            room.unlink()
            assert installation.python(LEADS) == "True"
            assert installation.mode() == "halted"


def test_held_write_lock_halts_this_home_at_once_and_the_database_later(here: Installation) -> None:
    with write_lock(here.home):
        ended = here.halt()
        holds_here_only(ended, here, "database is locked")
        assert "No order of this home can be sent any more." in ended.stdout
        assert here.python(ASKS_THE_GATE) == "True"
        ended = here.run("resume")
        assert (ended.returncode, ended.stdout) == (
            0,
            "Trading resumed. The halt had not reached the database.\n",
        )
        here.halt()
    assert here.python(LEADS) == "True"
    with write_lock(here.home):
        ended = here.run("resume")
        assert (ended.returncode, "stays halted: database is locked" in ended.stderr) == (1, True)
    assert here.mode() == "halted"


def test_missing_and_frozen_redis_keep_nobody_from_halting(here: Installation, tmp_path: Path) -> None:
    assert here.halt(REDIS_URL=f"redis://{HOST}:{free_port()}/0").returncode == 0
    server, address = start_redis(tmp_path / "redis")
    try:
        server.send_signal(signal.SIGSTOP)
        assert here.halt(REDIS_URL=address).returncode == 0
        assert here.run("resume", REDIS_URL=address).returncode == 0
    finally:
        server.kill()
        server.wait()


def test_strategy_that_hangs_when_it_is_imported_keeps_nobody_from_halting(
    here: Installation, tmp_path: Path
) -> None:
    (tmp_path / "strategy_of_mine.py").write_text("while True: pass")
    ended = here.halt("--cancel", HEDGEHOG_STRATEGIES="strategy_of_mine", PYTHONPATH=tmp_path)
    assert (ended.returncode, here.mode()) == (0, "halted")


WRONG = {
    "WEB_PORT": "http",
    "LOG_LEVEL": "LOUD",
    "BINANCE_API_KEY_FILE": "/nowhere/key",
    "MARKET": "nowhere",
    "REDIS_URL": "nonsense",
}


def test_settings_that_are_wrong_elsewhere_keep_nobody_from_halting(here: Installation, tmp_path: Path) -> None:
    ended = here.halt(**WRONG)
    assert (ended.returncode, here.mode()) == (0, "halted")
    assert (
        "hedgehog: WEB_PORT must be a whole number, not 'http'. The command continues without it.\n" in ended.stderr
    )
    assert here.run("status", **WRONG).returncode == 1
    broken = tmp_path / "broken.env"
    broken.write_bytes(b"\xff\xfe\nWEB_PORT=\n")
    ended = here.run("resume", HEDGEHOG_ENV_FILE=broken, **WRONG)
    assert (ended.returncode, here.mode()) == (0, "active")
    assert f"hedgehog: {broken} is not UTF-8 text. The command continues without it.\n" in ended.stderr
    ended = here.run("status", HEDGEHOG_ENV_FILE=broken)
    assert (ended.returncode, ended.stderr) == (1, f"hedgehog: {broken} is not UTF-8 text\n")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"DATABASE_URL": "mysql://u:top-secret@h/n"}, "DATABASE_URL is neither PostgreSQL nor SQLite"),
        ({"DATABASE_URL_FILE": "/nowhere/url"}, "DATABASE_URL_FILE cannot be read"),
        ({"last_run.json": "{"}, "last_run.json cannot be read"),
    ],
)
def test_database_that_is_not_known_is_never_taken_for_another(
    here: Installation, wrong: dict[str, str], words: str
) -> None:
    if "last_run.json" in wrong:
        (here.home / "last_run.json").write_text(wrong.pop("last_run.json"))
    ended = here.halt(**wrong)
    assert ended.returncode == 1
    assert words in ended.stderr
    assert f"no process of HEDGEHOG_HOME {here.home} on this machine sends a new order" in ended.stderr
    assert "One that was saved before is sent by " in ended.stderr
    assert "top-secret" not in ended.stderr
    (here.home / "last_run.json").unlink(missing_ok=True)
    assert (here.python(ASKS_THE_GATE), here.mode()) == ("True", "active")


@pytest.mark.parametrize("is_mute", [False, True], ids=["connection refused", "it does not answer"])
def test_postgresql_that_is_away_leaves_the_request(here: Installation, is_mute: bool) -> None:
    with socket.create_server((HOST, 0)) as mute:
        port = mute.getsockname()[1] if is_mute else free_port()
        ended = here.halt(DATABASE_URL=f"postgresql://u:top-secret@{HOST}:{port}/n")
    assert ended.returncode == 1
    assert f"for every process of HEDGEHOG_HOME {here.home} on this machine" in ended.stdout
    assert "without the database no process can send a new order" in ended.stdout
    assert "cannot be looked up" in ended.stderr
    assert "top-secret" not in ended.stdout + ended.stderr
    assert here.python(ASKS_THE_GATE) == "True"


def test_row_that_somebody_else_locks_on_postgresql_is_written_later(
    processes: Processes, tmp_path: Path, postgres: Cluster
) -> None:
    url = postgres.create()
    installation = install(processes, tmp_path / "home", DATABASE_URL=url)
    with psycopg.connect(url) as other:
        other.execute("SELECT * FROM trading_switch FOR UPDATE")
        holds_here_only(installation.halt(), installation, "canceling statement due to lock timeout")
        assert installation.python(ASKS_THE_GATE) == "True"
    assert installation.python(LEADS) == "True"
    assert installation.mode() == "halted"
    assert installation.run("resume").returncode == 0


def test_whatever_hangs_the_command_ends_in_time_with_what_it_knows(here: Installation, tmp_path: Path) -> None:
    """Here it is the interpreter's own start-up of an app, which nobody has thought of."""
    (tmp_path / "hangs.py").write_text("import time\ntime.sleep(60)\n")
    began = time.monotonic()
    ended = here.run("halt", DJANGO_SETTINGS_MODULE="hangs", PYTHONPATH=tmp_path)
    assert time.monotonic() - began < emergency.ENDS_WITHIN_S + 2
    assert ended.returncode == 1
    said, again = ended.stderr.splitlines()
    assert said.startswith("hedgehog: The settings or the database take too long. Since ")
    assert said == again
    assert here.python(ASKS_THE_GATE) == "True"


def test_option_that_is_misspelt_halts_nothing(here: Installation) -> None:
    ended = here.halt("--cancle")
    assert ended.returncode == 2
    assert here.python(ASKS_THE_GATE) == "False"
    assert json.loads(here.run("status", "--json").stdout)["mode"] == "active"
    assert os.listdir(here.home).count(halt_request.READY) == 1  # noqa: PTH208
