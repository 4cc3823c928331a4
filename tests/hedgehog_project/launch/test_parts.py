"""The small parts of `make run`: exec_with_parent, ports, the embedded Redis's address, the logs it shows."""

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

from hedgehog_project import last_run
from hedgehog_project.home import secret
from hedgehog_project.launch import embedded_redis
from hedgehog_project.launch.terminal import Log
from hedgehog_project.ports import HOST, free_port, why_not
from tests.support.environment import EXEC_WITH_PARENT, ROOT

SLEEPER = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]


def wait_until_gone(pid: int, timeout_s: float = 5) -> bool:
    give_up = time.monotonic() + timeout_s
    while time.monotonic() < give_up:
        status = Path(f"/proc/{pid}/stat")
        if not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.02)
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_a_tethered_process_ends_with_a_parent_that_is_killed() -> None:
    starts_one = (
        "import subprocess, sys, os, time; "
        f"p = subprocess.Popen([sys.executable, '-IS', {str(EXEC_WITH_PARENT)!r}, "
        f"str(os.getpid()), '-', *{SLEEPER!r}]); "
        "print(p.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", starts_one], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    child = int(parent.stdout.readline())
    time.sleep(0.3)
    os.kill(child, 0)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert wait_until_gone(child)


def test_a_command_whose_parent_has_gone_starts_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-IS", EXEC_WITH_PARENT, "1", "-", "echo", "started"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "started" not in done.stdout


def test_a_process_is_started_again_after_two_seconds_not_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-IS", str(EXEC_WITH_PARENT), "0", str(tmp_path / "new" / "stamp"), "true"]
    times = []
    for _ in range(2):
        began = time.monotonic()
        subprocess.run(command, check=True)
        times.append(time.monotonic() - began)
    assert times[0] < 1
    assert 1.5 < times[1] < 3


def test_a_command_that_is_not_there_is_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-IS", EXEC_WITH_PARENT, "0", "-", "no-such-program"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "exec_with_parent: cannot run no-such-program: No such file or directory\n"


def test_a_web_server_that_is_frozen_ends() -> None:
    script = """
import time
from hedgehog_project import web_config
web_config.FROZEN_S = 0.5
web_config.Worker.notify(None)
time.sleep(20)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Timeout" in done.stderr


def test_a_port_is_free_until_someone_listens() -> None:
    port = free_port()
    assert why_not(port) == ""
    with socket.create_server((HOST, port)):
        assert why_not(port) == "is in use by another program"


def test_redis_keeps_its_port_while_it_is_free_and_its_address_is_private(tmp_path: Path) -> None:
    file = tmp_path / "redis.url"
    first = embedded_redis.choose(file)
    assert embedded_redis.choose(file) == first
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with socket.create_server((HOST, first[0])):
        second = embedded_redis.choose(file)
    assert second[0] != first[0]
    assert second[1] != first[1]
    assert file.read_text().strip() == embedded_redis.url(*second)


def test_the_embedded_redis_asks_for_its_password_and_keeps_what_it_is_told(tmp_path: Path) -> None:
    port = free_port()
    folder = tmp_path / "a folder"
    config = embedded_redis.configure(folder, port, "pw")
    assert stat.S_IMODE(config.stat().st_mode) == 0o600

    client = redis.Redis.from_url(embedded_redis.url(port, "pw"))

    def start() -> subprocess.Popen[bytes]:
        server = subprocess.Popen([embedded_redis.binary(), config], stdout=subprocess.DEVNULL)
        give_up = time.monotonic() + 5
        while time.monotonic() < give_up:
            with contextlib.suppress(redis.ConnectionError):
                client.ping()
                break
            time.sleep(0.02)
        return server

    server = start()
    try:
        with pytest.raises(redis.AuthenticationError):
            redis.Redis.from_url(f"redis://{HOST}:{port}/0").ping()
        client.set("kept", "yes")
        time.sleep(1.2)  # appendfsync everysec
        server.kill()
        server.wait()
        server = start()
        assert client.get("kept") == b"yes"
    finally:
        client.close()
        server.send_signal(signal.SIGKILL)
        server.wait()


def test_a_secret_is_made_once_and_is_private(tmp_path: Path) -> None:
    value = secret(tmp_path / "home", "name")
    assert len(value) > 30
    assert secret(tmp_path / "home", "name") == value
    assert stat.S_IMODE((tmp_path / "home" / "name").stat().st_mode) == 0o600


def in_python(script: str, **environment: object) -> str:
    clean = {name: value for name, value in os.environ.items() if name not in last_run.NAMES}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=clean | {name: str(value) for name, value in environment.items()},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_what_make_run_was_given_is_remembered_but_no_key_and_nothing_of_the_env_file(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("WEB_PORT=8111\nMARKET=live\n")
    remembers = (
        f"from hedgehog_project.last_run import remember; from pathlib import Path; remember(Path({str(tmp_path)!r}))"
    )
    in_python(remembers, HEDGEHOG_ENV_FILE=env_file, MOCK_PORT=8222, MARKET="simulated", BINANCE_API_KEY="k")
    file = tmp_path / last_run.FILE
    assert json.loads(file.read_text()) == {"MOCK_PORT": "8222", "MARKET": "simulated"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    recalls = "import os; from hedgehog_project.last_run import recall; recall(); print(os.environ['MOCK_PORT'])"
    of = {"HEDGEHOG_HOME": tmp_path, "HEDGEHOG_ENV_FILE": os.devnull}
    assert in_python(recalls, **of) == "8222"
    assert in_python(recalls, **of, MOCK_PORT=8333) == "8333", "what is said now goes first"


def test_a_folder_of_strategies_is_found_by_the_commands_too(tmp_path: Path) -> None:
    remembers = (
        f"from hedgehog_project.last_run import remember; from pathlib import Path; remember(Path({str(tmp_path)!r}))"
    )
    (tmp_path / "calm_one.py").touch()
    in_python(remembers, PYTHONPATH=tmp_path)
    recalls = "from hedgehog_project.last_run import recall; recall(); import calm_one; print('found')"
    assert in_python(recalls, HEDGEHOG_HOME=tmp_path, HEDGEHOG_ENV_FILE=os.devnull) == "found"


def test_another_file_of_the_last_run_is_one_line(tmp_path: Path) -> None:
    (tmp_path / last_run.FILE).write_text("{")
    done = subprocess.run(
        [sys.executable, ROOT / "manage.py", "status"],
        env=os.environ | {"HEDGEHOG_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"hedgehog: {tmp_path / last_run.FILE} cannot be read: delete it")


def test_a_log_is_shown_from_now_on_line_by_line_and_over_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text("history\n")
    log = Log(path)
    assert log.new_lines() == []
    with path.open("a") as file:
        file.write("one\ntw")
    assert log.new_lines() == ["one"]
    with path.open("a") as file:
        file.write("o\nlast before\n")
    path.rename(tmp_path / "x.log.1")
    path.write_text("first after\n")
    assert log.new_lines() + log.new_lines() == ["two", "last before", "first after"]


def test_a_log_that_comes_later_is_shown_from_its_beginning(tmp_path: Path) -> None:
    log = Log(tmp_path / "x.log")
    assert log.new_lines() == []
    (tmp_path / "x.log").write_bytes(b"caf\xe9\n")
    assert log.new_lines() == ["caf�"]
