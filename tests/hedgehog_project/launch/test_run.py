"""`make run`: what it refuses, what it shows, what it brings back, and that it leaves nothing behind.

The processes are found by a mark in their environment. The tests of a running stack share one start and come in the
order of a day: start, look, kill, stop, start again.
"""

import base64
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import requests

from hedgehog_project.heartbeats import beats
from hedgehog_project.ports import HOST, free_port
from hedgehog_project.processes import HEARTBEATS
from tests.support.environment import MAKE_RUN, ROOT
from tests.support.machine.disk import tiny_disk
from tests.support.machine.processes import Process, Processes
from tests.support.pages.forms import main_form

# The machine may be busy with other tests.
UP_S = 60
# Each with a word of its own, to be looked for wherever it must not stand.
KEYS = {
    "BINANCE_API_KEY": "OtterApiKeyOfLive",
    "BINANCE_API_SECRET": "BadgerSecretOfLive",
    "MOCK_API_KEY": "LizardApiKeyOfTheMock",
    "MOCK_API_SECRET": "BeaverSecretOfTheMock",
}
# Those that sign, the exchange that verifies, and what a page needs to turn its faults. All else gets none.
HOLDERS = {
    "streamer": set(KEYS),
    "worker": set(KEYS),
    "mock_exchange": {"MOCK_API_KEY", "MOCK_API_SECRET"},
    "web": {"MOCK_API_KEY"},
    "dispatcher": set(),
    "beat": set(),
    "flower": set(),
    "redis": set(),
}
WORDS = {
    "streamer": ("manage.py", "stream"),
    "dispatcher": ("manage.py", "dispatch"),
    "mock_exchange": ("manage.py", "mock_exchange"),
    "worker": ("celery", "worker"),
    "beat": ("celery", "beat"),
    "flower": ("celery", "flower"),
    "web": ("gunicorn",),
    "redis": ("valkey-server",),
}


class Stack:
    """One installation in a folder of its own: starts it, and finds its processes."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "a home; with spaces"
        self.mark = f"HEDGEHOG_TEST_MARK={uuid.uuid4()}"
        name, _, value = self.mark.partition("=")
        self.ports = {name: free_port() for name in ("WEB_PORT", "FLOWER_PORT", "MOCK_PORT")}
        # A proxy that nobody is: what runs on this machine is reached without one.
        nobody = f"http://{HOST}:{free_port()}"
        self.processes = Processes(
            folder,
            **{name: value, "http_proxy": nobody, "ALL_PROXY": nobody},
            **self.ports,
            HEDGEHOG_HOME=self.home,
            REDIS_URL="",
            DATABASE_URL="",
            HEDGEHOG_SYMBOLS="ETHUSDT,BTCUSDT",
            **KEYS,
        )

    def start(self, **environment: object) -> Process:
        return self.processes.start(*MAKE_RUN, name="run", **environment)

    def start_and_wait(self, **environment: object) -> Process:
        launcher = self.start(**environment)
        self.processes.wait_for(
            lambda: "Hedgehog is running" in launcher.output or not launcher.is_running, UP_S, "all up"
        )
        assert launcher.is_running, launcher.tail
        return launcher

    def pids(self) -> dict[int, str]:
        """The command lines of all processes that carry the mark, however they came to be."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if self.mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                    command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    if command:  # else a zombie, whose parent has not looked yet
                        found[int(folder.name)] = command
        return found

    def pid_of(self, *words: str) -> int | None:
        """The process, not one of its children nor what will become it, whose command line has all of `words`."""
        found = {
            pid
            for pid, command in self.pids().items()
            if all(word in command for word in words) and "exec_with_parent.py" not in command
        }
        return min(found, default=None)

    def get(self, port_name: str, path: str, user: str = "") -> tuple[int, str]:
        connection = http.client.HTTPConnection(HOST, self.ports[port_name], timeout=5)
        headers = {"Authorization": f"Basic {base64.b64encode(user.encode()).decode()}"} if user else {}
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        body = response.read().decode()
        connection.close()
        return response.status, body


needs_proc = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes in Linux's /proc")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("stack"))
    yield stack
    stack.processes.stop_all()


@pytest.fixture(scope="module")
def launcher(stack: Stack) -> Process:
    return stack.start_and_wait()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Stack]:
    """An installation that nothing has been started in."""
    stack = Stack(tmp_path)
    yield stack
    stack.processes.stop_all()


# --- what it refuses ----------------------------------------------------------------------------


def refusal(stack: Stack, **environment: object) -> list[str]:
    launcher = stack.start(**environment)
    assert launcher.wait(30) == 1
    assert "Traceback" not in launcher.output
    return launcher.output.splitlines()


def test_a_taken_port_is_one_line_that_names_the_setting(fresh: Stack) -> None:
    with socket.create_server((HOST, fresh.ports["FLOWER_PORT"])):
        (line,) = refusal(fresh)
    assert line.startswith(f"hedgehog: Port {fresh.ports['FLOWER_PORT']} is in use by another program.")
    assert "make run FLOWER_PORT=" in line
    assert not list(fresh.home.glob("*.sqlite3")), "nothing was prepared or started"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"MARKET": "replay:/nowhere.csv@50"}, "MARKET=replay:/nowhere.csv@50: file not found: /nowhere.csv."),
        ({"WEB_PORT": "eighty"}, "WEB_PORT must be a whole number"),
        ({"DATABASE_URL": "postgresql://u:p@127.0.0.1:1/n"}, "The database (127.0.0.1:1) cannot be used"),
        ({"HEDGEHOG_HOME": f"{__file__}/home"}, "cannot be written to: Not a directory"),
        ({"HEDGEHOG_HOME": "{home}/5%d"}, "contains %, which supervisor does not accept"),
        ({"HEDGEHOG_SYMBOLS": "eth/usdt"}, "'eth/usdt' is not a symbol"),
        ({"HEDGEHOG_SYMBOLS": "ETHUSDT,ETHUSDTT"}, "MARKET=simulated does not list ETHUSDTT. Did you mean ETHUSDT?"),
    ],
)
def test_a_wrong_setting_is_one_line_before_anything_starts(fresh: Stack, wrong: dict[str, str], words: str) -> None:
    (line,) = refusal(fresh, **{name: value.replace("{home}", str(fresh.home)) for name, value in wrong.items()})
    assert line.startswith("hedgehog: ")
    assert words in line


def test_a_full_disk_is_one_line(fresh: Stack) -> None:
    with tiny_disk(fresh.home, "4k"):
        (line,) = refusal(fresh)
    assert line.startswith("hedgehog: ")
    assert "No space left on device" in line
    assert str(fresh.home) in line


def test_an_old_python_is_one_line(tmp_path: Path) -> None:
    old = tmp_path / "python3.10"
    old.write_text('#!/bin/sh\ncase "$*" in *-V*) echo Python 3.10.1;; esac\nexit 1\n')
    old.chmod(0o755)
    result = subprocess.run(["make", "run", f"PYTHON={old}"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    line = next(line for line in result.stderr.splitlines() if "hedgehog:" in line)
    assert line.startswith(f"hedgehog: Python 3.11 or newer is needed; {old} is Python 3.10.1.")


# --- a day of a stack ---------------------------------------------------------------------------


def test_the_first_start_tells_how_to_log_in_once(stack: Stack, launcher: Process) -> None:
    password = re.search(r"user admin, password (\S+) \(shown only once\)", launcher.output)
    assert password
    assert launcher.output.count(password[1]) == 1
    assert not (stack.home / "first_password").exists()
    assert f"http://127.0.0.1:{stack.ports['WEB_PORT']}/" in launcher.output
    check = "from django.contrib.auth import authenticate as a; print('is', a(username='admin', password='%s'))"
    assert "is admin" in stack.processes.run("shell", "-c", check % password[1]).stdout


def test_logs_are_shown_with_their_names_and_kept(stack: Stack, launcher: Process) -> None:
    assert re.search(r"^web +\| .*Listening at", launcher.output, re.MULTILINE)
    assert "Listening at" in (stack.home / "log" / "web.log").read_text()
    assert "\x1b[" not in launcher.output, "no colours where it is not a terminal"


def test_the_web_server_asks_for_a_login(stack: Stack, launcher: Process) -> None:
    status, _ = stack.get("WEB_PORT", "/admin/")
    assert status == 302
    status, page = stack.get("WEB_PORT", "/admin/login/")
    assert status == 200
    assert "password" in page


@pytest.mark.parametrize("path", ["/", "/tasks", "/api/workers", "/metrics", "/healthcheck"])
def test_flower_asks_for_a_login_everywhere(stack: Stack, launcher: Process, path: str) -> None:
    assert stack.get("FLOWER_PORT", path)[0] == 401
    assert stack.get("FLOWER_PORT", path, "hedgehog:wrong")[0] == 401
    password = (stack.home / "flower_password").read_text().strip()
    assert stack.get("FLOWER_PORT", path, f"hedgehog:{password}")[0] == 200


def test_a_command_in_another_terminal_finds_what_make_run_was_given(stack: Stack, launcher: Process) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in (*stack.ports, "REDIS_URL")}
    command = [sys.executable, str(ROOT / "manage.py"), "status", "--json"]
    told = subprocess.run(
        command, env=environment | {"HEDGEHOG_HOME": str(stack.home)}, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert {state["name"] for state in json.loads(told.stdout)["processes"]} >= {"mock_exchange", "web", "flower"}


def test_it_trades_though_the_environment_names_a_proxy_that_is_away(stack: Stack, launcher: Process) -> None:
    def has_ordered() -> bool:
        told = json.loads(stack.processes.run("status", "--json").stdout)
        return bool(told["orders_open"] or sum(line["cycles_finished"] for line in told["symbols"]))

    stack.processes.wait_for(has_ordered, UP_S, "an order")


@needs_proc
@pytest.mark.parametrize("name", HOLDERS)
def test_only_processes_that_sign_have_keys_in_their_environment(stack: Stack, launcher: Process, name: str) -> None:
    pids = [pid for pid, command in stack.pids().items() if all(word in command for word in WORDS[name])]
    assert pids
    for pid in pids:
        environment = (Path("/proc") / str(pid) / "environ").read_text(errors="replace")
        assert {key for key, value in KEYS.items() if value in environment} == HOLDERS[name], pid
        assert re.search(r"Max core file size +0 ", (Path("/proc") / str(pid) / "limits").read_text())


@needs_proc
def test_no_other_process_has_ever_had_a_key_in_its_memory(stack: Stack, launcher: Process) -> None:
    def in_memory(pid: int) -> set[str]:
        found = set()
        with (Path("/proc") / str(pid) / "mem").open("rb", buffering=0) as memory:
            for line in (Path("/proc") / str(pid) / "maps").read_text().splitlines():
                addresses, permissions, *_ = line.split()
                if "w" not in permissions:
                    continue
                begin, end = (int(address, 16) for address in addresses.split("-"))
                with contextlib.suppress(OSError):
                    memory.seek(begin)
                    data = memory.read(end - begin)
                    found |= {key for key, value in KEYS.items() if value.encode() in data}
        return found

    pids = {name: stack.pid_of(*words) for name, words in WORDS.items()}
    pids["supervisor"] = int((stack.home / "run" / "supervisord.pid").read_text())
    try:
        found = {name: in_memory(pid) for name, pid in pids.items() if pid}
    except PermissionError:
        pytest.skip("may not look into the memory of another process")
    assert found.keys() == pids.keys()
    assert found == {"supervisor": set()} | HOLDERS


def test_a_page_that_needs_a_key_has_a_worker_ask(stack: Stack, launcher: Process) -> None:
    script = "from django.contrib.auth.models import User; u = User.objects.get(); u.set_password('p'); u.save()"
    assert stack.processes.run("shell", "-c", script).returncode == 0
    with requests.Session() as browser:
        site = f"http://{HOST}:{stack.ports['WEB_PORT']}"
        form = main_form(browser.get(f"{site}/admin/login/", timeout=5).text).values
        browser.post(f"{site}/admin/login/", {**form, "username": "admin", "password": "p"}, timeout=5)
        page = browser.get(f"{site}/admin/trading/symbol/add/", timeout=5).text
        added = browser.post(
            f"{site}/admin/trading/symbol/add/", {**main_form(page).values, "name": "XRPUSDT"}, timeout=20
        )
        assert "XRPUSDT added" in added.text
        page = browser.get(f"{site}/admin/trading/symbol/add/", timeout=5).text
        refused = browser.post(
            f"{site}/admin/trading/symbol/add/", {**main_form(page).values, "name": "XRPUSDTT"}, timeout=20
        )
        assert "does not list XRPUSDTT" in refused.text


@needs_proc
def test_no_secret_stands_on_a_command_line(stack: Stack, launcher: Process) -> None:
    password = (stack.home / "redis.url").read_text().split(":")[2].partition("@")[0]
    secrets = [password, (stack.home / "flower_password").read_text().strip(), *KEYS.values()]
    assert len(stack.pids()) >= 9
    assert not [command for command in stack.pids().values() for secret in secrets if secret in command]


def test_a_second_one_in_the_same_home_is_refused(stack: Stack, launcher: Process) -> None:
    other = {name: free_port() for name in stack.ports}
    (line,) = refusal(stack, **other)
    assert line.startswith(f"hedgehog: Hedgehog is already running in {stack.home} (process {launcher.pid}).")


@needs_proc
@pytest.mark.parametrize("words", WORDS.values(), ids=lambda words: words[-1])
def test_a_killed_process_is_back_within_seconds(stack: Stack, launcher: Process, words: tuple[str, ...]) -> None:
    old = stack.pid_of(*words)
    assert old
    os.kill(old, signal.SIGKILL)
    stack.processes.wait_for(lambda: stack.pid_of(*words) not in (None, old), 10, f"another {words[-1]}")


def test_after_all_these_kills_everything_is_alive_again(stack: Stack, launcher: Process) -> None:
    client = redis.Redis.from_url((stack.home / "redis.url").read_text().strip())
    since = time.monotonic()

    def all_are_alive() -> bool:
        try:
            beating = sum(beat.age_s < time.monotonic() - since for beat in beats(client))
            answers = [stack.get("WEB_PORT", "/healthz"), stack.get("MOCK_PORT", "/api/v3/ping")]
        except (redis.ConnectionError, OSError):
            return False  # Not yet.
        return beating == len(HEARTBEATS) and [status for status, _ in answers] == [200, 200]

    stack.processes.wait_for(all_are_alive, 30, "new heartbeats and two answers")
    client.close()


@needs_proc
def test_ctrl_c_ends_all_within_ten_seconds_and_leaves_none(stack: Stack, launcher: Process) -> None:
    assert stack.pids()
    began = time.monotonic()
    launcher.signal(signal.SIGINT)
    assert launcher.wait(11) == 0, launcher.tail
    assert time.monotonic() - began < 10
    assert stack.pids() == {}
    assert launcher.output.rstrip().endswith("Hedgehog has stopped.")


def test_nothing_that_was_said_or_logged_all_day_holds_a_secret(stack: Stack, launcher: Process) -> None:
    logs = {path.name: path.read_text(errors="replace") for path in (stack.home / "log").iterdir()}
    assert len(logs) >= len(WORDS)
    secrets = [(stack.home / name).read_text().strip() for name in ("flower_password", "secret_key")]
    secrets += [*KEYS.values(), (stack.home / "redis.url").read_text().split(":")[2].partition("@")[0]]
    for name, text in {**logs, "make run": launcher.output}.items():
        assert not [secret for secret in secrets if secret in text], name


@needs_proc
def test_the_next_start_keeps_what_was_there_and_a_kill_of_make_run_ends_all(stack: Stack) -> None:
    address = (stack.home / "redis.url").read_text()
    launcher = stack.start_and_wait(FLOWER=0)
    assert "shown only once" not in launcher.output
    assert "Flower" not in launcher.output
    assert stack.pid_of(*WORDS["flower"]) is None
    assert "changepassword admin" in launcher.output
    assert (stack.home / "redis.url").read_text() == address
    os.kill(launcher.pid, signal.SIGKILL)
    stack.processes.wait_for(lambda: stack.pids() == {}, 5, "the end of all processes")
