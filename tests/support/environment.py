"""The surroundings of a test run: a home, a Redis and settings of its own, whatever the developer's are.

`tests/settings.py` calls prepare() before it reads any setting. HEDGEHOG_TEST_DATABASE=postgresql runs the tests on a
temporary PostgreSQL cluster instead of SQLite.
"""

import atexit
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import redis

from hedgehog_project.launch import embedded_redis
from hedgehog_project.ports import HOST, free_port
from tests.support.machine import postgres

ROOT = Path(__file__).resolve().parent.parent.parent
# What `make run` starts, as the Makefile has it: what the tests start is what a user starts.
LAUNCHER = re.findall(r"^run:.*\n\t@exec \$\(BIN\)/python -m (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[
    0
]
MAKE_RUN = (sys.executable, "-m", LAUNCHER)
EXEC_WITH_PARENT = ROOT / "hedgehog_project" / "exec_with_parent.py"
# Names whose surroundings are prepared; a process started by a test must not prepare its own. Where several processes
# share the tests out (pytest-xdist), each has surroundings of its own.
MARKER = "HEDGEHOG_TEST_RUN"


def setting_names() -> set[str]:
    """Everything that settings.py reads: a test sees the defaults, not what the developer has set."""
    sources = [ROOT / "hedgehog_project" / name for name in ("env.py", "settings.py")]
    return {name for path in sources for name in re.findall(r'(?:env\.\w+|one_of)\(\s*"(\w+)"', path.read_text())}


def tethered(command: list[str]) -> list[str]:
    """The command, made to end with this process even if this one is killed."""
    return [sys.executable, "-IS", str(EXEC_WITH_PARENT), str(os.getpid()), "-", *command]


def start_redis(folder: Path, port: int | None = None, also_at: str = "") -> tuple[subprocess.Popen[bytes], str]:
    """A Redis without persistence on a free port, ready to answer: the process and its address.

    `also_at`: another address of this machine, for other hosts.
    """
    port = port or free_port()
    password = "tests-only"
    config = embedded_redis.configure(folder, port, password, durable=False)
    if also_at:
        with config.open("a") as file:
            file.write(f"bind {HOST} {also_at}\n")  # The last one counts.
    log = folder / "valkey.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            tethered([str(embedded_redis.binary()), str(config)]),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    address = embedded_redis.url(port, password)
    client = redis.Redis.from_url(address)
    give_up = time.monotonic() + 10
    while True:
        try:
            client.ping()
            break
        except redis.ConnectionError:
            if process.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError(f"Redis did not start: {log.read_text()[-2000:]}") from None
            time.sleep(0.02)
    client.close()
    return process, address


def prepare() -> None:
    """Sets the environment that settings.py reads. Does nothing in a process that a test has started."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")
    if os.environ.get(MARKER) == worker:
        return
    for name in setting_names():
        os.environ.pop(name, None)
        os.environ.pop(f"{name}_FILE", None)
    home = Path(tempfile.mkdtemp(prefix="hedgehog-tests-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    server, address = start_redis(home / "redis")
    atexit.register(server.wait)
    atexit.register(server.kill)
    os.environ.update(
        {
            MARKER: worker,
            "HEDGEHOG_ENV_FILE": os.devnull,
            "HEDGEHOG_HOME": str(home),
            "REDIS_URL": address,
            # Nothing listens there unless a test starts it.
            "MOCK_PORT": str(free_port()),
            "WEB_PORT": str(free_port()),
            "FLOWER_PORT": str(free_port()),
        }
    )
    if os.environ.get("HEDGEHOG_TEST_DATABASE") == "postgresql":
        cluster = postgres.Cluster()
        atexit.register(cluster.stop)
        os.environ["DATABASE_URL"] = cluster.create()
