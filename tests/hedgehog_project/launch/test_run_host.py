"""`make host`: a further machine runs along on the database and the Redis of the first one."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from hedgehog_project.heartbeats import alive, beats
from hedgehog_project.ports import HOST, free_port
from hedgehog_project.processes import HEARTBEATS
from tests.support.environment import MAKE_RUN, ROOT, start_redis
from tests.support.machine.postgres import Cluster
from tests.support.machine.processes import Process, Processes

UP_S = 60


def host(processes: Processes, folder: Path, **environment: object) -> Process:
    return processes.start(*MAKE_RUN, name="host", HEDGEHOG_PART="host", HEDGEHOG_HOME=folder / "host", **environment)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"DATABASE_URL": ""}, "A further host shares DATABASE_URL with the first one: `make host DATABASE_URL="),
        ({"DATABASE_URL": "sqlite:////tmp/x"}, "A further host shares DATABASE_URL with the first one"),
        ({"DATABASE_URL": "postgresql://u:secret@127.0.0.1:1/n", "REDIS_URL": ""}, "shares REDIS_URL with the first"),
        ({"DATABASE_URL": "postgresql://u:secret@127.0.0.1:1/n"}, "The database (127.0.0.1:1) cannot be used"),
        ({"HEDGEHOG_PART": "some"}, "HEDGEHOG_PART must be one of all, host, not 'some'"),
    ],
)
def test_without_what_it_shares_it_starts_nothing(
    processes: Processes, tmp_path: Path, given: dict[str, str], words: str
) -> None:
    process = processes.start(
        *MAKE_RUN, name="host", **{"HEDGEHOG_PART": "host", "HEDGEHOG_HOME": str(tmp_path / "host"), **given}
    )
    assert process.wait(30) == 1
    (line,) = process.output.splitlines()
    assert words in line
    assert "secret" not in line


def test_on_a_database_that_nobody_has_prepared_it_starts_nothing(
    processes: Processes, postgres: Cluster, tmp_path: Path
) -> None:
    process = host(processes, tmp_path, DATABASE_URL=postgres.create())
    assert process.wait(30) == 1
    (line,) = process.output.splitlines()
    assert "migrations are missing" in line
    assert "start the first host with this version" in line


def test_it_starts_what_any_number_may_run_and_its_status_knows_nothing_of_the_rest(
    processes: Processes, postgres: Cluster, tmp_path: Path
) -> None:
    database = postgres.create()
    server, address = start_redis(tmp_path / "redis", free_port())
    try:
        for command in (["migrate", "--verbosity=0"], ["setup", "--no-admin"]):
            assert processes.run(*command, DATABASE_URL=database, REDIS_URL=address).returncode == 0
        port = free_port()
        given = {"DATABASE_URL": database, "REDIS_URL": address, "WEB_PORT": str(port)}
        launcher = host(processes, tmp_path, **given)
        processes.wait_for(lambda: "runs along" in launcher.output or not launcher.is_running, UP_S, "the host")
        assert launcher.is_running, launcher.tail
        client = redis.Redis.from_url(address)
        assert alive(client) == set(HEARTBEATS)
        with pytest.raises(OSError), socket.create_connection((HOST, port), 1):
            pass
        # A command in another terminal finds what the last start was given.
        environment = {name: value for name, value in os.environ.items() if name not in (*given, "HEDGEHOG_PART")}
        status = subprocess.run(
            [sys.executable, "manage.py", "status", "--json"],
            cwd=ROOT, env=environment | {"HEDGEHOG_HOME": str(tmp_path / "host")},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert status.stdout, status.stderr
        names = {each["name"]: each["alive"] for each in json.loads(status.stdout)["processes"]}
        assert names == dict.fromkeys(("redis", *HEARTBEATS), True)
        launcher.signal(signal.SIGINT)
        assert launcher.wait(11) == 0, launcher.tail
        assert beats(client) == [], "a host that is stopped is missed by nobody"
        client.close()
    finally:
        server.kill()
        server.wait()
